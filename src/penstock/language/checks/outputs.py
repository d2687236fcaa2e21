"""Outputs that each interval writes over the last one's.

Source: guide, "Scheduling Pipelines", "Protecting Against Overwriting Data".
"""

from penstock.language.checks.names import runtime_names
from penstock.language.checks.places import INTERVALS, Places, misread_letters
from penstock.language.checks.schedules import ends_after_one
from penstock.language.checks.subject import Report, Subject
from penstock.language.expressions import has_expression
from penstock.language.periods import format_datetime
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import shorten

_PATHS = ("directoryPath", "filePath")


def check_outputs(subject: Subject, report: Report) -> None:
    """Each S3DataNode that a repeating activity writes has a place for each interval."""
    nodes: dict[str, ResolvedObject] = {}
    for each, object_type in subject.typed():
        schedule = subject.schedule_of(each)
        if object_type.category == "activity" and schedule is not None and _repeats(subject, each):
            for reference in each.refs("output"):
                nodes.setdefault(reference, schedule)
    places = Places(subject)
    for reference, schedule in nodes.items():
        node = subject.resolved.objects.get(reference)
        if node is None or node.type != "S3DataNode":
            continue
        for key in _PATHS:
            text = _fault(subject, node, key, schedule, places) if key in node.fields else None
            if text is not None:
                owner = subject.owner(node, key)
                report.warning(owner, Rule.OVERWRITTEN_OUTPUT, f"{key!r}: {text}", key)


def _fault(
    subject: Subject,
    node: ResolvedObject,
    key: str,
    writers_schedule: ResolvedObject,
    places: Places,
) -> str | None:
    if not _varies(subject, node, key):
        shown = repr(shorten(node.string(key) or ""))
        return (
            f"each interval writes over what the last one left in {shown}; "
            "put the interval's time into it, such as "
            "#{format(@scheduledStartTime,'YYYY-MM-dd-HH-mm')}"
        )
    shared = places.shared(node, key, subject.schedule_of(node) or writers_schedule)
    if shared is None:
        return None
    place = "one place" if subject.tells_secret(shared.place) else repr(shorten(shared.place))
    remedy = misread_letters(subject, node.strings(key)) or (
        "put what tells them apart into it, such as "
        "#{format(@scheduledStartTime,'YYYY-MM-dd-HH-mm')}, unless that is meant"
    )
    count = f"{shared.intervals}{' or more' if shared.intervals == INTERVALS else ''}"
    return (
        f"{count} intervals have {place}, such as those of {format_datetime(shared.first)} "
        f"and {format_datetime(shared.second)}, and each writes over what the last one left "
        f"there; {remedy}"
    )


def _repeats(subject: Subject, each: ResolvedObject) -> bool:
    schedule = subject.schedule_of(each)
    if schedule is None or subject.is_on_demand(each):
        return False
    return not ends_after_one(subject, schedule)


def _varies(subject: Subject, node: ResolvedObject, key: str) -> bool:
    for text in node.strings(key):
        if has_expression(text) and next(runtime_names(subject, node, key, text), None) is not None:
            return True
        if has_expression(text) and subject.known(node, key, text) is None:
            return True  # faulty, or a parameter that will come and may bring the time with it
    return False
