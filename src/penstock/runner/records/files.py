"""Batches from the content of files in any format, and files from batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from penstock.runner.records.batches import Batch, as_bytes
from penstock.runner.records.blocks import BLOCK_BYTES, read_blocks
from penstock.runner.records.compression import compressed, decompressed
from penstock.runner.records.formats import DELIMITED, Column, Format
from penstock.runner.records.json_lines import read_json_lines, write_json_lines
from penstock.runner.records.patterns import read_matches, write_formatted

SUFFIXES = {"CSV": ".csv", "TSV": ".tsv", "JsonLines": ".jsonl", "Parquet": ".parquet"}
"""How files of a format are called."""


class FileForm(Struct, frozen=True):
    """How a data node's files are written: format and compression."""

    format: Format
    gzip: bool = False

    @property
    def suffix(self) -> str:
        """What a file's name ends in."""
        return SUFFIXES.get(self.format.kind, ".txt") + (".gz" if self.gzip else "")


class Source(Struct, frozen=True):
    """A file to read: its name for messages, its pieces, and a way to have it as a local file."""

    name: str
    chunks: Callable[[], Iterator[bytes]]
    fetched: Callable[[], Path]


def read_file(source: Source, form: FileForm) -> Iterator[Batch]:
    """The rows of a file. Raises `TaskFailed` that names the place of what is malformed."""
    if form.format.kind == "Parquet":
        from penstock.runner.records.parquet import read_parquet

        yield from read_parquet(source.fetched(), source.name)
        return
    chunks = source.chunks()
    pieces = decompressed(chunks, source.name) if form.gzip else _small(chunks)
    if form.format.kind in DELIMITED:
        yield from read_blocks(pieces, form.format, source.name)
    elif form.format.kind == "RegEx":
        yield from read_matches(pieces, form.format, source.name)
    else:
        yield from read_json_lines(pieces, form.format, source.name)


def write_file(
    batches: Iterable[Batch],
    form: FileForm,
    columns: tuple[Column, ...],
    width: int | None,
    scratch: Path,
) -> Iterator[bytes]:
    """The content of a file with these rows, each of `width` values.

    `columns` are named where the format has names; `scratch` is a path for what must seek.
    """
    kind = form.format.kind
    if kind == "Parquet":
        from penstock.runner.records.parquet import write_parquet

        return write_parquet(batches, columns, scratch)
    if kind in DELIMITED:
        pieces: Iterator[bytes] = (as_bytes(batch, form.format, width) for batch in batches)
    elif kind == "RegEx":
        pieces = write_formatted(batches, form.format, width)
    else:
        pieces = write_json_lines(batches, columns)
    return compressed(pieces) if form.gzip else pieces


def _small(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces of a size that fits a processor's cache, which is quicker and takes less memory."""
    for chunk in chunks:
        if len(chunk) <= BLOCK_BYTES:
            yield chunk
            continue
        view = memoryview(chunk)
        for start in range(0, len(chunk), BLOCK_BYTES):
            yield bytes(view[start : start + BLOCK_BYTES])
