"""On-demand pipelines: one style for all objects, and one schedule at most.

Source: guide, "Scheduling Pipelines" and the field `scheduleType` of every activity.
"""

from penstock.language.checks.schedules import SCHEDULED_CATEGORIES
from penstock.language.checks.subject import Report, Subject
from penstock.language.checks.values import ON_DEMAND_PERIOD, named
from penstock.language.resolve import DEFAULT_ID, ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import listed, shorten


def check_on_demand(subject: Subject, report: Report) -> None:
    """What contradicts that a pipeline runs on demand, if any of its objects does."""
    scheduled = [each for each, kind in subject.typed() if kind.category in SCHEDULED_CATEGORIES]
    on_demand = [each for each in scheduled if subject.is_on_demand(each)]
    if not on_demand:
        return
    _check_styles(subject, scheduled, min(on_demand, key=lambda each: each.id), report)
    if not report.has(Rule.ON_DEMAND):
        _check_schedules(subject, on_demand, report)
    _check_runs(subject, report)
    for each in on_demand:
        if "lateAfterTimeout" in each.own:
            text = (
                "'lateAfterTimeout' means nothing in an on-demand pipeline, where nothing is "
                "scheduled to start; take it out"
            )
            report.warning(each.id, Rule.MEANINGLESS_FIELD, text, "lateAfterTimeout")


def _check_styles(
    subject: Subject, scheduled: list[ResolvedObject], witness: ResolvedObject, report: Report
) -> None:
    for each in scheduled:
        if subject.is_on_demand(each):
            continue
        style = subject.known_text(each, "scheduleType")
        if not style and ("scheduleType" in each.fields or each.category == "resource"):
            continue  # not known yet; and resources follow their activities
        owner = subject.owner(each, "scheduleType") if style else each.id
        given = repr(style) if style else "'timeseries' (as none is given)"
        text = (
            f"'scheduleType' is {given} here but 'ondemand' for {shorten(witness.id)!r}: a "
            'pipeline runs on demand as a whole or not at all; give "scheduleType": "ondemand" to '
            "Default and to no other object"
        )
        report.error(owner, Rule.ON_DEMAND, text, "scheduleType")


def _check_schedules(subject: Subject, on_demand: list[ResolvedObject], report: Report) -> None:
    users: dict[str, str] = {}
    for each in on_demand:
        for reference in each.refs("schedule"):
            users.setdefault(reference, subject.owner(each, "schedule"))
    if len(users) > 1:
        first = min(users.values())
        text = (
            f"an on-demand pipeline has one schedule at most, and none is needed; there are "
            f"{listed(sorted(users), 'and')}"
        )
        report.error(first, Rule.ON_DEMAND, text, "schedule")
        return
    for reference, user in users.items():
        schedule = subject.resolved.objects.get(reference)
        if schedule is not None and subject.known_text(schedule, "period") != ON_DEMAND_PERIOD:
            text = (
                f"the schedule {shorten(reference)!r} means nothing, since the pipeline runs "
                "on demand; take it out, or give 'scheduleType' the value 'cron' or 'timeseries'"
            )
            report.warning(user, Rule.MEANINGLESS_FIELD, text, "schedule")


def _check_runs(subject: Subject, report: Report) -> None:
    most, default = subject.limits.on_demand_runs, subject.resolved.objects.get(DEFAULT_ID)
    if most is None or default is None or "maxActiveInstances" not in default.fields:
        return
    runs = subject.known_text(default, "maxActiveInstances")
    if runs.isdecimal() and len(runs) < 10 and int(runs) > most:
        text = (
            f"'maxActiveInstances' is {runs}; an on-demand pipeline can have at most {most} runs "
            f"at a time, by the limit {named('on_demand_runs')}"
        )
        report.error(default.id, Rule.WRONG_VALUE, text, "maxActiveInstances")
