"""The shapes that decoded documents must have, and errors that say where one has not.

Every function takes the place as a text (`object 'Copy', field 'input'`) and raises a
DefinitionError with it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from penstock.language.wording import shorten
from penstock.model.errors import DefinitionError

T = TypeVar("T")
R = TypeVar("R")

MOST_TOLD = 20
"""Faults that one error's text lists; the rest is counted."""

_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def text_of(value: object, where: str) -> str:
    """A string, or the string that a number or boolean stands for."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    remedy = "; of several values write an entry for each" if isinstance(value, list) else ""
    raise DefinitionError(
        f"{where}: a string, number or boolean is needed, not {quoted(value)}{remedy}"
    )


def mapping_of(value: object, where: str) -> Mapping[str, object]:
    """A JSON object."""
    if isinstance(value, dict):
        return value
    raise DefinitionError(f"{where}: a JSON object is needed, not {quoted(value)}")


def list_of(value: object, where: str) -> list[object]:
    """A list."""
    if isinstance(value, list):
        return value
    raise DefinitionError(f"{where}: a list is needed, not {quoted(value)}")


def entries_of(
    members: Mapping[str, object], key: str, where: str = ""
) -> Iterator[tuple[object, str]]:
    """The entries of a list member, each with its place; a missing or null list is empty."""
    path = f"{where}, {key}" if where else key
    given = members.get(key)
    for at, each in enumerate(list_of([] if given is None else given, path)):
        yield each, f"{path}[{at}]"


def member_of(members: Mapping[str, object], key: str, where: str) -> str:
    """A member that must be there, as a string."""
    if members.get(key) is None:
        raise DefinitionError(f"{where}: {key!r} is missing")
    return text_of(members[key], f"{where}, {key!r}")


def quoted(value: object) -> str:
    """What a value is, with the beginning of how it was written."""
    if value is None:
        return "null"
    written = json.dumps(value, ensure_ascii=False, default=repr)
    return f"{_NAMES.get(type(value), 'a value')} ({shorten(written, 60)})"


class ShapeFault(Struct, frozen=True):
    """What is wrong with the shape of one part of a document.

    `object_id` is the object's or parameter's id, or else its place in the list (`objects[3]`);
    `text` leaves out what these two say, `message` is whole.
    """

    object_id: str
    field: str | None
    text: str
    message: str


class Unreadable(DefinitionError):
    """A document has parts of a wrong shape; `faults` has them all."""

    def __init__(self, faults: Sequence[ShapeFault]) -> None:
        shown = [each.message for each in faults[:MOST_TOLD]]
        if len(faults) > MOST_TOLD:
            shown.append(f"and {len(faults) - MOST_TOLD} more such faults")
        super().__init__(";\n".join(shown))
        self.faults = tuple(faults)


class Faults:
    """Gathers what is wrong with a document's parts, so that all is told in one go."""

    def __init__(self) -> None:
        self._found: list[ShapeFault] = []

    def each(
        self,
        entries: Iterable[tuple[T, str]],
        read: Callable[[T, str], R],
        about: Callable[[T, str], tuple[str, str | None]],
    ) -> tuple[R, ...]:
        """What `read` makes of each entry and its place, without those that are faulty.

        `about` says of a faulty one which object and field it is.
        """
        results = []
        for entry, where in entries:
            try:
                results.append(read(entry, where))
            except DefinitionError as error:
                self.add(error, *about(entry, where))
        return tuple(results)

    def add(self, error: DefinitionError, object_id: str, field: str | None = None) -> None:
        """Keep a fault for later."""
        message = text = str(error)
        for known in (f"object {object_id!r}", f"parameter {object_id!r}", object_id):
            if text.startswith((f"{known}, ", f"{known}: ")):
                text = text[len(known) + 2 :]
                break
        self._found.append(ShapeFault(object_id, field, text, message))

    def check(self) -> None:
        """Raises Unreadable if there are any."""
        if self._found:
            raise Unreadable(self._found)


def named_by(key: str) -> Callable[[object, str], tuple[str, str | None]]:
    """For `Faults.each`: an entry is called by its member `key`, or else by its place."""

    def about(entry: object, where: str) -> tuple[str, str | None]:
        identity = entry.get(key) if isinstance(entry, dict) else None
        return (identity if isinstance(identity, str) else where), None

    return about


def part_of(object_id: str, key: str) -> Callable[[object, str], tuple[str, str | None]]:
    """For `Faults.each`: an entry is the object's field that its member `key` names."""

    def about(entry: object, _: str) -> tuple[str, str | None]:
        field = entry.get(key) if isinstance(entry, dict) else None
        return object_id, field if isinstance(field, str) else None

    return about
