"""What `penstock run` makes of a definition before it is put: no retries, an end, its workers.

Pure: definition in, definition or findings out. `now` is a naive datetime in UTC, as the language
has them.
"""

from datetime import datetime

from msgspec.structs import replace

from penstock.language.catalogue import type_named
from penstock.language.expressions import evaluate_to_strings, has_expression
from penstock.language.periods import format_datetime, parse_datetime, parse_period
from penstock.language.recurrence import recurrence
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.language.scope import ObjectScope
from penstock.language.zones import UTC_ZONE
from penstock.model.definition import Definition, Field, PipelineObject

NO_RETRIES = "0"
ON_DEMAND = "ondemand"
CRON = "cron"


def values_of(resolved: Resolved, each: ResolvedObject, key: str) -> list[str]:
    """The string values of a field, parameters and other constants put in."""
    values: list[str] = []
    for text in each.strings(key):
        if has_expression(text):
            values += evaluate_to_strings(text, ObjectScope(resolved, each.id))
        else:
            values.append(text)
    return values


def without_retries(definition: Definition, resolved: Resolved) -> Definition:
    """The definition with `maximumRetries` 0 on all that can be tried again."""
    retried = {
        each.id
        for each in resolved.objects.values()
        if each.type
        and (known := type_named(each.type)) is not None
        and "maximumRetries" in known.fields
    }
    return replace(
        definition,
        pipeline_objects=tuple(
            _with_value(each, "maximumRetries", NO_RETRIES) if each.id in retried else each
            for each in definition.pipeline_objects
        ),
    )


def ended_by(
    definition: Definition, resolved: Resolved, until: datetime, now: datetime
) -> Definition:
    """The definition with every schedule ended at `until`, those that end sooner left alone."""
    later = {
        # The letter keeps it a moment in UTC where a zone would make it a local time.
        each.id: format_datetime(until) + ("" if _zone_of(resolved, each) == UTC_ZONE else "Z")
        for each in schedules(resolved)
        if (end := end_of(resolved, each, now)) is None or end > until
    }
    return replace(
        definition,
        pipeline_objects=tuple(
            _with_value(_without(each, "occurrences"), "endDateTime", later[each.id])
            if each.id in later
            else each
            for each in definition.pipeline_objects
        ),
    )


def _with_value(each: PipelineObject, key: str, value: str) -> PipelineObject:
    return replace(each, fields=(*_without(each, key).fields, Field(key, string_value=value)))


def _without(each: PipelineObject, key: str) -> PipelineObject:
    return replace(each, fields=tuple(field for field in each.fields if field.key != key))


def schedules(resolved: Resolved) -> list[ResolvedObject]:
    """The schedules that something runs by; on-demand ones have no end to speak of."""
    used = {
        ref
        for each in resolved.objects.values()
        if each.type and not _runs_on_demand(resolved, each)
        for ref in each.refs("schedule")
    }
    return [
        each
        for each in resolved.objects.values()
        if each.id in used
        and each.type == "Schedule"
        and not any(p.upper().startswith("ONDEMAND") for p in each.strings("period"))
    ]


def _runs_on_demand(resolved: Resolved, each: ResolvedObject) -> bool:
    return any(kind.lower() == ON_DEMAND for kind in values_of(resolved, each, "scheduleType"))


def end_of(resolved: Resolved, schedule: ResolvedObject, now: datetime) -> datetime | None:
    """When a schedule's last interval ends, by `endDateTime` or `occurrences`; None is never.

    One that starts at the first activation is taken to start at `now`.
    """
    zone = _zone_of(resolved, schedule)
    for text in values_of(resolved, schedule, "endDateTime"):
        return parse_datetime(text, zone)
    for count in values_of(resolved, schedule, "occurrences"):
        starts = values_of(resolved, schedule, "startDateTime")
        period = parse_period(values_of(resolved, schedule, "period")[0])
        intervals = recurrence(period, zone, starts[0] if starts else None, now)
        return intervals.start(int(count))
    return None


def _zone_of(resolved: Resolved, schedule: ResolvedObject) -> str:
    return next(iter(values_of(resolved, schedule, "timeZone")), UTC_ZONE)


def time_zone(resolved: Resolved) -> str:
    """The zone of the first schedule, the one that a pipeline's `@scheduledPeriod` tells of."""
    return next((_zone_of(resolved, each) for each in schedules(resolved)), UTC_ZONE)


def endless(resolved: Resolved, now: datetime) -> list[str]:
    """The ids of schedules without an end."""
    return [each.id for each in schedules(resolved) if end_of(resolved, each, now) is None]


def due_at_start(resolved: Resolved) -> bool:
    """Whether all activities run at the start of their intervals (`cron`), none at the end."""
    return all(
        [kind.lower() for kind in values_of(resolved, each, "scheduleType")] == [CRON]
        for each in resolved.objects.values()
        if each.category == "activity"
    )


def worker_groups(resolved: Resolved) -> list[str]:
    """Every worker group that some typed object names, each once, in order."""
    return list(
        dict.fromkeys(
            group
            for each in resolved.objects.values()
            if each.type
            for group in values_of(resolved, each, "workerGroup")
        )
    )


def unserved(resolved: Resolved) -> list[str]:
    """A sentence for each activity that no runner inside `penstock run` would ever get."""
    return [
        f"{each.id} has no worker and would wait for ever; add a workerGroup, or runsOn"
        for each in resolved.objects.values()
        if each.category == "activity"
        and not each.refs("runsOn")
        and not each.strings("workerGroup")
    ]
