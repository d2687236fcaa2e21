"""Places that intervals share: what a path comes to at some interval starts in a row.

That a path has the interval's time in it does not yet tell the intervals apart: the day is too
coarse for an hourly run, and `mm` are minutes where months were meant.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from penstock.language.checks.names import names_in
from penstock.language.checks.schedules import end_of, recurrence_of
from penstock.language.checks.subject import Subject
from penstock.language.expressions.errors import ExpressionError
from penstock.language.expressions.parser import walk
from penstock.language.expressions.tree import Call, Constant, Node
from penstock.language.resolve import ResolvedObject
from penstock.language.scope import ObjectScope, RuntimeValue
from penstock.model.errors import DefinitionError

INTERVALS = 100
"""Starts in a row that are looked at: the quarters of an hour of a day are 96."""

_ORIGIN = datetime(2030, 1, 1)
"""Where a schedule is taken to begin that begins with its activation."""

_AT = re.compile(r"\bat=[0-9]+")
_MOST_FIELDS = 20


class Shared(NamedTuple):
    """Two starts whose intervals have one place, and how many of those looked at have it."""

    first: datetime
    second: datetime
    place: str
    intervals: int


class Places:
    """Finds shared places; texts that differ only in what is constant are worked out once."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._starts: dict[str, list[datetime]] = {}
        self._groups: dict[object, tuple[datetime, datetime, int] | None] = {}

    def shared(self, node: ResolvedObject, key: str, schedule: ResolvedObject) -> Shared | None:
        """The first two intervals that the node's path does not tell apart; None if it does.

        Also None where a run is needed to know the path, or parameters that are yet to come.
        """
        if schedule.id not in self._starts:
            self._starts[schedule.id] = list(_starts(self._subject, schedule))
        starts = self._starts[schedule.id]
        shape = self._shape(node, key)
        if shape is None or (schedule.id, shape) not in self._groups:
            self._groups[schedule.id, shape] = self._group(node, key, starts)
        group = self._groups[schedule.id, shape]
        if group is None:
            return None
        first, second, count = group
        place = _place(self._subject, node, key, starts, starts.index(first))
        return None if place is None else Shared(first, second, place, count)

    def _group(
        self, node: ResolvedObject, key: str, starts: list[datetime]
    ) -> tuple[datetime, datetime, int] | None:
        seen: dict[str, list[datetime]] = {}
        for at in range(len(starts) - 1):
            place = _place(self._subject, node, key, starts, at)
            if place is None:
                return None
            seen.setdefault(place, []).append(starts[at])
        most = max(seen.values(), key=len, default=[])
        return (most[0], most[1], len(most)) if len(most) > 1 else None

    def _shape(self, node: ResolvedObject, key: str) -> object | None:
        """What of a path decides which intervals share it; None if other objects do, too."""
        waiting, found = [key], dict[str, tuple[str, ...]]()
        while waiting:
            field = waiting.pop()
            texts = node.strings(field)
            names = [name for text in texts for name in names_in(self._subject, text)]
            if any(len(name.path) > 1 for name in names) or len(found) > _MOST_FIELDS:
                return None
            found[field] = tuple(_varying(self._subject, text) for text in texts)
            following = {name.path[0] for name in names} & node.fields.keys()
            waiting.extend(sorted(following - found.keys()))
        return tuple(sorted(found.items()))


def _varying(subject: Subject, text: str) -> str:
    """A text's expressions, without where in it they stand."""
    template = subject.template(text)
    if isinstance(template, ExpressionError):
        return text
    return _AT.sub("", repr([part for part in template.parts if not isinstance(part, str)]))


def _starts(subject: Subject, schedule: ResolvedObject) -> Iterator[datetime]:
    """Some interval starts, and the end of the last."""
    intervals, end = recurrence_of(subject, schedule, _ORIGIN), end_of(subject, schedule)
    if intervals is None:
        return
    occurrences = subject.known_text(schedule, "occurrences")
    is_count = occurrences.isascii() and occurrences.isdigit() and len(occurrences) < 5
    most = min(INTERVALS, int(occurrences)) if is_count else INTERVALS
    for number in range(most + 1):
        try:
            start = intervals.start(number)
        except DefinitionError:
            return  # the calendar ends before
        yield start
        if end is not None and start >= end:
            return


def _place(
    subject: Subject, node: ResolvedObject, key: str, starts: list[datetime], at: int
) -> str | None:
    runtime: dict[str, RuntimeValue] = {
        "@pipelineId": "df-0",
        "@scheduledStartTime": starts[at],
        "@scheduledEndTime": starts[at + 1],
    }
    scope = ObjectScope(subject.resolved, node.id, runtime, runtime_known=False)
    scope.budget.left = granted = min(scope.budget.left, subject.effort.left)
    try:
        texts = [each for text in node.strings(key) for each in scope.field_texts(key, text)]
    except DefinitionError:
        return None
    finally:
        subject.effort.afford(granted - scope.budget.left + 1)
    return texts[0] if texts else None


def misread_letters(subject: Subject, texts: Iterable[str]) -> str:
    """Which letters of the patterns in some texts are often meant otherwise, as a remedy."""
    for text in texts:
        template = subject.template(text)
        for part in () if isinstance(template, ExpressionError) else template.parts:
            for node in () if isinstance(part, str) else walk(part):
                letters = _letters(node)
                if "m" in letters and letters.isdisjoint("HhKk"):
                    return "'mm' are minutes; months are 'MM'"
                if not letters.isdisjoint("hK") and "a" not in letters:
                    return "'hh' goes twice round the day; hours from 00 to 23 are 'HH'"
                if "D" in letters and "M" in letters:
                    return "'DD' is the day of the year; that of the month is 'dd'"
    return ""


def _letters(node: Node) -> frozenset[str]:
    """The letters of a call's pattern, without what is quoted."""
    if not isinstance(node, Call) or node.function != "format" or len(node.arguments) != 2:
        return frozenset()
    pattern = node.arguments[1]
    values = pattern.values if isinstance(pattern, Constant) else ()
    return frozenset(re.sub(r"'[^']*'", "", str(values[0]))) if values else frozenset()
