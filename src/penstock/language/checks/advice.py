"""Warnings: what is allowed and yet probably not meant."""

from penstock.language.checks.subject import Report, Subject
from penstock.language.resolve import DEFAULT_ID
from penstock.language.rules import Rule


def check_advice(subject: Subject, report: Report) -> None:
    """Activities that nobody can run, objects that nobody uses, fields without a meaning."""
    for each, object_type in subject.typed():
        if object_type.category == "activity" and not (
            "runsOn" in each.fields or "workerGroup" in each.fields
        ):
            report.warning(
                each.id,
                Rule.NO_WORKER,
                "neither 'runsOn' nor 'workerGroup' is given, so no runner gets its tasks",
            )
    for each in subject.resolved.objects.values():
        others = (r for r in subject.referrers.get(each.id, ()) if r.object_id != each.id)
        if each.id != DEFAULT_ID and each.category != "activity" and next(others, None) is None:
            report.warning(each.id, Rule.UNUSED_OBJECT, "no other object refers to this one")
