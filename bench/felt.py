"""(f) what a user feels, with the real server, the real runner and real processes."""

import sqlite3
import time
from statistics import median

from bench.figures import Figure
from bench.ground import Ground
from bench.pipelines import (
    Objects,
    activate,
    chain,
    create,
    fan_out,
    make_objects,
    wait_until_finished,
)
from bench.processes import Memory, Server, memory, running, serving, start_server
from penstock.app import DATABASE_FILE

GROUP = "felt"
SLOTS = 4
TASKS_A_SECOND = 120.0
MS_A_HOP = 10.0
READY_SECONDS = 1.0
IDLE_MIB = 100.0
LINKS = 20
_SETTLE_SECONDS = 3.0


def measure_felt(ground: Ground) -> list[Figure]:
    """Start, idle memory, fan-out, chain."""
    figures = _start(ground)
    with (
        serving(ground.data("felt")) as server,
        running(server, ground.directory / "runner", GROUP, SLOTS) as runner,
    ):
        time.sleep(_SETTLE_SECONDS)
        idle = memory(server.process.pid), memory(runner.pid)
        figures.append(_idle(*idle))
        run(server, "warm-up", make_objects(GROUP, fan_out(20)))
        for size in (200, 1_000):
            figures.append(_fan_out(server, size, ground.pick(3, 1)))
        figures.append(_chain(server, ground.pick(7, 3)))
    return figures


def _start(ground: Ground) -> list[Figure]:
    """From the start of the process until /health answers; the first start makes the database."""
    rounds = ground.pick(7, 3)
    times: dict[str, list[float]] = {"first start": [], "later start": []}
    for number in range(rounds):
        data = ground.data(f"start-{number}")
        for found in times.values():
            began = time.perf_counter()
            server = start_server(data)
            found.append(time.perf_counter() - began)
            server.process.stop()
    return [
        Figure("f", f"ready after {name}", median(found), "s", READY_SECONDS, at_least=False)
        for name, found in times.items()
    ]


def _idle(server: Memory, runner: Memory) -> Figure:
    return Figure(
        "f",
        "memory of idle server and runner",
        (server.pss_kib + runner.pss_kib) / 1024,
        "MiB",
        IDLE_MIB,
        at_least=False,
        note=f"PSS; server {server.pss_kib / 1024:.0f}, runner {runner.pss_kib / 1024:.0f};"
        f" RSS {server.rss_kib / 1024:.0f} and {runner.rss_kib / 1024:.0f}",
    )


class Ran:
    """The times of one run, in milliseconds, by the server's clock."""

    def __init__(self, activated: float, first_handed: int, last_ended: int) -> None:
        self.activated = activated
        self.first_handed = first_handed
        self.last_ended = last_ended


def run(server: Server, name: str, objects: Objects, again: str | None = None) -> Ran:
    """Run a definition to its end."""
    client = server.client()
    pipeline_id = again or create(client, name, objects)
    began = time.time() * 1000
    activate(client, [pipeline_id])
    wait_until_finished(client, pipeline_id)
    return _times(server, pipeline_id, began)


def _times(server: Server, pipeline_id: str, began: float) -> Ran:
    """Read from the store, which knows milliseconds where the API shows seconds."""
    connection = sqlite3.connect(f"file:{server.data / DATABASE_FILE}?mode=ro", uri=True)
    try:
        handed, ended, unfinished = connection.execute(
            "SELECT min(attempt.handed_at), max(attempt.ended_at),"
            " sum(attempt.status <> 'FINISHED')"
            " FROM attempt JOIN pipeline ON pipeline.key = attempt.pipeline"
            " WHERE pipeline.id = ?",
            (pipeline_id,),
        ).fetchone()
    finally:
        connection.close()
    if unfinished:
        raise RuntimeError(f"{unfinished} attempts of {pipeline_id} did not finish")
    return Ran(began, handed, ended)


def _fan_out(server: Server, size: int, rounds: int) -> Figure:
    """From the call that activates to the end of the last task."""
    rates = []
    for number in range(rounds):
        ran = run(server, f"fan-out-{size}-{number}", make_objects(GROUP, fan_out(size)))
        rates.append(size * 1000 / (ran.last_ended - ran.activated))
    name = f"fan-out of {size:,} on {SLOTS} slots"
    return Figure("f", name, median(rates), "tasks/s", TASKS_A_SECOND)


def _chain(server: Server, rounds: int) -> Figure:
    """From the first task's hand-over to the last task's end, a hop being one task."""
    times = []
    for number in range(rounds):
        ran = run(server, f"chain-{number}", make_objects(GROUP, chain(LINKS)))
        times.append((ran.last_ended - ran.first_handed) / LINKS)
    return Figure("f", f"chain of {LINKS}", median(times), "ms/hop", MS_A_HOP, at_least=False)
