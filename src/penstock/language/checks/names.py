"""The names in expressions: which ones a text uses, and what they lead to before any run."""

from collections.abc import Iterator

from penstock.language.checks.subject import Subject
from penstock.language.expressions import has_expression
from penstock.language.expressions.errors import ExpressionError
from penstock.language.expressions.parser import walk
from penstock.language.expressions.tree import Name
from penstock.language.resolve import ResolvedObject
from penstock.language.scope import is_runtime_field

FIXED_RUNTIME_FIELDS = frozenset({"@id", "@pipelineId", "@version", "@sphere"})
"""Runtime fields that do not differ from one interval to the next."""

MOST_TARGETS = 20
"""Objects that one step of a path is followed to."""


def names_in(subject: Subject, text: str) -> Iterator[Name]:
    """Every name in the expressions of a text, in order; none if it cannot be read."""
    template = subject.template(text) if has_expression(text) else None
    if template is None or isinstance(template, ExpressionError):
        return
    for part in template.parts:
        for node in () if isinstance(part, str) else walk(part):
            if isinstance(node, Name):
                yield node


def runtime_names(subject: Subject, each: ResolvedObject, key: str, text: str) -> Iterator[str]:
    """The runtime fields that a text of the field depends on, through other fields too.

    With `@id` and the like left out, what remains differs from run to run.
    """
    seen: set[tuple[str, str]] = set()
    waiting = [(each, key, text)]
    while waiting and subject.effort.afford(1):
        owner, field, current = waiting.pop()
        for name in names_in(subject, current):
            for target in _targets(subject, owner, name.path[:-1]):
                if not subject.effort.afford(1):
                    return
                last = name.path[-1]
                if (target.id, last) in seen or (target is owner and last == field):
                    continue
                seen.add((target.id, last))
                if last in target.fields:
                    waiting.extend((target, last, other) for other in target.strings(last))
                elif is_runtime_field(target, last) and last not in FIXED_RUNTIME_FIELDS:
                    yield ".".join(name.path)


def _targets(
    subject: Subject, owner: ResolvedObject, path: tuple[str, ...]
) -> Iterator[ResolvedObject]:
    """The objects at the end of a path; nothing for `node`, which has many answers."""
    if not path or path == ("parent",):
        yield owner
    elif len(path) == 1:
        for reference in owner.refs(path[0])[:MOST_TARGETS]:
            if reference in subject.resolved.objects:
                yield subject.resolved.objects[reference]
