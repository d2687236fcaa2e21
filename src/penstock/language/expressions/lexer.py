"""Tokens of an expression: one regular expression, one pass, no backtracking."""

import re
from collections.abc import Sequence

from msgspec import Struct

from penstock.language.expressions.errors import Fault

LONGEST_EXPRESSION = 16_384
"""Characters in one `#{…}`; joining strings step by step is quadratic in it, so it is bounded."""

_TOKEN = re.compile(
    r"""
      (?P<space>\s++)
    | (?P<decimal>[0-9]++\.[0-9]++)
    | (?P<integer>[0-9]++)
    | (?P<name>@?[^\W\d]\w*+)
    | (?P<string>'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")
    | (?P<mark>[-+*/^().,}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(['\"\\])")


class Token(Struct, frozen=True):
    """`kind` is decimal, integer, name, string, or, for a mark, the mark itself."""

    kind: str
    text: str
    at: int


def read_tokens(text: str, start: int) -> Sequence[Token]:
    """The tokens from `start` up to and with the closing brace. Raises Fault."""
    tokens: list[Token] = []
    at = start
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        if at - start > LONGEST_EXPRESSION:
            raise Fault(start, f"the expression is longer than {LONGEST_EXPRESSION} characters")
        kind, part = match.lastgroup or "", match[0]
        if kind == "mark":
            tokens.append(Token(part, part, at))
            if part == "}":
                return tokens
        elif kind != "space":
            tokens.append(Token(kind, part, at))
        at = match.end()


def _unreadable(text: str, at: int) -> Fault:
    if at >= len(text):
        return Fault(at, "the expression is not closed: '}' is missing")
    if text[at] in "'\"":
        return Fault(at, f"the text is not closed: {text[at]} is missing")
    if text.startswith("#{", at):
        problem = (
            "an expression cannot stand in another: close the one before with '}', or write the "
            "name without '#{' '}'"
        )
        return Fault(at, problem)
    hint = next((hint for characters, hint in _HINTS.items() if text[at] in characters), "")
    return Fault(at, f"the character {text[at]!r} has no meaning here{hint}")


_HINTS = {
    "\u2018\u2019\u201c\u201d\u00b4`": "; texts stand in plain quotes: 'text' or \"text\"",
    "<>=!?|&": "; an expression can neither compare nor choose",
    "[]": "; a list is used whole, its values cannot be picked",
    "%": "; the operators are + - * / ^",
    "@": "; '@' begins a runtime field's name, such as @scheduledStartTime",
    "{$": "; a name stands alone: #{myName}",
}
"""What those who write such a character had in mind."""


def unquote(literal: str) -> str:
    """The content of a string literal; a backslash takes a quote or a backslash as it is."""
    inside = literal[1:-1]
    return _ESCAPE.sub(r"\1", inside) if "\\" in inside else inside
