"""(a) signed echoes, (b) full lives of tasks, and their ratio."""

from statistics import median

from bench.figures import Figure
from bench.ground import Ground, Measured, measure
from bench.pipelines import activate, create, fan_out, make_objects
from bench.processes import Server, echoing, serving
from penstock.wire.client import Client

PIPELINES = 10
CALLS_IN_A_LIFE = 3
SLICE = 1_000
"""Lives in one turn."""

RATIO = 0.4


def make_fan_outs(client: Client, worker_group: str, tasks: int) -> list[str]:
    """Pipelines whose activation makes so many ready tasks."""
    objects = make_objects(worker_group, fan_out(tasks // PIPELINES))
    return [create(client, f"{worker_group}-{number}", objects) for number in range(PIPELINES)]


def measure_lives(server: Server, pipelines: list[str], tasks: int) -> Measured:
    """Make tasks ready, then live them all."""
    activate(server.client(), pipelines)
    return measure(server, server.job("lives", tasks))


def measure_throughput(ground: Ground) -> list[Figure]:
    """Echoes and lives in short turns, so that both see the machine as it is at the time.

    The tasks are all ready when the turns begin; each turn takes a slice of them.
    """
    tasks, rounds = 5_000, ground.pick(5, 1)
    echoes: list[Measured] = []
    lives: list[Measured] = []
    with echoing(ground.directory) as echo, serving(ground.data("lives")) as server:
        pipelines = make_fan_outs(server.client(), "bench", tasks)
        measure(echo, echo.job("echo", CALLS_IN_A_LIFE * SLICE))
        measure_lives(server, pipelines, tasks)
        for _ in range(rounds):
            activate(server.client(), pipelines)
            for _ in range(tasks // SLICE):
                echoes.append(measure(echo, echo.job("echo", CALLS_IN_A_LIFE * SLICE)))
                lives.append(measure(server, server.job("lives", SLICE)))
    return list(_figures(echoes, lives))


def _figures(echoes: list[Measured], lives: list[Measured]) -> list[Figure]:
    pairs = list(zip(echoes, lives, strict=True))
    ratio = median(b.told.per_second * CALLS_IN_A_LIFE / a.told.per_second for a, b in pairs)
    echo_us = median(each.server_cpu_us for each in echoes)
    life_us = median(each.server_cpu_us for each in lives)
    life_ms = median(each.told.percentiles_ms[50] for each in lives)
    slowest_ms = median(each.told.percentiles_ms[99] for each in lives)
    return [
        Figure("a", "signed echoes", per_second(echoes), "/s", note=_note(echoes, echo_us)),
        Figure("b", "task lives, durable", per_second(lives), "/s", note=_note(lives, life_us)),
        Figure("b", "a life among 64", life_ms, "ms", note=f"p99 {slowest_ms:.0f} ms"),
        Figure(
            "b",
            "lives * 3 / echoes",
            ratio,
            "",
            RATIO,
            note=f"by processor time {echo_us * CALLS_IN_A_LIFE / life_us:.2f}",
        ),
    ]


def per_second(measured: list[Measured]) -> float:
    """The median rate."""
    return median(each.told.per_second for each in measured)


def _note(measured: list[Measured], cpu_us: float) -> str:
    """Who was how busy, and what one cost the server: a busy neighbour changes that less."""
    server = median(each.server_cpu_share for each in measured)
    generator = median(each.told.cpu_share for each in measured)
    return f"{cpu_us:.0f} us of server; server {server:.0%}, generator {generator:.0%} of a core"
