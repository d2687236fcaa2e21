"""Unknown pieces inside a field's text, as parameters of the pipeline; and back again.

`s3://` and an unknown bucket become `s3://#{my_Bucket}`. Within an expression a parameter is named
without braces: bare where the piece stood bare, joined on where it stood in a quoted text, so that
`#{format(@scheduledStartTime, 'YYYY-` X `')}` becomes `#{format(@scheduledStartTime, 'YYYY-' +
my_X)}`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from penstock.language.forms.intrinsics import Pieces, Unknown, joined, shown
from penstock.model.errors import DefinitionError

_OPENING = "#{"
_IN_CODE = re.compile(r"""['"}]""")
_IN_QUOTES = {
    quote: re.compile(rf"((?:[^{quote}\\]|\\.)*+)({quote}?)", re.DOTALL) for quote in "'\""
}
_BEFORE_SUM = frozenset("{(,+")
_AFTER_SUM = frozenset("}),+")
_CODE = re.compile(
    r"""
      (?P<quoted> '(?:[^'\\]|\\.)*+' | "(?:[^"\\]|\\.)*+" )
    | (?P<name> \*?[^\W\d]\w*+ )
    | (?P<end> } )
    | (?P<other> @\w*+ | \.\s*+\w*+ | [0-9]\w*+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)


class Named(Struct, frozen=True):
    """The parameter that stands for an unknown piece; `numeric` if it holds a number."""

    id: str
    numeric: bool = False


class _Joined(Struct):
    """A quoted text with unknown pieces in it: what must become a sum."""

    quote: str
    parts: list[str | Unknown]


_Output: TypeAlias = str | _Joined


def embed(pieces: Pieces, name: Callable[[object], Named]) -> str:
    """The text with a parameter in the place of each unknown piece.

    `name` gives an intrinsic's parameter. Raises DefinitionError where an intrinsic stands within
    a name of an expression, so that no parameter can take its place.
    """
    if len(pieces) == 1 and isinstance(pieces[0], str):
        return pieces[0]
    writer = _Embedding(name)
    for piece in pieces:
        if isinstance(piece, str):
            writer.take_text(piece)
        else:
            writer.take_unknown(piece)
    return writer.finished()


class _Embedding:
    """The state of one text: whether it is inside an expression, and inside which quotes."""

    def __init__(self, name: Callable[[object], Named]) -> None:
        self._name = name
        self._output: list[_Output] = []
        self._in_code = False
        self._quoted: _Joined | None = None
        self._bare: Unknown | None = None

    def take_text(self, text: str) -> None:
        if self._bare is not None and self._in_code and re.match(r"\w|\(", text):
            raise _within_a_name(self._bare)
        self._bare = None
        at = 0
        while at < len(text):
            if self._quoted is not None:
                at = self._take_quoted(text, at)
            elif self._in_code:
                at = self._take_code(text, at)
            else:
                at = self._take_plain(text, at)

    def _write(self, text: str) -> None:
        if text:
            self._output.append(text)

    def _take_plain(self, text: str, at: int) -> int:
        opening = text.find(_OPENING, at)
        end = len(text) if opening < 0 else opening + len(_OPENING)
        self._in_code = opening >= 0
        self._write(text[at:end])
        return end

    def _take_code(self, text: str, at: int) -> int:
        match = _IN_CODE.search(text, at)
        if match is None:
            self._write(text[at:])
            return len(text)
        if match[0] == "}":
            self._in_code = False
            self._write(text[at : match.end()])
        else:
            self._write(text[at : match.start()])
            self._quoted = _Joined(match[0], [])
        return match.end()

    def _take_quoted(self, text: str, at: int) -> int:
        assert self._quoted is not None
        match = _IN_QUOTES[self._quoted.quote].match(text, at)
        assert match is not None
        end = match.end()
        self._quoted.parts.append(match[1])
        if match[2]:
            self._output.append(self._quoted)
            self._quoted = None
        elif match.end() < len(text):
            self._quoted.parts.append(text[end:])  # a lone backslash at the piece's end
            end = len(text)
        return end

    def take_unknown(self, piece: Unknown) -> None:
        if self._quoted is not None:
            self._quoted.parts.append(piece)
            return
        named = self._name(piece.intrinsic)
        if not self._in_code:
            self._output.append(f"#{{{named.id}}}")
            return
        if self._bare is not None or re.search(r"[\w.@]$", self._text_before()):
            raise _within_a_name(piece)
        self._bare = piece
        self._output.append(named.id)

    def _text_before(self) -> str:
        last = self._output[-1] if self._output else ""
        return last if isinstance(last, str) else "'"

    def finished(self) -> str:
        if self._quoted is not None:
            # Never closed, so no expression either: validation will say so.
            self._output.append(self._quoted)
        return "".join(
            each if isinstance(each, str) else self._summed(each, at)
            for at, each in enumerate(self._output)
        )

    def _summed(self, quoted: _Joined, at: int) -> str:
        parts = joined(quoted.parts)
        quote = quoted.quote
        if not any(isinstance(part, Unknown) for part in parts):
            return f"{quote}{''.join(part for part in parts if isinstance(part, str))}{quote}"
        terms: list[str] = []
        for part in parts:
            named = None if isinstance(part, str) else self._name(part.intrinsic)
            if named is not None and named.numeric and not terms:
                terms.append(quote * 2)  # so that the sum is a text and no number
            terms.append(named.id if named is not None else f"{quote}{part}{quote}")
        summed = " + ".join(terms)
        return f"({summed})" if len(terms) > 1 and not self._stands_free(at) else summed

    def _stands_free(self, at: int) -> bool:
        before = "".join(each for each in self._output[:at][-1:] if isinstance(each, str)).rstrip()
        after = "".join(each for each in self._output[at + 1 : at + 2] if isinstance(each, str))
        return before[-1:] in _BEFORE_SUM and after.lstrip()[:1] in _AFTER_SUM


def _within_a_name(piece: Unknown) -> DefinitionError:
    return DefinitionError(
        f"{shown(piece.intrinsic)} stands within a name of an expression, where no parameter can "
        "take its place"
    )


def extract(text: str, known: Mapping[str, "Restorable"]) -> Pieces:
    """The pieces of a text in which parameters stand for intrinsics: what `embed` came from.

    A parameter that is named where an intrinsic could not stand stays a name.
    """
    pieces: list[str | Unknown] = []
    at = 0
    while (opening := text.find(_OPENING, at)) >= 0:
        pieces.append(text[at:opening])
        tokens = list(_tokens(text, opening + len(_OPENING)))
        at = opening + len(_OPENING) + sum(len(match[0]) for match in tokens)
        pieces.extend(_expression(tokens, known))
    pieces.append(text[at:])
    return joined(pieces)


class Restorable(Struct, frozen=True):
    """An intrinsic that a parameter stands for."""

    intrinsic: object
    numeric: bool = False


def _tokens(text: str, at: int) -> Iterator[re.Match[str]]:
    while match := _CODE.match(text, at):
        yield match
        at = match.end()
        if match.lastgroup == "end":
            return


def _expression(
    tokens: Sequence[re.Match[str]], known: Mapping[str, Restorable]
) -> Iterator[str | Unknown]:
    if len(tokens) == 2 and tokens[0][0] in known and tokens[1][0] == "}":
        yield Unknown(known[tokens[0][0]].intrinsic)
        return
    yield _OPENING
    for token in tokens:
        found = known.get(token[0]) if token.lastgroup == "name" else None
        if found is None:
            yield token[0]
        elif found.numeric:
            yield Unknown(found.intrinsic)
        else:
            yield "'"
            yield Unknown(found.intrinsic)
            yield "'"
