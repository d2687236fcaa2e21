"""What flows from a source to a target: blocks of delimited text, or rows of values."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from penstock.runner.records.blocks import Block
from penstock.runner.records.formats import Format
from penstock.runner.records.values import Row, convert, read_rows, write_rows


class Rows(Struct, frozen=True):
    """Rows of values as a driver gave them, or as a file of typed values holds them."""

    values: Sequence[Sequence[Any]]
    file: str = ""
    line: int = 0


Batch = Block | Rows
"""Some rows."""


def as_rows(batch: Batch, width: int | None) -> Sequence[Sequence[Any]]:
    """The values of a batch: text, or as typed as the source had them."""
    return read_rows(batch, width) if isinstance(batch, Block) else batch.values


def as_text_rows(batch: Batch, width: int | None) -> Sequence[Row]:
    """The values of a batch as text or None."""
    if isinstance(batch, Block):
        return read_rows(batch, width)
    return [[as_text(value) for value in row] for row in batch.values]


def as_bytes(batch: Batch, form: Format, width: int | None) -> bytes:
    """The batch in a delimited format."""
    if isinstance(batch, Block):
        return convert(batch, form, width)
    return write_rows(as_text_rows(batch, width), form)


def as_text(value: Any) -> str | None:
    r"""One value as it is written to a file of text.

    Times are ISO 8601 with a blank between day and time, as databases write and read them; bytes
    are `\x` and hexadecimal digits, as PostgreSQL has them.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\\x" + bytes(value).hex()
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return str(value)
