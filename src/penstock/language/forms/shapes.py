"""The shapes that decoded documents must have, and errors that say where one has not.

Every function takes the place as a text (`object 'Copy', field 'input'`) and raises a
DefinitionError with it.
"""

from collections.abc import Iterator, Mapping

from penstock.language.wording import shorten
from penstock.model.errors import DefinitionError

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


def members_of(
    members: Mapping[str, object], key: str, where: str = ""
) -> Iterator[tuple[Mapping[str, object], str]]:
    """The JSON objects of a list member, each with its place; a missing or null list is empty."""
    path = f"{where}, {key}" if where else key
    given = members.get(key)
    for at, each in enumerate(list_of([] if given is None else given, path)):
        yield mapping_of(each, f"{path}[{at}]"), f"{path}[{at}]"


def member_of(members: Mapping[str, object], key: str, where: str) -> str:
    """A member that must be there, as a string."""
    if members.get(key) is None:
        raise DefinitionError(f"{where}: {key!r} is missing")
    return text_of(members[key], f"{where}, {key!r}")


def quoted(value: object) -> str:
    """What a value is, with the beginning of how it was written."""
    return f"{_NAMES.get(type(value), 'a value')} ({shorten(repr(value), 60)})"
