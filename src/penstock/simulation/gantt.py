"""A Gantt chart as data: lanes of bars in time, and the same cut into cells of equal length.

What draws it, as letters in a terminal or as shapes in a picture, knows nothing of pipelines.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from penstock.model.status import CANCELED, CASCADE_FAILED, FAILED, FINISHED, TIMEDOUT
from penstock.model.times import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Instant,
    format_instant,
    from_datetime,
    to_datetime,
)
from penstock.simulation.forecast import over_at
from penstock.simulation.whatif import Lived, Run, Try, is_work

Kind = Literal[
    "waiting", "queued", "retry", "running", "finished", "canceled", "failed", "cascaded"
]

KINDS: Final[dict[Kind, str]] = {
    "finished": "ran, and finished",
    "failed": "ran, and failed",
    "cascaded": "failed with another",
    "canceled": "ran, and was cancelled",
    "running": "still runs",
    "retry": "waits for its next try",
    "queued": "waits for a runner",
    "waiting": "waits for others",
}
"""What a bar can mean, in the order of a legend."""

RUNNING_KINDS: Final[frozenset[Kind]] = frozenset({"finished", "failed", "canceled", "running"})
_RISING: Final[tuple[Kind, ...]] = (
    "waiting",
    "queued",
    "retry",
    "finished",
    "running",
    "canceled",
    "cascaded",
    "failed",
)
RANK: Final[dict[Kind, int]] = {kind: rank for rank, kind in enumerate(_RISING)}
"""What is shown where several fall into one cell: the greatest."""

_KIND_OF_TRY: Final[dict[str, Kind]] = {
    FINISHED: "finished",
    FAILED: "failed",
    TIMEDOUT: "failed",
    CANCELED: "canceled",
}


class Bar(Struct, frozen=True):
    """A span of time and what it was spent with."""

    start: Instant
    stop: Instant
    kind: Kind


class Lane(Struct, frozen=True):
    """A row of the chart: one instance, or all of a component."""

    label: str
    bars: tuple[Bar, ...]


class Chart(Struct, frozen=True):
    """Lanes over `[begin, end)`; `single` says that each is one instance."""

    begin: Instant
    end: Instant
    lanes: tuple[Lane, ...]
    single: bool

    @property
    def kinds(self) -> list[Kind]:
        """Those that occur, in the order of the legend."""
        found = {bar.kind for lane in self.lanes for bar in lane.bars}
        return [kind for kind in KINDS if kind in found]


class Cell(Struct, frozen=True):
    """What a cell shows, and the share of it that something ran, from 0 to 1."""

    kind: Kind
    share: float


class Tick(Struct, frozen=True):
    """A mark on the axis of time."""

    at: Instant
    label: str


def draw(lived: Lived, most_single: int) -> Chart:
    """The chart of a rehearsal: a lane for each instance while they are few, else by component."""
    work = [run for run in lived.runs if is_work(run)]
    over = over_at(lived)
    single = len(work) <= most_single
    if single:
        lanes = [Lane(_label(run), tuple(bars(run, over))) for run in work]
    else:
        names = list(dict.fromkeys(run.component for run in work))
        lanes = [
            Lane(
                name, tuple(bar for run in work if run.component == name for bar in bars(run, over))
            )
            for name in names
        ]
    begin = min((run.due_at for run in work), default=lived.scenario.begin)
    return Chart(begin, max(over, begin + MINUTE_MS), tuple(lanes), single)


def _label(run: Run) -> str:
    start = format_instant(run.start)
    return f"{run.component} {start[5:16].replace('T', ' ')}"


def bars(run: Run, over: Instant) -> Iterator[Bar]:
    """How an instance spent its time, from when it was due."""
    at, kind = run.due_at, "waiting"
    for each in run.tries:
        yield from _bar(at, each.ready_at, "retry" if kind == "failed" else "waiting")
        yield from _bar(each.ready_at, each.started_at or each.ended_at or over, "queued")
        if each.started_at is None:
            return
        at, kind = each.ended_at or over, _kind(each)
        yield Bar(each.started_at, max(at, each.started_at + 1), kind)
    if run.ended_at is None and (not run.tries or run.tries[-1].ended_at is not None):
        yield from _bar(at, over, "retry" if run.tries else "waiting")
    elif run.status == CASCADE_FAILED and run.ended_at is not None:
        yield from _bar(at, run.ended_at, "waiting")
        yield Bar(run.ended_at, run.ended_at + 1, "cascaded")


def _bar(start: Instant, stop: Instant, kind: Kind) -> Iterator[Bar]:
    if stop > start:
        yield Bar(start, stop, kind)


def _kind(each: Try) -> Kind:
    return "running" if each.ended_at is None else _KIND_OF_TRY.get(each.status, "canceled")


def cells(bars: Iterable[Bar], begin: Instant, end: Instant, count: int) -> list[Cell | None]:
    """Bars cut into so many cells of equal length; what fails is never lost in a cell."""
    kinds: list[Kind | None] = [None] * count
    ran_ms = [0] * count
    length = end - begin
    for bar in bars:
        start, stop = max(bar.start, begin), min(bar.stop, end)
        if start >= stop:
            continue
        first = (start - begin) * count // length
        last = min((stop - 1 - begin) * count // length, count - 1)
        for place in range(first, last + 1):
            known = kinds[place]
            if known is None or RANK[bar.kind] > RANK[known]:
                kinds[place] = bar.kind
            if bar.kind in RUNNING_KINDS:
                left = max(start, begin + place * length // count)
                right = min(stop, begin + (place + 1) * length // count)
                ran_ms[place] += max(right - left, 0)
    cell_ms = max(length / count, 1)
    return [
        Cell(kind, min(ran / cell_ms, 1.0)) if kind is not None else None
        for kind, ran in zip(kinds, ran_ms, strict=True)
    ]


_STEPS: Final[Sequence[int]] = (
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
)
_MONTH_STEPS: Final[Sequence[int]] = (1, 2, 3, 6, 12, 24, 60, 120, 1200)
_MONTH_MS = 30 * DAY_MS


def ticks(begin: Instant, end: Instant, most: int) -> list[Tick]:
    """Marks at round times, at most about so many; days are dated, what is shorter has hours."""
    step = next((s for s in _STEPS if (end - begin) / s <= most), None)
    if step is None:
        return _months(begin, end, most)
    found = []
    day = ""
    for at in range(-(-begin // step) * step, end, step):
        text = format_instant(at)
        label = text[5:10] if text[:10] != day else text[11:16]
        day = text[:10]
        found.append(Tick(at, label))
    return found


def _months(begin: Instant, end: Instant, most: int) -> list[Tick]:
    wanted = (end - begin) / _MONTH_MS / max(most, 1)
    step = next((s for s in _MONTH_STEPS if s >= wanted), _MONTH_STEPS[-1])
    first = to_datetime(begin)
    month = -(-(first.year * 12 + first.month - 1) // step) * step
    found = []
    while (at := from_datetime(datetime(month // 12, month % 12 + 1, 1))) < end:
        if at >= begin:
            found.append(Tick(at, format_instant(at)[:7]))
        month += step
    return found
