"""(e) whether a long past slows the present: lives with few and with many finished instances."""

import sqlite3
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.fill import fill
from bench.ground import Ground, Measured, measure
from bench.pipelines import activate
from bench.processes import Server, serving
from bench.throughput import SLICE, make_fan_outs, measure_lives, per_second
from penstock.app import DATABASE_FILE

FEW = 1_000
RATIO = 0.9


def measure_history(ground: Ground) -> list[Figure]:
    """Two stores in short turns, whose order changes, so that the machine's drift cancels."""
    many = ground.pick(1_000_000, 50_000)
    tasks, rounds = 5_000, ground.pick(4, 1)
    few_ids = _prepare(ground.data("few"), tasks, FEW)
    many_ids = _prepare(ground.data("many"), tasks, many)
    few: list[Measured] = []
    much: list[Measured] = []
    with serving(ground.data("few")) as one, serving(ground.data("many")) as other:
        for _ in range(rounds):
            activate(one.client(), few_ids)
            activate(other.client(), many_ids)
            for number in range(tasks // SLICE):
                turns = [(one, few), (other, much)]
                for server, found in turns if number % 2 else reversed(turns):
                    found.append(measure(server, server.job("lives", SLICE)))
    ratio = median(b.told.per_second / a.told.per_second for a, b in zip(few, much, strict=True))
    by_cpu = median(a.server_cpu_us / b.server_cpu_us for a, b in zip(few, much, strict=True))
    note = f"by processor time {by_cpu:.2f}"
    return [
        _lives(FEW, few),
        _lives(many, much),
        Figure("e", "the latter / the former", ratio, "", RATIO, note=note),
    ]


def _lives(past: int, measured: list[Measured]) -> Figure:
    return Figure("e", f"lives after {past:,} finished instances", per_second(measured), "/s")


def _prepare(data: Path, tasks: int, past: int) -> list[str]:
    """A data directory whose pipelines have a past."""
    with serving(data) as server:
        pipelines = make_fan_outs(server.client(), "bench", tasks)
        measure_lives(server, pipelines, tasks)
        account_id = _account_of(server)
    fill(data, account_id, "bench", past)
    return pipelines


def _account_of(server: Server) -> str:
    connection = sqlite3.connect(server.data / DATABASE_FILE)
    try:
        return str(connection.execute("SELECT account_id FROM account").fetchone()[0])
    finally:
        connection.close()
