r"""How rows and columns are written in a file: what a dataFormat object says.

Source: developer guide, "CSV Data Format", "TSV Data Format", "Custom Data Format", "RegEx Data
Format". Wider than the guide: quotation marks in CSV as RFC 4180 has them, separators of several
characters, JSON lines and Parquet.

NULL is an empty value without quotation marks in CSV (an empty text is `""`), and `\N` in the
others; `\N` is read as NULL in CSV too.
"""

from __future__ import annotations

import re

from msgspec import Struct

from penstock.model.definition import PipelineObject
from penstock.runner.errors import TaskFailed

INVALID_FORMAT = "InvalidFormat"
"""errorId when a dataFormat cannot be used as it stands."""

DELIMITED = ("CSV", "TSV", "Custom")
"""Kinds whose rows are text between separators."""

_SPELLED = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\", "\\0": "\0"}
_CODE = re.compile(r"\\(?:u|x|0|00)([0-9a-fA-F]{2,4})")


class Column(Struct, frozen=True):
    """A column's name and its type in upper case, `""` if none was given."""

    name: str
    type: str = ""


class Format(Struct, frozen=True):
    """A format, ready to be used. `escape` is `""` where nothing is escaped.

    `quoted` says that values may stand between quotation marks; `null` is how NULL is written.
    """

    kind: str
    columns: tuple[Column, ...] = ()
    separator: str = ","
    record_separator: str = "\n"
    escape: str = "\\"
    quoted: bool = False
    null: str = "\\N"
    pattern: str = ""
    output: str = ""


CSV = Format("CSV", quoted=True, null="")
"""The default of a file whose data node has no `dataFormat`."""

TSV = Format("TSV", separator="\t")
"""Also what PostgreSQL and MySQL call text."""

PURE_CSV = Format("CSV", quoted=True, null="", escape="")
"""RFC 4180 to the letter, as PostgreSQL reads and writes it."""


def read_format(node: PipelineObject | None) -> Format:
    """The format that a dataFormat object describes; CSV without one. Raises `TaskFailed`."""
    if node is None:
        return CSV
    kind = node.string("type") or ""
    columns = tuple(_column(text) for each in node.strings("column") for text in _split(each))
    if kind == "CSV":
        escape = _one(node, "escapeChar", "\\")
        return Format("CSV", columns, escape=escape, quoted=True, null="")
    if kind in ("TSV", "Custom"):
        separator = _characters(node.string("columnSeparator")) or ("\t" if kind == "TSV" else "")
        if not separator:
            raise TaskFailed(INVALID_FORMAT, f"{node.name!r} needs a columnSeparator.")
        record = _characters(node.string("recordSeparator")) or "\n"
        escape = _one(node, "escapeChar", "\\")
        return Format(kind, columns, separator, record, escape, null=f"{escape}N")
    if kind == "RegEx":
        return _regex(node, columns)
    if kind in ("JsonLines", "Parquet"):
        return Format(kind, columns)
    message = f"{node.name!r} has the type {kind or 'none'}, which CopyActivity cannot read."
    raise TaskFailed(INVALID_FORMAT, message)


def _regex(node: PipelineObject, columns: tuple[Column, ...]) -> Format:
    pattern = node.string("inputRegEx") or ""
    try:
        re.compile(pattern)
    except re.error as error:
        message = f"inputRegEx of {node.name!r} is no regular expression: {error}."
        raise TaskFailed(INVALID_FORMAT, message) from error
    return Format("RegEx", columns, pattern=pattern, output=node.string("outputFormat") or "")


def _split(text: str) -> list[str]:
    """Columns in one value, `a INT, b DECIMAL(10, 2)`; a comma in brackets does not separate."""
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _column(text: str) -> Column:
    name, _, kind = text.strip().partition(" ")
    return Column(name.strip('`"'), kind.strip().upper())


def _one(node: PipelineObject, key: str, default: str) -> str:
    text = _characters(node.string(key)) or default
    if len(text) != 1:
        raise TaskFailed(INVALID_FORMAT, f"{key} of {node.name!r} must be one character.")
    return text


def _characters(text: str | None) -> str:
    r"""A separator as it was meant: `\t` written as two characters is a tab."""
    if not text:
        return ""
    if text in _SPELLED:
        return _SPELLED[text]
    if text == "\\r\\n":
        return "\r\n"
    code = _CODE.fullmatch(text)
    return chr(int(code[1], 16)) if code else text
