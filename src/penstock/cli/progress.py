"""How a pipeline stands, read through the public API as any client would."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec
from msgspec import Struct

from penstock.language.periods import add_periods, parse_datetime, parse_period
from penstock.language.zones import UTC_ZONE, to_utc, to_wall
from penstock.model import status
from penstock.model.definition import PipelineObject
from penstock.model.times import Instant, from_datetime

DESCRIBE_AT_MOST = 100
FAILED_STATES = frozenset({*status.FAILURES})


class Caller(Protocol):
    """What is needed of `wire.client.Client`."""

    def call(self, operation: str, parameters: dict[str, object]) -> Mapping[str, object]:
        """Call one operation."""


class InstanceView(Struct, frozen=True):
    """What a person wants to know of an instance; times are instants, `tries` counts attempts."""

    id: str
    component: str
    type: str
    start: str
    status: str
    end: str = ""
    tries: int = 0
    next_try: Instant | None = None
    handed_at: Instant | None = None
    ended_at: Instant | None = None
    error: str | None = None
    waiting_on: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    location: str | None = None
    logs: str | None = None
    attempt: str | None = None

    @property
    def ended(self) -> bool:
        """Whether only a command can change it."""
        return self.status in status.ENDED

    @property
    def failed(self) -> bool:
        """Whether it ended, and not well."""
        return self.status in FAILED_STATES

    @property
    def canceled(self) -> bool:
        """Whether someone called it off."""
        return self.status == status.CANCELED

    @property
    def is_data(self) -> bool:
        """Whether it is a data node, which a person reads as a place and not as work."""
        return self.type.endswith("DataNode")


def pipeline_fields(client: Caller, pipeline_id: str) -> dict[str, str]:
    """The fields of DescribePipelines (`@pipelineState`, `@nextRunTime`, …)."""
    answer = client.call("DescribePipelines", {"pipelineIds": [pipeline_id]})
    described = msgspec.convert(answer["pipelineDescriptionList"], list[dict[str, object]])[0]
    fields = msgspec.convert(described["fields"], list[dict[str, str]])
    return {field["key"]: field.get("stringValue", "") for field in fields}


def list_pipelines(client: Caller) -> Iterator[tuple[str, str]]:
    """Id and name of every pipeline of the account."""
    for answer in _pages(client, "ListPipelines", {}):
        for each in msgspec.convert(answer["pipelineIdList"], list[dict[str, str]]):
            yield each["id"], each["name"]


def instance_ids(client: Caller, pipeline_id: str) -> list[str]:
    """The ids of all instances."""
    request: dict[str, object] = {"pipelineId": pipeline_id, "sphere": "INSTANCE", "query": {}}
    return [
        object_id
        for answer in _pages(client, "QueryObjects", request)
        for object_id in msgspec.convert(answer["ids"], list[str])
    ]


def query_instances(client: Caller, pipeline_id: str, state: str) -> Iterator[str]:
    """The ids of the instances in a state."""
    selector = {"fieldName": "@status", "operator": {"type": "EQ", "values": [state]}}
    request: dict[str, object] = {
        "pipelineId": pipeline_id,
        "sphere": "INSTANCE",
        "query": {"selectors": [selector]},
    }
    for answer in _pages(client, "QueryObjects", request):
        yield from msgspec.convert(answer["ids"], list[str])


def describe(client: Caller, pipeline_id: str, ids: Sequence[str]) -> Iterator[PipelineObject]:
    """The objects of those ids, expressions evaluated."""
    for first in range(0, len(ids), DESCRIBE_AT_MOST):
        request: dict[str, object] = {
            "pipelineId": pipeline_id,
            "objectIds": list(ids[first : first + DESCRIBE_AT_MOST]),
            "evaluateExpressions": True,
        }
        for answer in _pages(client, "DescribeObjects", request):
            yield from msgspec.convert(answer["pipelineObjects"], list[PipelineObject])


def _pages(
    client: Caller, operation: str, request: dict[str, object]
) -> Iterator[Mapping[str, object]]:
    marker: object = None
    while True:
        answer = client.call(operation, request | ({"marker": marker} if marker else {}))
        yield answer
        marker = answer.get("marker")
        if not (answer.get("hasMoreResults") and marker):
            return


def views(client: Caller, pipeline_id: str, ids: Sequence[str]) -> list[InstanceView]:
    """Instances with what their latest attempts add, in the order of the ids."""
    instances = list(describe(client, pipeline_id, ids))
    heads = [head for each in instances if (head := each.ref("@headAttempt"))]
    attempts = {each.id: each for each in describe(client, pipeline_id, heads)}
    return [view(each, attempts.get(each.ref("@headAttempt") or "")) for each in instances]


def view(instance: PipelineObject, attempt: PipelineObject | None) -> InstanceView:
    """The view of one instance; `attempt` is its latest, if it has one."""
    state = instance.string("@status") or ""
    ended = _instant(attempt.string("@actualEndTime")) if attempt else None
    offered = attempt is not None and attempt.string("@status") == status.WAITING_FOR_RUNNER
    return InstanceView(
        id=instance.id,
        component=instance.ref("@componentParent") or instance.ref("parent") or instance.name,
        type=instance.string("type") or "",
        start=instance.string("@scheduledStartTime") or "",
        status=state,
        end=instance.string("@scheduledEndTime") or "",
        tries=int(instance.string("@attemptCount") or 0),
        next_try=_instant(instance.string("@nextRetryTime")),
        handed_at=_instant(attempt.string("@actualStartTime")) if attempt and not offered else None,
        ended_at=ended,
        error=_error(instance, attempt),
        waiting_on=instance.refs("@waitingOn") or instance.strings("@waitingOn"),
        outputs=instance.refs("output"),
        location=instance.string("directoryPath") or instance.string("filePath"),
        logs=_first(attempt, instance, "@logLocation"),
        attempt=attempt.id if attempt else None,
    )


def _error(instance: PipelineObject, attempt: PipelineObject | None) -> str | None:
    cause = instance.ref("@cascadeFailedOn")
    if cause is not None:
        return f"what it depends on has failed: {cause}"
    return _first(instance, attempt, "errorMessage") or _first(instance, attempt, "errorId")


def _first(one: PipelineObject | None, other: PipelineObject | None, key: str) -> str | None:
    return (one.string(key) if one else None) or (other.string(key) if other else None)


def _instant(text: str | None) -> Instant | None:
    return from_datetime(parse_datetime(text)) if text else None


class Watch:
    """Follows a pipeline's instances; ended ones are described only once."""

    def __init__(self, client: Caller, pipeline_id: str) -> None:
        self._client = client
        self._pipeline_id = pipeline_id
        self._known: dict[str, InstanceView] = {}

    @property
    def instances(self) -> list[InstanceView]:
        """All instances as of the last look, in order of interval."""
        return in_order(self._known.values())

    def look(self) -> tuple[list[InstanceView], list[InstanceView]]:
        """All instances in order of interval, and those that changed since the last look."""
        ids = instance_ids(self._client, self._pipeline_id)
        open_ids = [i for i in ids if i not in self._known or not self._known[i].ended]
        changed = [
            each
            for each in views(self._client, self._pipeline_id, open_ids)
            if self._known.get(each.id) != each
        ]
        self._known.update((each.id, each) for each in changed)
        return self.instances, in_order(changed)


def in_order(instances: Iterable[InstanceView]) -> list[InstanceView]:
    """As the work goes: by the interval's end, what lies within a longer interval before it."""
    by_start = sorted(instances, key=lambda each: each.start, reverse=True)
    return sorted(by_start, key=lambda each: (each.end, each.is_data))


def blocked_ids(instances: Sequence[InstanceView]) -> set[str]:
    """Instances that wait for something that failed, directly or through others.

    With `failureAndRerunMode` none they wait on for ever, or until someone reruns the failed one.
    """
    dead = {each.id for each in instances if each.failed}
    blocked: set[str] = set()
    grown = True
    while grown:
        more = {
            each.id
            for each in instances
            if each.status == status.WAITING_ON_DEPENDENCIES
            and each.id not in blocked
            and not (dead | blocked).isdisjoint(each.waiting_on)
        }
        grown = bool(more)
        blocked |= more
    return blocked


def nothing_moves(instances: Sequence[InstanceView]) -> bool:
    """Whether every instance has ended or is blocked (and there is at least one)."""
    blocked = blocked_ids(instances)
    return bool(instances) and all(each.ended or each.id in blocked for each in instances)


def next_due(fields: Mapping[str, str], at_start: bool, zone: str = UTC_ZONE) -> Instant | None:
    """When the next interval is due, from a pipeline's fields; None if there is none.

    `@nextRunTime` is its start: that is when work runs by `cron`, by `timeseries` at its end, which
    for days and longer is found by the clock of the schedule's zone.
    """
    if not (text := fields.get("@nextRunTime")):
        return None
    start = parse_datetime(text)
    period = fields.get("@scheduledPeriod")
    if at_start or not period:
        return from_datetime(start)
    parsed = parse_period(period)
    if parsed.unit in ("minute", "hour"):
        zone = UTC_ZONE
    return from_datetime(to_utc(add_periods(to_wall(start, zone), parsed, 1), zone))


def duration(each: InstanceView, now: Instant) -> str:
    """How long the latest attempt has run, in whole seconds; empty before it began."""
    if each.handed_at is None:
        return ""
    milliseconds = max(0, (each.ended_at or now) - each.handed_at)
    return str(timedelta(seconds=milliseconds // 1000))
