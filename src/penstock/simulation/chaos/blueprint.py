"""Random pipelines, as the auditor understands them and as a definition spells them.

A blueprint is drawn first and its definition written from it, so that the auditor knows what was
meant without reading it back by the code that it is to judge. The arithmetic of intervals is
therefore done here once more, in the plainest way.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from penstock.model.times import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Instant,
    format_instant,
    from_datetime,
    to_datetime,
)

Style = Literal["cron", "timeseries", "ondemand"]
Kind = Literal["activity", "node", "condition", "check", "alarm"]
"""What a component is; a `check` is a precondition that the server evaluates itself."""

TERMINATE: Final = "Terminate"
UNTELLABLE: Final = "#{60 / minute(@scheduledStartTime)}"
"""A command that cannot be evaluated for an interval that starts on the hour."""

DEFAULT_ACTIVE: Final = 5
DEFAULT_RETRIES: Final = 2
DEFAULT_DELAY_MS: Final = 10 * MINUTE_MS

_FIXED_MS = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS, "week": 7 * DAY_MS}


class Rhythm(Struct, frozen=True):
    """A schedule: `count` intervals of `every` `unit`s from `origin` on."""

    id: str
    origin: Instant
    every: int
    unit: str
    count: int
    told_by_end: bool = False
    """Whether the definition gives endDateTime instead of occurrences."""

    def start(self, k: int) -> Instant:
        """Where the k-th interval starts; months go by the calendar, from the origin."""
        if self.unit in _FIXED_MS:
            return self.origin + k * self.every * _FIXED_MS[self.unit]
        begin = to_datetime(self.origin)
        years, month = divmod(begin.month - 1 + k * self.every, 12)
        year = begin.year + years
        day = min(begin.day, monthrange(year, month + 1)[1])
        return from_datetime(begin.replace(year=year, month=month + 1, day=day))

    def intervals(self) -> list[tuple[Instant, Instant]]:
        """All intervals, the first first."""
        return _intervals(self)

    def holding(self, moment: Instant) -> tuple[Instant, Instant] | None:
        """The interval that holds a moment, whether or not the schedule has ended by then."""
        if moment < self.origin:
            return None
        k = 0
        while self.start(k + 1) <= moment:
            k += 1
        return self.start(k), self.start(k + 1)


@lru_cache(256)
def _intervals(rhythm: Rhythm) -> list[tuple[Instant, Instant]]:
    return [(rhythm.start(k), rhythm.start(k + 1)) for k in range(rhythm.count)]


class Thing(Struct, frozen=True):
    """An object of the definition that has instances; times in milliseconds, None for unsaid."""

    id: str
    kind: Kind
    rhythm: str | None = None
    after: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    output: str | None = None
    conditions: tuple[str, ...] = ()
    on_fail: tuple[str, ...] = ()
    on_success: tuple[str, ...] = ()
    on_late: str | None = None
    late_after_ms: int | None = None
    group: str | None = None
    cascade: bool | None = None
    max_active: int | None = None
    retries: int | None = None
    delay_ms: int | None = None
    attempt_timeout_ms: int | None = None
    report_timeout_ms: int | None = None
    condition_timeout_ms: int | None = None
    command: str = "true"


class Part(Struct, frozen=True):
    """A component as the auditor knows it: what it waits for, and every limit that it has.

    `owner` is whose precondition or alarm it is; `producer` the activity whose output a node is.
    """

    id: str
    thing: Thing
    rhythm: Rhythm | None
    needs: tuple[str, ...]
    conditions: tuple[str, ...]
    cascade: bool
    group: str
    owner: str = ""
    producer: str = ""
    users: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.thing.kind

    @property
    def max_active(self) -> int:
        """How many instances may be unfinished at once."""
        return DEFAULT_ACTIVE if self.thing.max_active is None else self.thing.max_active

    @property
    def tries(self) -> int:
        """How many tries a set has."""
        retries = self.thing.retries
        return 1 + (DEFAULT_RETRIES if retries is None else retries)

    @property
    def delay_ms(self) -> int:
        """How long after a failure it is tried again."""
        return DEFAULT_DELAY_MS if self.thing.delay_ms is None else self.thing.delay_ms

    @property
    def is_condition(self) -> bool:
        """Whether it is a precondition."""
        return self.kind in {"condition", "check"}

    @property
    def by_server(self) -> bool:
        """Whether the server does it itself."""
        return self.kind in {"check", "alarm"}

    def is_untellable(self, start: Instant) -> bool:
        """Whether an instance's command cannot be evaluated."""
        return self.thing.command == UNTELLABLE and to_datetime(start).minute == 0

    def group_at(self, start: Instant) -> str:
        """The worker group of an instance; a `#` in it stands for the minute of its start."""
        return self.group.replace("#", str(to_datetime(start).minute))


class Blueprint(Struct, frozen=True):
    """A pipeline; `cascade` and `group` stand in its Default object, `name` marks the edition."""

    name: str
    style: Style
    rhythms: tuple[Rhythm, ...]
    things: tuple[Thing, ...]
    group: str = "workers"
    cascade: bool = False
    max_runs: int | None = None

    def thing(self, key: str) -> Thing:
        """An object by its id."""
        return next(each for each in self.things if each.id == key)

    def due_at(self, interval: tuple[Instant, Instant]) -> Instant:
        """When an interval is due."""
        return interval[0] if self.style == "cron" else interval[1]

    def objects(self) -> list[dict[str, object]]:
        """The definition in the command line's form."""
        found = [self._default(), *(self._schedule(each) for each in self.rhythms)]
        found += [self._written(each) for each in self.things]
        return [*found, {"id": TERMINATE, "type": TERMINATE}]

    def _default(self) -> dict[str, object]:
        fields: dict[str, object] = {
            "id": "Default",
            "name": self.name,
            "scheduleType": self.style,
            "workerGroup": self.group,
            "failureAndRerunMode": "cascade" if self.cascade else "none",
        }
        if self.rhythms:
            fields["schedule"] = {"ref": self.rhythms[0].id}
        if self.max_runs is not None:
            fields["maxActiveInstances"] = str(self.max_runs)
        return fields

    def _schedule(self, rhythm: Rhythm) -> dict[str, object]:
        fields: dict[str, object] = {
            "id": rhythm.id,
            "type": "Schedule",
            "startDateTime": format_instant(rhythm.origin),
            "period": f"{rhythm.every} {rhythm.unit}s",
        }
        if rhythm.told_by_end:
            fields["endDateTime"] = format_instant(rhythm.start(rhythm.count))
        else:
            fields["occurrences"] = str(rhythm.count)
        return fields

    def _written(self, thing: Thing) -> dict[str, object]:
        fields = {"id": thing.id, **_BY_KIND[thing.kind]}
        if thing.kind == "activity":
            fields["command"] = thing.command
        for key, ids in (
            ("dependsOn", thing.after),
            ("input", thing.inputs),
            ("output", (thing.output,) if thing.output else ()),
            ("precondition", thing.conditions),
            ("onFail", thing.on_fail),
            ("onSuccess", thing.on_success),
            ("onLateAction", (thing.on_late,) if thing.on_late else ()),
            ("schedule", (thing.rhythm,) if thing.rhythm else ()),
        ):
            if ids:
                fields[key] = [{"ref": each} for each in ids]
        return fields | _limits(thing)

    def parts(self) -> dict[str, Part]:
        """All components by name, each with what it waits for."""
        rhythms = {each.id: each for each in self.rhythms}
        found: dict[str, Part] = {}
        for thing in self.things:
            if thing.kind in {"activity", "node"}:
                rhythm = rhythms.get(thing.rhythm or "", self.rhythms[0] if rhythms else None)
                for part in self._with_attached(thing, rhythm):
                    found[part.id] = part
        return found

    def _with_attached(self, thing: Thing, rhythm: Rhythm | None) -> Iterator[Part]:
        producer = next((t.id for t in self.things if t.output == thing.id), "")
        conditions = tuple(f"{each}@{thing.id}" for each in thing.conditions)
        needs = (*thing.after, *thing.inputs, *((producer,) if producer else ()), *conditions)
        users = tuple(t.id for t in self.things if thing.id in (*t.inputs, t.output))
        part = Part(
            thing.id,
            thing,
            rhythm,
            needs,
            conditions,
            self._cascades(thing),
            thing.group or self.group,
            producer=producer,
            users=users if thing.kind == "node" else (),
        )
        yield part
        yield from self._alarms(part)
        for key in thing.conditions:
            condition = self._condition(self.thing(key), part)
            yield condition
            yield from self._alarms(condition)

    def _condition(self, thing: Thing, owner: Part) -> Part:
        """A precondition for one owner; that of a node is evaluated where the node is used."""
        giver = self.thing(owner.users[0]) if owner.users else owner.thing
        group = thing.group or giver.group or self.group
        name = f"{thing.id}@{owner.id}"
        return Part(name, thing, owner.rhythm, (), (), self._cascades(thing), group, owner=owner.id)

    def _alarms(self, owner: Part) -> Iterator[Part]:
        thing = owner.thing
        late = (thing.on_late,) if thing.on_late not in {None, TERMINATE} else ()
        for key in dict.fromkeys((*thing.on_fail, *thing.on_success, *late)):
            assert key is not None
            name = f"{key}@{owner.id}"
            yield Part(name, self.thing(key), owner.rhythm, (), (), False, "", owner=owner.id)

    def _cascades(self, thing: Thing) -> bool:
        return self.cascade if thing.cascade is None else thing.cascade


def needed(
    parts: Mapping[str, Part], part: Part, start: Instant, end: Instant
) -> dict[str, list[Instant]]:
    """What an instance in [start, end) waits for: of each component these starts.

    Every interval of the other in its own; of one that is as long or longer, the one that holds
    its start (docs/engine.md, "Different periods, tied").
    """
    found: dict[str, list[Instant]] = {}
    for key in part.needs:
        other = parts[key]
        if part.rhythm is None or other.rhythm is None or other.owner:
            found[key] = [start]
        elif starts := _tied(part.rhythm, start, end, other.rhythm):
            found[key] = starts
    return found


def _tied(own: Rhythm, start: Instant, end: Instant, other: Rhythm) -> list[Instant]:
    if own.id == other.id:
        return [start]
    first, stop = other.holding(start) or (other.start(-1), other.origin)
    if stop - first >= end - start:
        return [first] if other.origin <= first < other.start(other.count) else []
    return [begin for begin, _ in other.intervals() if start <= begin and _end(other, begin) <= end]


def _end(rhythm: Rhythm, start: Instant) -> Instant:
    held = rhythm.holding(start)
    assert held is not None
    return held[1]


_BY_KIND: Final[dict[Kind, dict[str, object]]] = {
    "activity": {"type": "ShellCommandActivity"},
    "node": {"type": "S3DataNode", "directoryPath": "s3://bucket/directory"},
    "condition": {"type": "ShellCommandPrecondition", "command": "test -e x"},
    "check": {"type": "S3KeyExists", "role": "r", "s3Key": "s3://bucket/key"},
    "alarm": {
        "type": "SnsAlarm",
        "role": "r",
        "topicArn": "arn:aws:sns:x",
        "subject": "#{node.@id}",
        "message": "#{node.@status}",
    },
}


def _limits(thing: Thing) -> dict[str, object]:
    fields: dict[str, object] = {}
    for key, value in (("maxActiveInstances", thing.max_active), ("maximumRetries", thing.retries)):
        if value is not None:
            fields[key] = str(value)
    for key, ms in (
        ("retryDelay", thing.delay_ms),
        ("attemptTimeout", thing.attempt_timeout_ms),
        ("reportProgressTimeout", thing.report_timeout_ms),
        ("preconditionTimeout", thing.condition_timeout_ms),
        ("lateAfterTimeout", thing.late_after_ms),
    ):
        if ms is not None:
            fields[key] = f"{ms // MINUTE_MS} minutes"
    if thing.group is not None:
        fields["workerGroup"] = thing.group.replace("#", "#{minute(@scheduledStartTime)}")
    if thing.cascade is not None:
        fields["failureAndRerunMode"] = "cascade" if thing.cascade else "none"
    return fields
