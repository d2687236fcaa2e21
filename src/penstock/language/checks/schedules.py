"""Schedules: their own contradictions, and who must have one."""

from collections.abc import Iterator
from datetime import datetime

from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.checks.values import ON_DEMAND_PERIOD, named
from penstock.language.periods import (
    Period,
    exact_ms,
    format_datetime,
    parse_datetime,
    parse_period,
)
from penstock.language.recurrence import Recurrence, recurrence
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import also_at, shorten
from penstock.language.zones import UTC_ZONE, is_zone, to_wall
from penstock.model.errors import DefinitionError

SCHEDULED_CATEGORIES = frozenset({"activity", "data_node", "resource"})
"""Categories whose objects have a schedule of their own."""

_ON_DEMAND_START = "ondemand_activation_time"


def check_schedules(subject: Subject, report: Report) -> None:
    """Each Schedule, each object that must have one, and what depends on shorter periods."""
    unscheduled: list[str] = []
    for each, object_type in subject.typed():
        if object_type.name == "Schedule":
            for fault in _schedule_faults(subject, each):
                report.error(each.id, *fault)
            _check_ends_on_demand(subject, each, report)
        elif object_type.category in SCHEDULED_CATEGORIES:
            if _lacks_schedule(subject, each):
                unscheduled.append(each.id)
            if subject.limits.rollups is not None:
                _check_rollups(subject, each, subject.limits.rollups, report)
    if unscheduled:
        # One remedy helps all of them, so one finding stands for all.
        first, *others = sorted(unscheduled)
        text = _missing_schedule(subject) + also_at(others)
        report.error(first, Rule.MISSING_SCHEDULE, text, "schedule")


def _lacks_schedule(subject: Subject, each: ResolvedObject) -> bool:
    if "schedule" in each.fields or subject.is_on_demand(each) or each.id in subject.cut:
        return False
    # A resource follows its activities, as in the guide's own examples (page "Schedule").
    # And a style that only a run can tell may be on demand.
    return each.category != "resource" and subject.known_texts(each, "scheduleType") is not None


def _missing_schedule(subject: Subject) -> str:
    schedules = subject.by_type.get("schedule", ())
    name = f'"{schedules[0]}"' if len(schedules) == 1 else "id of a Schedule"
    return (
        f'\'schedule\' is missing: add "schedule": {{"ref": {name}}} to the object or to Default, '
        'or make the pipeline on-demand with "scheduleType": "ondemand" on Default'
    )


def _schedule_faults(subject: Subject, each: ResolvedObject) -> Iterator[Fault]:
    if "endDateTime" in each.fields and "occurrences" in each.fields:
        text = "'endDateTime' and 'occurrences' both say when the schedule ends; keep one of them"
        yield Fault(Rule.SCHEDULE, text, "occurrences")
    start, end = _moment(subject, each, "startDateTime"), _moment(subject, each, "endDateTime")
    if start is not None and end is not None and end <= start:
        zone = zone_of(subject, each)
        shown = [format_datetime(to_wall(moment, zone)) for moment in (end, start)]
        text = (
            f"'endDateTime' ({shown[0]}) is not after 'startDateTime' "
            f"({shown[1]}), so there is nothing to run; move one of them"
        )
        yield Fault(Rule.SCHEDULE, text, "endDateTime")
    on_demand = [
        subject.known_text(each, "period") == ON_DEMAND_PERIOD,
        subject.known_text(each, "startAt") == _ON_DEMAND_START,
    ]
    if any(on_demand) and not all(on_demand):
        given, lacking = ("period", "startAt") if on_demand[0] else ("startAt", "period")
        words = {"period": "ONDEMAND_PERIOD", "startAt": "ONDEMAND_ACTIVATION_TIME"}
        text = (
            f"{given!r} is {words[given]}, so {lacking!r} must be {words[lacking]}: an on-demand "
            "schedule has both, another one neither"
        )
        yield Fault(Rule.SCHEDULE, text, given)


def _check_ends_on_demand(subject: Subject, each: ResolvedObject, report: Report) -> None:
    """An on-demand schedule has no end to speak of."""
    if subject.known_text(each, "period") != ON_DEMAND_PERIOD:
        return
    for key in ("endDateTime", "occurrences"):
        if key in each.own:
            text = f"{key!r} means nothing in an on-demand schedule; take it out"
            report.warning(each.id, Rule.MEANINGLESS_FIELD, text, key)


def _check_rollups(subject: Subject, each: ResolvedObject, most: int, report: Report) -> None:
    """How many intervals of what it waits for lie in one of the object's (profile `aws`)."""
    own = period_of(subject, each)
    for key in ("dependsOn", "input"):
        for reference in each.refs(key) if own is not None else ():
            other = subject.resolved.objects.get(reference)
            period = period_of(subject, other) if other is not None else None
            if period is None or own is None:
                continue
            count = exact_ms(own) // exact_ms(period)
            if count > most:
                text = (
                    f"{key!r}: one interval of this object ({own}) waits for {count} of "
                    f"{shorten(reference)!r} ({period}), more than the {most} of the limit "
                    f"{named('rollups')}; put a step between them, say of a day"
                )
                report.error(each.id, Rule.TOO_MANY_ROLLUPS, text, key)


def period_of(subject: Subject, each: ResolvedObject) -> Period | None:
    """The period of the schedule that an object follows, if it is known."""
    schedule = subject.schedule_of(each)
    return schedule_period(subject, schedule) if schedule is not None else None


def schedule_period(subject: Subject, schedule: ResolvedObject) -> Period | None:
    """A schedule's period, if it is known before any run."""
    try:
        return parse_period(subject.known_text(schedule, "period"))
    except DefinitionError:
        return None  # absent, only known later, on demand, or reported with the values


def _moment(subject: Subject, each: ResolvedObject, key: str) -> datetime | None:
    texts = subject.known_texts(each, key) if key in each.fields else None
    try:
        return parse_datetime(texts[0], zone_of(subject, each)) if texts else None
    except DefinitionError:
        return None  # reported with the values


def zone_of(subject: Subject, schedule: ResolvedObject) -> str:
    """The zone by whose clock a schedule goes, as far as that is known."""
    texts = subject.known_texts(schedule, "timeZone") if "timeZone" in schedule.fields else None
    return texts[0] if texts and is_zone(texts[0]) else UTC_ZONE


def recurrence_of(
    subject: Subject, schedule: ResolvedObject, otherwise: datetime
) -> Recurrence | None:
    """A schedule's intervals, if its period is known before any run.

    They are counted from `otherwise`, naive UTC, where the start is not known.
    """
    period, zone = schedule_period(subject, schedule), zone_of(subject, schedule)
    if period is None:
        return None
    texts = subject.known_texts(schedule, "startDateTime")
    try:
        return recurrence(period, zone, texts[0] if texts else None, otherwise)
    except DefinitionError:
        return recurrence(period, zone, None, otherwise)  # the date is reported with the values


def ends_after_one(subject: Subject, schedule: ResolvedObject) -> bool:
    """Whether a schedule has a single interval, as far as is known."""
    if subject.known_text(schedule, "occurrences") == "1":
        return True
    start = _moment(subject, schedule, "startDateTime")
    end = _moment(subject, schedule, "endDateTime")
    intervals = recurrence_of(subject, schedule, start) if start is not None else None
    if intervals is None or end is None:
        return False
    try:
        return end <= intervals.start(1)
    except DefinitionError:
        return True  # the second would begin after the end of the calendar


def start_of(subject: Subject, schedule: ResolvedObject) -> datetime | None:
    """The `startDateTime`, if it is known before any run."""
    return _moment(subject, schedule, "startDateTime")


def end_of(subject: Subject, schedule: ResolvedObject) -> datetime | None:
    """The `endDateTime`, if it is known before any run."""
    return _moment(subject, schedule, "endDateTime")
