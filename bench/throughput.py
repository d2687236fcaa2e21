"""(a) signed echoes, (b) full lives of tasks, and their ratio."""

from statistics import median

from bench.figures import Figure
from bench.ground import Ground, Measured, measure
from bench.pipelines import activate, create, fan_out, make_objects
from bench.processes import Server, echoing, serving
from penstock.wire.client import Client

PIPELINES = 10
CALLS_IN_A_LIFE = 3
RATIO = 0.4


def make_fan_outs(client: Client, worker_group: str, tasks: int) -> list[str]:
    """Pipelines whose activation makes so many ready tasks."""
    objects = make_objects(worker_group, fan_out(tasks // PIPELINES))
    return [create(client, f"{worker_group}-{number}", objects) for number in range(PIPELINES)]


def measure_lives(server: Server, pipelines: list[str], tasks: int) -> Measured:
    """Make tasks ready, then live them."""
    activate(server.client(), pipelines)
    return measure(server, server.job("lives", tasks))


def measure_throughput(ground: Ground) -> list[Figure]:
    """Echoes and lives by turns, so that both see the machine as it is; medians of the rounds."""
    tasks, rounds = ground.pick(5_000, 2_000), ground.pick(5, 2)
    echoes: list[Measured] = []
    lives: list[Measured] = []
    with echoing(ground.directory) as echo, serving(ground.data("lives")) as server:
        pipelines = make_fan_outs(server.client(), "bench", tasks)
        measure(echo, echo.job("echo", 2_000))
        for _ in range(rounds):
            echoes.append(measure(echo, echo.job("echo", 4 * tasks)))
            lives.append(measure_lives(server, pipelines, tasks))
    return list(_figures(echoes, lives))


def _figures(echoes: list[Measured], lives: list[Measured]) -> list[Figure]:
    ratios = [
        life.told.per_second * CALLS_IN_A_LIFE / echo.told.per_second
        for echo, life in zip(echoes, lives, strict=True)
    ]
    last = lives[-1].told.percentiles_ms
    return [
        Figure("a", "signed echoes", _per_second(echoes), "/s", note=echoes[-1].note),
        Figure("b", "task lives, durable", _per_second(lives), "/s", note=lives[-1].note),
        Figure("b", "a life among 64", last[50], "ms", note=f"p99 {last[99]:.0f} ms"),
        Figure("b", "lives * 3 / echoes", median(ratios), "", RATIO),
    ]


def _per_second(measured: list[Measured]) -> float:
    return median(each.told.per_second for each in measured)
