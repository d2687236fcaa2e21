"""Schedules: their own contradictions, and who must have one."""

from collections.abc import Iterator
from datetime import datetime

from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.checks.values import ON_DEMAND_PERIOD
from penstock.language.expressions import has_expression
from penstock.language.periods import parse_datetime
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule
from penstock.model.errors import DefinitionError

SCHEDULED_CATEGORIES = frozenset({"activity", "data_node", "resource"})
"""Categories whose objects have a schedule of their own."""

_ON_DEMAND = "ondemand"
_ON_DEMAND_START = "ondemand_activation_time"


def check_schedules(subject: Subject, report: Report) -> None:
    """Each Schedule, and each object that must have one; one schedule for an on-demand pipeline."""
    on_demand_schedules: dict[str, str] = {}
    for each, object_type in subject.typed():
        if object_type.name == "Schedule":
            for fault in _schedule_faults(each):
                report.error(each.id, *fault)
        elif object_type.category in SCHEDULED_CATEGORIES:
            style = _lower(each, "scheduleType")
            if style == _ON_DEMAND:
                on_demand_schedules.update(dict.fromkeys(each.refs("schedule"), each.id))
            elif "schedule" not in each.fields and not has_expression(style):
                _report_unscheduled(each, report)
    if len(on_demand_schedules) > 1:
        names = ", ".join(repr(name) for name in on_demand_schedules)
        report.error(
            next(iter(on_demand_schedules.values())),
            Rule.SCHEDULE,
            f"an on-demand pipeline has one schedule at most; there are {names}",
            "schedule",
        )


def _report_unscheduled(each: ResolvedObject, report: Report) -> None:
    if each.category == "resource":
        # The guide's own examples leave it out (page "Schedule", explicit schedule on the object).
        text = "without a 'schedule' it follows the activities that run on it"
        report.warning(each.id, Rule.MISSING_SCHEDULE, text, "schedule")
        return
    report.error(
        each.id,
        Rule.MISSING_SCHEDULE,
        "'schedule' is missing: give the object or Default a schedule, "
        "or set 'scheduleType' to 'ondemand'",
        "schedule",
    )


def _schedule_faults(each: ResolvedObject) -> Iterator[Fault]:
    if "endDateTime" in each.fields and "occurrences" in each.fields:
        text = "'endDateTime' and 'occurrences' contradict one another; give only one"
        yield Fault(Rule.SCHEDULE, text, "occurrences")
    start, end = _moment(each, "startDateTime"), _moment(each, "endDateTime")
    if start is not None and end is not None and end <= start:
        yield Fault(Rule.SCHEDULE, "'endDateTime' is not after 'startDateTime'", "endDateTime")
    on_demand = [
        _lower(each, "period") == ON_DEMAND_PERIOD,
        _lower(each, "startAt") == _ON_DEMAND_START,
    ]
    if any(on_demand) and not all(on_demand):
        text = "'period' ONDEMAND_PERIOD and 'startAt' ONDEMAND_ACTIVATION_TIME go together"
        yield Fault(Rule.SCHEDULE, text, "period")


def _moment(each: ResolvedObject, key: str) -> datetime | None:
    try:
        return parse_datetime(each.string(key) or "")
    except DefinitionError:
        return None  # absent, an expression, or reported with the values


def _lower(each: ResolvedObject, key: str) -> str:
    return (each.string(key) or "").strip().lower()
