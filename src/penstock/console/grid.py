"""The grid of components and recent intervals: which cell stands where, and how wide. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby

from msgspec import Struct

from penstock.console.words import day
from penstock.model.runtime import Instance
from penstock.model.times import Instant


class Cell(Struct, frozen=True):
    """One place of a row, some columns wide; without an instance it is empty."""

    columns: int
    instance: Instance | None = None


class Day(Struct, frozen=True):
    """A heading over the columns of one day."""

    text: str
    columns: int


def days_over(starts: Sequence[Instant]) -> list[Day]:
    """The headings over columns that begin at `starts`, oldest first."""
    return [Day(text, sum(1 for _ in group)) for text, group in groupby(starts, day)]


def cells_of(starts: Sequence[Instant], instances: Sequence[Instance]) -> list[Cell]:
    """A component's row: each instance over the columns whose starts its interval holds.

    `starts` and `instances` come oldest first. So an hour stands over its four quarters. An
    instance that began before the first column shows the part that reaches into the row; one that
    would overlap what is there already (after its schedule was edited) gives way as far as needed.
    """
    cells: list[Cell] = []
    at = 0
    for instance in instances:
        first = max(bisect_left(starts, instance.start), at)
        stop = max(bisect_left(starts, instance.end), bisect_left(starts, instance.start) + 1)
        stop = min(stop, len(starts))
        if first >= stop:
            continue
        if first > at:
            cells.extend(Cell(1) for _ in range(first - at))
        cells.append(Cell(stop - first, instance))
        at = stop
    cells.extend(Cell(1) for _ in range(len(starts) - at))
    return cells
