"""Parquet, by pyarrow: row group after row group, so memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from penstock.runner.errors import TaskFailed
from penstock.runner.libraries import library
from penstock.runner.records.batches import Batch, Rows, as_text
from penstock.runner.records.blocks import BLOCK_BYTES
from penstock.runner.records.formats import INVALID_FORMAT, Column
from penstock.runner.records.json_lines import typed_rows
from penstock.runner.records.malformed import malformed
from penstock.runner.records.typed import family

_ROWS = 5_000
_GROUP_ROWS = 50_000


def _arrow(module: str) -> Any:
    return library(module, "parquet", "Parquet")


def parquet_columns(path: Path, name: str) -> tuple[Column, ...]:
    """The columns of a file, with Arrow's names of their types."""
    schema = _open(path, name).schema_arrow
    return tuple(Column(field.name, str(field.type).upper()) for field in schema)


def read_parquet(path: Path, name: str) -> Iterator[Batch]:
    """The rows of a local file; `name` is what it is called in messages."""
    row = 1
    for batch in _open(path, name).iter_batches(batch_size=_ROWS):
        columns = [column.to_pylist() for column in batch.columns]
        yield Rows(list(zip(*columns, strict=True)), name, row)
        row += batch.num_rows


def _open(path: Path, name: str) -> Any:
    parquet, arrow = _arrow("pyarrow.parquet"), _arrow("pyarrow")
    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowInvalid, OSError) as error:
        raise malformed(name, 0, None, f"this is no Parquet file: {error}") from error


def write_parquet(
    batches: Iterable[Batch], columns: tuple[Column, ...], scratch: Path
) -> Iterator[bytes]:
    """The content of a file with these rows, written to a local one first."""
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    if not columns:
        message = "Parquet needs names: give the dataFormat of input or output its columns."
        raise TaskFailed(INVALID_FORMAT, message)
    schema = arrow.schema([(column.name, _type(arrow, column)) for column in columns])
    with parquet.ParquetWriter(scratch, schema) as writer:
        for rows in _groups(batches, columns):
            writer.write_table(_table(arrow, rows, schema))
    with scratch.open("rb") as reader:
        while piece := reader.read(BLOCK_BYTES):
            yield piece
    scratch.unlink()


def _groups(batches: Iterable[Batch], columns: tuple[Column, ...]) -> Iterator[list[Any]]:
    held: list[Any] = []
    for batch in batches:
        held.extend(typed_rows(batch, columns))
        if len(held) >= _GROUP_ROWS:
            yield held
            held = []
    if held:
        yield held


def _table(arrow: Any, rows: list[Any], schema: Any) -> Any:
    arrays = []
    for index, field in enumerate(schema):
        values = [row[index] for row in rows]
        if field.type == arrow.string():
            values = [as_text(value) for value in values]
        try:
            arrays.append(arrow.array(values, field.type))
        except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
            message = f"Column {field.name} cannot be written as {field.type}: {error}"
            raise TaskFailed(INVALID_FORMAT, message) from error
    return arrow.table(arrays, schema=schema)


def _type(arrow: Any, column: Column) -> Any:
    kind = family(column.type)
    if kind == "decimal":
        return _decimal(arrow, column.type)
    return {
        "integer": arrow.int64(),
        "float": arrow.float64(),
        "boolean": arrow.bool_(),
        "date": arrow.date32(),
        "timestamp": arrow.timestamp("us", tz="UTC" if "TZ" in column.type else None),
    }.get(kind, arrow.string())


def _decimal(arrow: Any, kind: str) -> Any:
    """Precision and scale as given; without them text, which loses nothing."""
    inside = kind.partition("(")[2].partition(")")[0]
    parts = [int(part) for part in inside.split(",") if part.strip().isdigit()]
    if not parts:
        return arrow.string()
    return arrow.decimal128(min(parts[0], 38), parts[1] if len(parts) > 1 else 0)
