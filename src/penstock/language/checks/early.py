"""Fields that are read before anything has run, so that no runtime field can stand in them."""

from penstock.language.checks.names import runtime_names
from penstock.language.checks.subject import Report, Subject, type_of
from penstock.language.checks.values import example
from penstock.language.expressions import has_expression
from penstock.language.rules import Rule
from penstock.language.wording import listed

EARLY_FIELDS = frozenset(
    "scheduleType failureAndRerunMode maximumRetries retryDelay maxActiveInstances attemptTimeout "
    "reportProgressTimeout lateAfterTimeout terminateAfter preconditionTimeout".split()
)
"""Fields of any object that a plan is made from; of a Schedule it is all that its type has."""


def check_early(subject: Subject, report: Report) -> None:
    """Each such field is known as soon as the parameters are."""
    for each, object_type in subject.typed():
        # A Schedule inherits Default's own fields too (myDate), which only activities may use:
        # where one of its type's fields leads to them they are followed.
        for key in object_type.fields if object_type.name == "Schedule" else EARLY_FIELDS:
            if key not in each.fields:
                continue
            for text in each.strings(key):
                if not has_expression(text):
                    continue
                found = sorted(set(runtime_names(subject, each, key, text)))
                if found:
                    owner = subject.owner(each, key)
                    problem = (
                        f"{key!r} is read before any run, when {listed(found, 'and')} "
                        f"{'is' if len(found) == 1 else 'are'} not known yet; write "
                        f"{_instead(subject, owner, key)} or a parameter"
                    )
                    report.error(owner, Rule.TOO_EARLY, problem, key)


def _instead(subject: Subject, owner: str, key: str) -> str:
    object_type = type_of(subject.resolved.objects[owner])
    field_type = object_type.fields.get(key) if object_type is not None else None
    return example(key, field_type) if field_type is not None else "a fixed value"
