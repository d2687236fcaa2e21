"""JSON lines: an object for each row, the columns' names its keys.

Numbers are numbers and NULL is null; times, decimals of a database and all else are text, which
loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from penstock.runner.errors import TaskFailed
from penstock.runner.records.batches import Batch, Rows, as_rows, as_text
from penstock.runner.records.blocks import Block, read_blocks
from penstock.runner.records.formats import INVALID_FORMAT, Column, Format
from penstock.runner.records.malformed import malformed
from penstock.runner.records.typed import typed_value

_LINES = Format("lines", separator="\n", escape="", null="")
_DECODER = msgspec.json.Decoder(dict[str, Any])


def read_json_lines(pieces: Iterable[bytes], form: Format, file: str) -> Iterator[Batch]:
    """The rows of a file: the values of the format's columns, or of the first line's keys.

    A key that a line lacks is NULL; one that no column has is an error.
    """
    names = tuple(column.name for column in form.columns)
    for block in read_blocks(pieces, _LINES, file):
        rows = []
        for number, line in enumerate(block.content[:-1].split(b"\n"), block.line):
            item = _decode(line, file, number)
            names = names or tuple(item)
            if unknown := item.keys() - set(names):
                what = f"the key {min(unknown)!r} is none of the columns {', '.join(names)}."
                raise malformed(file, number, None, what)
            rows.append([item.get(name) for name in names])
        yield Rows(rows, file, block.line)


def first_names(pieces: Iterable[bytes], file: str) -> tuple[str, ...]:
    """The keys of a file's first line."""
    for block in read_blocks(pieces, _LINES, file):
        return tuple(_decode(block.content.partition(b"\n")[0], file, 1))
    return ()


def _decode(line: bytes, file: str, number: int) -> dict[str, Any]:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(file, number, None, f"this is no JSON object: {error}.") from error


def write_json_lines(batches: Iterable[Batch], columns: tuple[Column, ...]) -> Iterator[bytes]:
    """Each row as an object. Raises `TaskFailed` if the columns have no names."""
    if not columns:
        message = "JSON lines need names: give the dataFormat of input or output its columns."
        raise TaskFailed(INVALID_FORMAT, message)
    names = [column.name for column in columns]
    encoder = msgspec.json.Encoder(enc_hook=as_text, decimal_format="string")
    for batch in batches:
        rows = typed_rows(batch, columns)
        items = [dict(zip(names, row, strict=True)) for row in rows]
        yield encoder.encode_lines(items)


def typed_rows(batch: Batch, columns: tuple[Column, ...]) -> Iterable[Any]:
    """The rows of a batch, text made into values of the columns' types."""
    if not isinstance(batch, Block) and not any(
        isinstance(value, str) for row in batch.values[:1] for value in row
    ):
        return batch.values
    return [
        [
            typed_value(value, column, batch.file, batch.line + index)
            if isinstance(value, str)
            else value
            for value, column in zip(row, columns, strict=True)
        ]
        for index, row in enumerate(as_rows(batch, len(columns)))
    ]
