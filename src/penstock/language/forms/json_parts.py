"""JSON text walked part by part, for who wants the places of a few of its parts.

No tree is made: what nobody asks for is skipped by the standard library's decoder, which is written
in C, and forgotten. So ten thousand objects are passed in the time in which they are read once, and
with no more memory.
"""

import json
import re
from collections.abc import Iterator

from penstock.language.forms.placed import Lines, Place

_SPACE = re.compile(r"[ \t\n\r]*+")
_SCALAR = re.compile(r"[^\s{}\[\]:,\"]++")
# Of lists only their length is kept, of objects nothing.
_decode = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=lambda _: None
).raw_decode


class JsonPart:
    """One value of a text that is known to be JSON; of any other, a ValueError or IndexError.

    Has what `Placed` has, but finds it out when asked, and anew each time.
    """

    def __init__(self, text: str, lines: Lines, start: int = 0) -> None:
        self._text = text
        self._lines = lines
        self._start = _SPACE.match(text, start).end()  # type: ignore[union-attr]
        self._end: int | None = None

    @property
    def at(self) -> Place:
        """Where the value begins."""
        return self._lines.place(self._start)

    def member(self, key: str) -> "JsonPart | None":
        """An object's value of a key; None where there is none, or no object."""
        return next((part for name, _, part in self._members() if name == key), None)

    def members(self) -> "Iterator[tuple[str, Place, JsonPart]]":
        """An object's keys, their places and values; nothing for anything else."""
        return ((key, self._lines.place(at), part) for key, at, part in self._members())

    def items(self) -> "Iterator[JsonPart]":
        """A list's values; nothing for anything else."""
        at = self._inside("[", "]")
        while at is not None:
            part = JsonPart(self._text, self._lines, at)
            yield part
            at = self._after(part)

    def _members(self) -> "Iterator[tuple[str, int, JsonPart]]":
        at = self._inside("{", "}")
        while at is not None:
            key, end = _decode(self._text, at)
            colon = _SPACE.match(self._text, end).end()  # type: ignore[union-attr]
            part = JsonPart(self._text, self._lines, colon + 1)
            yield str(key), at, part
            at = self._after(part)

    def _inside(self, opening: str, closing: str) -> int | None:
        """Where the first entry begins."""
        if not self._text.startswith(opening, self._start):
            return None
        at = _SPACE.match(self._text, self._start + 1).end()  # type: ignore[union-attr]
        if self._text[at] == closing:
            self._end = at + 1
            return None
        return at

    def _after(self, part: "JsonPart") -> int | None:
        """Where the entry after this one begins."""
        at = _SPACE.match(self._text, part.end()).end()  # type: ignore[union-attr]
        if self._text[at] != ",":
            self._end = at + 1
            return None
        return _SPACE.match(self._text, at + 1).end()  # type: ignore[union-attr]

    def end(self) -> int:
        """The offset after the value."""
        if self._end is None:
            self._end = _decode(self._text, self._start)[1]
        return self._end

    def text(self) -> str | None:
        """A scalar as its string; None for anything else."""
        if self._text.startswith('"', self._start):
            return str(_decode(self._text, self._start)[0])
        bare = _SCALAR.match(self._text, self._start)
        return None if bare is None or bare[0] == "null" else bare[0]
