"""Cascading failure on a schedule that begins in the past.

Source: guide, "Cascading Failures and Reruns", "Cascade-Failure and Backfills".
"""

from datetime import datetime

from penstock.language.checks.schedules import recurrence_of, start_of
from penstock.language.checks.subject import Report, Subject
from penstock.language.periods import format_datetime
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import shorten
from penstock.model.errors import DefinitionError
from penstock.model.times import to_datetime


def check_backfill(subject: Subject, report: Report) -> None:
    """Each object that says `cascade` for objects with more than one interval in the past."""
    if subject.now is None:
        return
    now = to_datetime(subject.now)
    warned: dict[tuple[str, datetime], None] = {}
    for each, _ in subject.typed():
        if subject.known_text(each, "failureAndRerunMode") != "cascade":
            continue
        schedule = subject.schedule_of(each)
        if schedule is None or subject.is_on_demand(each):
            continue
        start = start_of(subject, schedule)
        if start is not None and _is_backfill(subject, schedule, start, now):
            warned[subject.owner(each, "failureAndRerunMode"), start] = None
    for owner, start in warned:
        # The first two sentences are the original's, which people may search their logs for.
        text = (
            f"{shorten(owner)} has 'failureAndRerunMode' field set to 'cascade' and you are about "
            f"to create a backfill with scheduleStartTime {format_datetime(start)}. This can "
            "result in rapid creation of pipeline objects in case of failures. Try a short time "
            "range first, or set 'failureAndRerunMode' to 'none' until the past is done"
        )
        report.warning(owner, Rule.CASCADE_BACKFILL, text, "failureAndRerunMode")


def _is_backfill(
    subject: Subject, schedule: ResolvedObject, start: datetime, now: datetime
) -> bool:
    """Whether at least two intervals have begun: one is what any schedule has when it starts."""
    intervals = recurrence_of(subject, schedule, start)
    try:
        return intervals is not None and intervals.start(1) < now
    except DefinitionError:
        return False  # the second begins after the end of the calendar
