"""What an edit of an activated pipeline may not change (guide, "Editing your pipeline").

Compared are the definition in force and the new one. Forbidden: to remove an object, to change a
schedule's period or start, to touch reference fields of what is there, and to make an existing
object the output of a new one. `differences` knows which change is which.
"""

from penstock.language.differences import Change, forbidden_changes
from penstock.language.rules import Rule
from penstock.language.wording import shorten
from penstock.model.definition import Definition, Finding


def forbidden_edits(active: Definition, new: Definition) -> list[Finding]:
    """The errors; none if the edit is allowed."""
    return [
        Finding(each.id, "error", Rule.FORBIDDEN_EDIT.value, _text(each), each.field)
        for each in forbidden_changes(active, new)
    ]


def _text(change: Change) -> str:
    if change.field is None:
        return f"the object {change.id!r} is not there any more: {change.forbidden}"
    before, after = (shorten(listing(texts)) for texts in (change.before, change.after))
    if change.kind == "added":
        return f"{change.field!r} is {after}: {change.forbidden}"
    if change.kind == "removed":
        return f"{change.field!r} was {before} and is gone: {change.forbidden}"
    return f"{change.field!r} changes from {before} to {after}: {change.forbidden}"


def listing(texts: tuple[str, ...]) -> str:
    """The values of a change as JSON has them: one alone, several as a list."""
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
