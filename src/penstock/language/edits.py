"""What an edit of an activated pipeline may not change (guide, "Editing your pipeline").

Compared are the definition in force and the new one. Forbidden: to remove an object, to change a
schedule's period or start, to touch reference fields of what is there, and to make an existing
object the output of a new one.
"""

from collections.abc import Iterator

from penstock.language.catalogue import type_named
from penstock.language.rules import Rule
from penstock.model.definition import Definition, Finding, PipelineObject

_FIXED_SCHEDULE_FIELDS = ("period", "startDateTime", "startAt")


def forbidden_edits(active: Definition, new: Definition) -> list[Finding]:
    """The errors; none if the edit is allowed."""
    before = {item.id: item for item in active.pipeline_objects}
    after = {item.id: item for item in new.pipeline_objects}
    found: list[Finding] = []
    for key, old in before.items():
        found += _changes(old, after[key]) if key in after else [_removed(key)]
    for key, item in after.items():
        taken = [ref for ref in item.refs("output") if key not in before and ref in before]
        if taken:
            text = (
                f"output: the new object {key!r} cannot have the existing object {taken[0]!r} as "
                "its output; give it a new data node"
            )
            found.append(_forbidden(key, text, "output"))
    return found


def _forbidden(object_id: str, text: str, field: str | None = None) -> Finding:
    return Finding(object_id, "error", Rule.FORBIDDEN_EDIT.value, text, field)


def _removed(object_id: str) -> Finding:
    text = (
        f"the object {object_id!r} is part of the activated pipeline and cannot be removed; keep "
        "it, or make a new pipeline"
    )
    return _forbidden(object_id, text)


def _changes(old: PipelineObject, new: PipelineObject) -> Iterator[Finding]:
    if _is_schedule(old):
        for key in _FIXED_SCHEDULE_FIELDS:
            if old.strings(key) != new.strings(key):
                text = (
                    f"{key}: cannot change from {_shown(old.strings(key))} to "
                    f"{_shown(new.strings(key))} once the pipeline is activated; add a new "
                    "schedule for new objects instead"
                )
                yield _forbidden(old.id, text, key)
    for key in dict.fromkeys(field.key for field in (*old.fields, *new.fields)):
        if old.refs(key) != new.refs(key):
            text = (
                f"{key}: the reference cannot change from {_shown(old.refs(key))} to "
                f"{_shown(new.refs(key))} once the pipeline is activated; put it back"
            )
            yield _forbidden(old.id, text, key)


def _is_schedule(item: PipelineObject) -> bool:
    found = type_named(item.string("type") or "")
    return found is not None and found.name == "Schedule"


def _shown(values: tuple[str, ...]) -> str:
    return ", ".join(repr(value) for value in values) if values else "nothing"
