"""The error of an expression: what is wrong, and the text with the place marked."""

from unicodedata import combining, east_asian_width

from penstock.language.expressions.tree import Template
from penstock.model.errors import DefinitionError

_WHOLE = 90
_BEFORE = 50
_AFTER = 40
"""A text of so many columns is shown whole, of a longer one so much around the place."""


class ExpressionError(DefinitionError):
    """An expression that cannot be read or evaluated; the text marks the place with a caret.

    `problem` is the sentence alone, `at` the offset in the whole field's text, `marked` the two
    lines with the place. `placed` is true when the sentence says whose text it is. The text of a
    secret must not be shown: then `problem` is all to tell. Of a text that cannot be read
    `readable` has all problems, and those of its expressions that can.
    """

    def __init__(
        self,
        text: str,
        at: int,
        problem: str,
        placed: bool = False,
        readable: Template | None = None,
    ) -> None:
        self.text = text
        self.at = at
        self.placed = placed
        self.problem = problem
        self.readable = readable
        self.marked = _marked(text, at)
        super().__init__(f"{problem}\n{self.marked}")

    def within(self, where: str) -> "ExpressionError":
        """The same, said to be in a field or parameter other than the one that is evaluated."""
        return ExpressionError(self.text, self.at, f"in {where}: {self.problem}", placed=True)


class Fault(Exception):
    """A problem at an offset; turned into an ExpressionError where the whole text is known."""

    def __init__(self, at: int, problem: str) -> None:
        super().__init__(problem)
        self.at = at
        self.problem = problem


def _marked(text: str, at: int) -> str:
    """The part of the text around the place, on one line, with a caret under the place."""
    start, end = 0, len(text)
    if end > _WHOLE:
        start, end = max(0, at - _BEFORE), min(len(text), at + _AFTER)
    before = "…" if start else ""
    after = "…" if end < len(text) else ""
    # One character each for line breaks and tabs, so that the caret stands where it should.
    shown = "".join(c if c.isprintable() else " " for c in text[start:end])
    columns = len(before) + sum(map(_columns, shown[: at - start]))
    return f"  {before}{shown}{after}\n  {' ' * columns}^"


def _columns(character: str) -> int:
    """The columns that a character takes on a terminal."""
    if character.isascii():
        return 1
    return 0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
