"""(i) a backfill of a million intervals, and (j) thousands of schedules with little to do."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from bench.figures import Figure
from bench.ground import Ground, Measured, measure
from bench.pipelines import Objects, create, describe
from bench.processes import Server, cpu_seconds, memory, serving
from penstock.cli.records import open_records
from penstock.config import Settings
from penstock.model.definition import Definition, Field
from penstock.model.runtime import Timer

FEW, MANY = 1_000, 1_000_000
ACTIVATION_MS = 1_000.0
RATIO = 1.5
GROWTH_KIB = 1_024.0
"""What an activation may add to the server's memory: one row of a million would be more."""

LIVES_RATIO = 0.9
CPU_PERCENT = 2.0
FAR = timedelta(days=365)


def on_schedule(worker_group: str, period: str, start: datetime) -> Objects:
    """An activity, what it writes, and another that reads that, on a schedule without end."""
    schedule = {"type": "Schedule", "period": period, "startDateTime": _text(start)}
    activity = {"type": "ShellCommandActivity", "command": "true"}
    default = {"scheduleType": "cron", "workerGroup": worker_group}
    return [
        describe("Default", default, [("schedule", "Times")]),
        describe("Times", schedule, []),
        describe("Data", {"type": "S3DataNode", "directoryPath": "s3://bucket/data"}, []),
        describe("Write", activity, [("output", "Data")]),
        describe("Read", activity, [("input", "Data")]),
    ]


def measure_backfill(ground: Ground) -> list[Figure]:
    """Activations of short and of long pasts by turns, then work on one of each by turns."""
    times: dict[int, list[float]] = {FEW: [], MANY: []}
    with serving(ground.data("backfill")) as server:
        _activate(server, "warm", FEW)
        grown = 0
        for number in range(ground.pick(20, 5)):
            for intervals, found in times.items():
                before = memory(server.process.pid).rss_kib
                found.append(_activate(server, f"{intervals}-{number}", intervals))
                grown += memory(server.process.pid).rss_kib - before if intervals == MANY else 0
        lives = _lives(server, ground)
    long, short = median(times[MANY]), median(times[FEW])
    ratio = median(m.told.per_second / f.told.per_second for f, m in lives)
    by_cpu = median(f.server_cpu_us / m.server_cpu_us for f, m in lives)
    note = f"by the server's processor time; by the clock {ratio:.2f}"
    return [
        Figure("i", f"activation, {FEW:,} intervals past", short, "ms"),
        Figure("i", f"activation, {MANY:,} past", long, "ms", ACTIVATION_MS, at_least=False),
        Figure("i", "the latter / the former", long / short, "", RATIO, at_least=False),
        Figure(
            "i", "memory added by each", grown / len(times[MANY]), "KiB", GROWTH_KIB, at_least=False
        ),
        Figure("i", "lives of it / of the former", by_cpu, "", LIVES_RATIO, note=note),
    ]


def _activate(server: Server, name: str, intervals: int) -> float:
    """Activate a pipeline that lies so many minutes behind; how long that took, in ms."""
    client = server.client()
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=intervals)
    pipeline = create(client, name, on_schedule(name, "1 minute", start))
    request = {"pipelineId": pipeline, "startTimestamp": start.timestamp()}
    began = time.perf_counter()
    client.call("ActivatePipeline", request)
    return (time.perf_counter() - began) * 1000


def _lives(server: Server, ground: Ground) -> list[tuple[Measured, Measured]]:
    """Turns of task lives: of the short past and of the long one."""
    count = ground.pick(300, 150)
    rounds = []
    for number in range(ground.pick(8, 4)):
        each = {
            intervals: measure(
                server,
                server.job("lives", count, connections=4, worker_group=f"{intervals}-{number}"),
            )
            for intervals in ((FEW, MANY) if number % 2 else (MANY, FEW))
        }
        rounds.append((each[FEW], each[MANY]))
    return rounds


def measure_schedules(ground: Ground) -> list[Figure]:
    """The processor time of a server that has nothing to do but to know when."""
    count, seconds = ground.pick(10_000, 2_000), ground.pick(60, 8)
    data = ground.data("schedules")
    with serving(data) as server:
        pattern = _pattern(server)
    now = datetime.now(UTC)
    multiply(data, pattern, "far", (now + FAR for _ in range(count)))
    far, _ = _cpu_percent(data, seconds)
    # The first are due before the server is up, the last in a day.
    now = datetime.now(UTC)
    multiply(data, pattern, "daily", (now + timedelta(days=1) * k / count for k in range(count)))
    daily, kib = _cpu_percent(data, seconds)
    note = f"{count / 86_400:.2f} due a second; {kib / 1024:.0f} MiB resident"
    names = (f"{count:,} schedules, none due", f"{count:,} daily ones beside them")
    return [
        Figure("j", names[0], far, "%", CPU_PERCENT, at_least=False),
        Figure("j", names[1], daily, "%", CPU_PERCENT, at_least=False, note=note),
    ]


def _pattern(server: Server) -> str:
    """A pipeline on a daily schedule, active, and not due for long."""
    client = server.client()
    start = datetime.now(UTC) + FAR
    pipeline = create(client, "pattern", on_schedule("nobody", "1 day", start))
    client.call("ActivatePipeline", {"pipelineId": pipeline})
    return pipeline


def multiply(data: Path, pattern: str, name: str, starts: Iterable[datetime]) -> None:
    """Add pipelines like one that is there, but that they start at other times.

    Past the service, as thousands of calls would take minutes; the server must not be running.
    """
    with open_records(Settings(data_dir=data)) as records:
        with records.store.reader() as reader:
            model = reader.pipeline_by_id(records.accounts[0], pattern)
            assert model is not None
            definition = records.definitions.load(reader, model.key, model.version)
            rows = reader.components(model.key)
        assert definition is not None
        unit = records.store.begin()
        for number, start in enumerate(starts):
            called = f"{name}-{number}"
            row = replace(model, id=f"df-{called}", name=called, unique_id=called)
            key = unit.insert_pipeline(row)
            unit.update_pipeline(replace(row, key=key))
            content = records.definitions.encode(_starting(definition, start))
            for version in (0, row.version):
                unit.put_definition(key, version, content)
            first = int(start.timestamp()) * 1000
            for component in rows:
                unit.put_component(replace(component, pipeline=key, next_start=first))
            unit.set_timer(Timer("tick", key, first))
        unit.commit()


def _starting(definition: Definition, start: datetime) -> Definition:
    """A definition whose schedule starts at another time."""

    def changed(field: Field) -> Field:
        is_start = field.key == "startDateTime"
        return replace(field, string_value=_text(start)) if is_start else field

    objects = tuple(
        replace(each, fields=tuple(changed(field) for field in each.fields))
        for each in definition.pipeline_objects
    )
    return replace(definition, pipeline_objects=objects)


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def _cpu_percent(data: Path, seconds: float) -> tuple[float, float]:
    """The share of a core that a server uses while nobody calls, and its resident memory in KiB."""
    with serving(data) as server:
        # What there is to do at the start is not meant.
        time.sleep(3)
        before, began = cpu_seconds(server.process.pid), time.monotonic()
        time.sleep(seconds)
        used = cpu_seconds(server.process.pid) - before
        share = used / (time.monotonic() - began)
        return share * 100, memory(server.process.pid).rss_kib
