"""The error of an expression: what is wrong, and the text with the place marked."""

from penstock.model.errors import DefinitionError

_BEFORE = 50
_AFTER = 30


class ExpressionError(DefinitionError):
    """An expression that cannot be read or evaluated; the text marks the place with a caret.

    `problem` is the sentence alone, `at` the offset in the whole field's text.
    """

    def __init__(self, text: str, at: int, problem: str) -> None:
        self.problem = problem
        self.at = at
        super().__init__(f"{problem}\n{_marked(text, at)}")


class Fault(Exception):
    """A problem at an offset; turned into an ExpressionError where the whole text is known."""

    def __init__(self, at: int, problem: str) -> None:
        super().__init__(problem)
        self.at = at
        self.problem = problem


def _marked(text: str, at: int) -> str:
    """The part of the text around the place, on one line, with a caret under the place."""
    start, end = max(0, at - _BEFORE), min(len(text), at + _AFTER)
    before = "…" if start else ""
    after = "…" if end < len(text) else ""
    # One character each for line breaks and tabs, so that the caret stands where it should.
    shown = "".join(c if c.isprintable() else " " for c in text[start:end])
    return f"  {before}{shown}{after}\n  {' ' * (len(before) + at - start)}^"
