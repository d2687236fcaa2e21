"""Outputs that each interval writes over the last one's.

Source: guide, "Scheduling Pipelines", "Protecting Against Overwriting Data".
"""

from penstock.language.checks.names import runtime_names
from penstock.language.checks.schedules import ends_after_one
from penstock.language.checks.subject import Report, Subject
from penstock.language.expressions import has_expression
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import shorten

_PATHS = ("directoryPath", "filePath")


def check_outputs(subject: Subject, report: Report) -> None:
    """Each S3DataNode that a repeating activity writes has a place for each interval."""
    nodes: dict[str, None] = {}
    for each, object_type in subject.typed():
        if object_type.category == "activity" and _repeats(subject, each):
            nodes.update(dict.fromkeys(each.refs("output")))
    for reference in nodes:
        node = subject.resolved.objects.get(reference)
        if node is None or node.type != "S3DataNode":
            continue
        for key in _PATHS:
            if key in node.fields and not _varies(subject, node, key):
                shown = shorten(node.string(key) or "")
                text = (
                    f"{key!r}: each interval writes over what the last one left in {shown!r}; put "
                    "the interval's time into it, such as "
                    "#{format(@scheduledStartTime,'YYYY-MM-dd-HH-mm')}"
                )
                owner = subject.owner(node, key)
                report.warning(owner, Rule.OVERWRITTEN_OUTPUT, text, key)


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
