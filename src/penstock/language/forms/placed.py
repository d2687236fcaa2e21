"""A document as a tree of which every part knows its line and column.

What JSON and YAML both become when places matter: for errors, and for `positions.py`.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1; the column counts characters."""


class Placed(Struct):
    """A scalar, a list or a mapping, and where it begins.

    `content` is a string, boolean or None; a list of parts; or, of a mapping, each key's place
    and value. `tag` is a YAML tag such as `!Sub`, empty where none was written. Mutable, because
    a tree is built from the outside in.
    """

    at: Place
    content: "str | bool | list[Placed] | dict[str, tuple[Place, Placed]] | None" = None
    tag: str = ""

    def member(self, key: str) -> "Placed | None":
        """A mapping's value of a key; None where there is none, or no mapping."""
        if not isinstance(self.content, dict) or key not in self.content:
            return None
        return self.content[key][1]

    def members(self) -> "Iterator[tuple[str, Place, Placed]]":
        """A mapping's keys, their places and values; nothing for anything else."""
        if isinstance(self.content, dict):
            for key, (place, part) in self.content.items():
                yield key, place, part

    def items(self) -> "Sequence[Placed]":
        """A list's parts; empty for anything else."""
        return self.content if isinstance(self.content, list) else ()

    def text(self) -> str | None:
        """A scalar as its string; None for anything else."""
        if isinstance(self.content, bool):
            return "true" if self.content else "false"
        return self.content if isinstance(self.content, str) else None


class Lines:
    """From an offset in a text to its line and column.

    Counts on from the last offset asked for, so that a walk through a text costs one count of it,
    and no list of all its lines.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self._line = 1

    def place(self, offset: int) -> Place:
        """The place of the character at an offset from 0."""
        if offset < self._offset:
            self._line -= self._text.count("\n", offset, self._offset)
        else:
            self._line += self._text.count("\n", self._offset, offset)
        self._offset = offset
        return self._line, offset - self._text.rfind("\n", 0, offset)
