"""The export format of DynamoDB tables: one item a line, every value with its type.

    {"id":{"s":"Seattle"},"scores":{"nS":["100","30"]},"open":{"bOOL":true}}

Sources of the format: the tools that EMR's DynamoDB connector publishes (the templates "Export
DynamoDB table to S3" and "Import DynamoDB backup data from S3" run them). Type names are those of
the Java SDK's first version, which wrote them: `s n b sS nS bS m l bOOL nULLValue`. Read are also
the names that later tools write (`ss`, `bool`, `null`), DynamoDB's own (`SS`), and the lines of
the exports before 2014, which Hive wrote: `name ETX {"s":"x"} STX name ETX {…}`, names unquoted.

In memory an item has the shape that botocore takes: `{"id": {"S": "Seattle"}}`, binary as `bytes`.
A directory that was exported has a `manifest`, which names its files, and an empty `_SUCCESS`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

Value = dict[str, Any]
"""One typed value, such as `{"N": "12"}`."""

Item = dict[str, Value]
"""An item: attribute name to typed value."""

MANIFEST = "manifest"
"""Name of the file that lists the files of an export."""

SUCCESS = "_SUCCESS"
"""Name of the empty file that says that an export is whole."""

MANIFEST_VERSION = 3

_STX, _ETX = b"\x02", b"\x03"

_DECODER = msgspec.json.Decoder(float_hook=str)
"""A number that stands bare keeps its 38 digits."""

_WRITTEN = {
    "S": "s",
    "N": "n",
    "B": "b",
    "SS": "sS",
    "NS": "nS",
    "BS": "bS",
    "M": "m",
    "L": "l",
    "BOOL": "bOOL",
    "NULL": "nULLValue",
}
_READ = {written.lower(): kind for kind, written in _WRITTEN.items()} | {
    kind.lower(): kind for kind in _WRITTEN
}


class MalformedItem(ValueError):
    """A line is no item; the text says why, without place and without the line itself."""


class Manifest(Struct, frozen=True):
    """What a manifest says: the URLs of the files that belong to the export."""

    class Entry(Struct, frozen=True):
        """One file."""

        url: str
        mandatory: bool = True

    entries: list[Entry]
    name: str = "DynamoDB-export"
    version: int = MANIFEST_VERSION


def write_item(item: Item) -> bytes:
    """An item's line, line feed included."""
    plain = {name: _plain(value) for name, value in item.items()}
    return msgspec.json.encode(plain) + b"\n"


def read_item(line: bytes) -> Item:
    """The item of a line of any of the known forms; raises `MalformedItem`."""
    text = line.strip()
    try:
        if text.startswith(b"{"):
            found = _DECODER.decode(text)
        else:
            found = dict(map(_read_pair, text.split(_STX)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedItem(f"it is no JSON: {error}") from error
    except RecursionError as error:
        raise MalformedItem("it is nested too deeply") from error
    if not found:
        raise MalformedItem("it has no attributes")
    return {name: _typed(value, name, depth=0) for name, value in found.items()}


def write_manifest(urls: Iterable[str]) -> bytes:
    """The manifest of an export of these files."""
    lines = b",\n".join(msgspec.json.encode(Manifest.Entry(url)) for url in urls)
    head = f'{{"name":"DynamoDB-export","version":{MANIFEST_VERSION},\n"entries": [\n'
    return head.encode() + lines + b"\n]}\n"


def read_manifest(content: bytes) -> list[str]:
    """The URLs of a manifest's files; raises `MalformedItem`."""
    try:
        return [entry.url for entry in msgspec.json.decode(content, type=Manifest).entries]
    except msgspec.DecodeError as error:
        raise MalformedItem(f"the manifest cannot be read: {error}") from error


def is_data_name(name: str) -> bool:
    """Whether a listed file holds items: not the manifest, and nothing that Hadoop calls hidden."""
    hidden = any(part.startswith(("_", ".")) for part in name.split("/"))
    return not hidden and name != MANIFEST and "$folder$" not in name


def _read_pair(pair: bytes) -> tuple[str, Any]:
    name, found, value = pair.partition(_ETX)
    if not found:
        raise MalformedItem("it neither begins with { nor has Hive's separators (STX, ETX)")
    return name.decode(), _DECODER.decode(value)


def _plain(value: Value) -> Value:
    ((kind, content),) = value.items()
    if kind == "M":
        content = {name: _plain(one) for name, one in content.items()}
    elif kind == "L":
        content = [_plain(one) for one in content]
    elif kind == "B":
        content = _encode(content)
    elif kind in ("BS", "SS", "NS"):
        # A set has no order; sorted, equal items give equal lines.
        content = sorted(map(_encode, content) if kind == "BS" else content)
    return {_WRITTEN[kind]: content}


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


_DEEPEST = 32
"""DynamoDB's own limit of nesting; one more would let a hostile line exhaust the stack."""


def _typed(value: Any, name: str, depth: int) -> Value:
    if not isinstance(value, dict) or len(value) != 1 or depth > _DEEPEST:
        raise MalformedItem(f'attribute {name!r} is no typed value such as {{"s":"text"}}')
    ((key, content),) = value.items()
    kind = _READ.get(key.lower())
    if kind is None:
        raise MalformedItem(f"attribute {name!r} has the unknown type {key!r}")
    if kind == "M" and isinstance(content, dict):
        return {kind: {n: _typed(one, f"{name}.{n}", depth + 1) for n, one in content.items()}}
    if kind == "L" and isinstance(content, list):
        return {kind: [_typed(one, f"{name}[]", depth + 1) for one in content]}
    check = _CHECKS.get(kind)
    try:
        if check is not None:
            return {kind: check(content)}
    except (TypeError, ValueError) as error:
        raise MalformedItem(f"attribute {name!r} is no {kind}: {error}") from error
    raise MalformedItem(f"attribute {name!r} is no {kind}")


def _string(content: Any) -> str:
    if not isinstance(content, str):
        raise TypeError("it must be a string")
    return content


def _number(content: Any) -> str:
    # Some tools write numbers bare; a bool is no number, though Python thinks so.
    if isinstance(content, int) and not isinstance(content, bool):
        return str(content)
    return _string(content)


def _boolean(content: Any) -> bool:
    if content in ("true", "false"):
        return bool(content == "true")
    if not isinstance(content, bool):
        raise TypeError("it must be true or false")
    return content


def _binary(content: Any) -> bytes:
    try:
        return base64.b64decode(_string(content), validate=True)
    except binascii.Error as error:
        raise ValueError(f"it is not Base64: {error}") from error


def _set_of(one: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def check(content: Any) -> list[Any]:
        if not isinstance(content, list):
            raise TypeError("it must be a list")
        return [one(each) for each in content]

    return check


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "S": _string,
    "N": _number,
    "B": _binary,
    "BOOL": _boolean,
    "NULL": _boolean,
    "SS": _set_of(_string),
    "NS": _set_of(_number),
    "BS": _set_of(_binary),
}
