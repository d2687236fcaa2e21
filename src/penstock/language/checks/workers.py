"""Who will do the work: every activity has a resource or a worker group that runners ask for."""

from penstock.language.checks.subject import Report, Subject
from penstock.language.resolve import DEFAULT_ID
from penstock.language.rules import Rule
from penstock.language.wording import also_at, shorten


def check_workers(subject: Subject, report: Report) -> None:
    """No objects at all, activities that nobody will do, groups that no runner asked for lately."""
    objects = subject.resolved.objects
    if not objects.keys() - {DEFAULT_ID}:
        what = "no object but Default" if objects else "no objects"
        text = f"the definition has {what}, so nothing will run; add an activity"
        report.warning("", Rule.NO_ACTIVITY, text)
    idle: dict[tuple[str, str], None] = {}
    workless: list[str] = []
    for each, object_type in subject.typed():
        if object_type.category != "activity" or each.id in subject.cut:
            continue
        if "runsOn" in each.fields:
            if {"runsOn", "workerGroup"} <= each.own:
                text = (
                    "'workerGroup' means nothing beside 'runsOn', which wins; take one of them out"
                )
                report.warning(each.id, Rule.MEANINGLESS_FIELD, text, "workerGroup")
        elif "workerGroup" not in each.fields:
            workless.append(each.id)
        elif subject.polled is not None:
            for group in subject.known_texts(each, "workerGroup") or ():
                if group not in subject.polled:
                    idle[subject.owner(each, "workerGroup"), group] = None
    if workless:
        first, *others = sorted(workless)
        place = "the object or Default" if first != DEFAULT_ID else "it"
        text = (
            "neither 'runsOn' nor 'workerGroup' is given, so no runner gets its tasks: give "
            f'{place} "workerGroup": the group that a runner was started with{also_at(others)}'
        )
        report.warning(first, Rule.NO_WORKER, text)
    for owner, group in idle:
        text = (
            f"'workerGroup': no runner has asked for tasks of {shorten(group)!r} lately; start one "
            f"with penstock runner --workerGroup {shorten(group)}"
        )
        report.warning(owner, Rule.IDLE_WORKER_GROUP, text, "workerGroup")
