"""Import of exported files into a DynamoDB table: files at once, in batches, resumable.

Putting an item twice changes nothing, so a retry is right whatever it repeats; where it goes on is
remembered only so that it costs no throughput twice.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast

import msgspec

from penstock.clock import system_clock
from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.activities.dynamodb_export import Keep
from penstock.runner.activities.dynamodb_steps import Import
from penstock.runner.activities.dynamodb_work import (
    Crew,
    Memory,
    beside_logs,
    open_table,
    percent_of,
)
from penstock.runner.connectors.dynamodb import BATCH_ITEMS, DynamoTable, Throughput
from penstock.runner.errors import LocationError, TaskFailed
from penstock.runner.locations import Locations, join_uri
from penstock.runner.records.dynamodb_export import (
    MANIFEST,
    Item,
    MalformedItem,
    is_data_name,
    read_item,
    read_manifest,
)
from penstock.runner.records.malformed import malformed
from penstock.runner.staging import STAGING_FAILED

LONGEST_LINE_BYTES = 16 * 1024 * 1024
"""An item has at most 400 KB; as JSON it can grow, but never to this."""

_REMEMBER_SECONDS = 15.0
_DONE = -1
_GZIP = b"\x1f\x8b"


def run_import(context: Context, step: Import) -> None:
    """Do an import step; region and throughput also from the activity's data node."""
    node = next(
        (one for one in context.task.referenced("output") if one.string("tableName") == step.table),
        None,
    )
    crew = Crew(context.stop)
    region = (node.string("region") if node else None) or step.region
    table = DynamoTable(context.aws, step.table, region, crew.pause)
    percent = step.percent or percent_of(node, "writeThroughputPercent")
    with _staging_errors():
        files = list_files(context.locations, step.directory)
    Importer(context, crew, table).put_files(files, percent)


def import_node(
    context: Context, source: PipelineObject, target: PipelineObject, keep: Keep | None
) -> None:
    """Import an S3DataNode's directory or file into a DynamoDBDataNode."""
    directory, file = source.string("directoryPath"), source.string("filePath")
    crew = Crew(context.stop)
    table = open_table(context, target, crew)
    with _staging_errors():
        if directory:
            files = list_files(context.locations, directory)
        elif file:
            files = [file]
        else:
            message = f"{source.name!r} has neither directoryPath nor filePath."
            raise TaskFailed("InvalidActivity", message)
    importer = Importer(context, crew, table, keep)
    importer.put_files(files, percent_of(target, "writeThroughputPercent"))


def list_files(locations: Locations, directory: str) -> list[str]:
    """The files of an export: those that its manifest names, else all that are not hidden.

    Raises `LocationError`; also if there are none, since that is more often a wrong path than an
    empty table, whose export has a manifest.
    """
    manifest = join_uri(directory, MANIFEST)
    if locations.exists(manifest):
        try:
            return read_manifest(b"".join(locations.chunks(manifest)))
        except MalformedItem as error:
            raise LocationError(f"{manifest}: {error}") from error
    names = [entry.name for entry in locations.entries(directory) if entry.size]
    files = [join_uri(directory, name) for name in sorted(names) if is_data_name(name)]
    if not files:
        raise LocationError(f"{directory} holds neither a manifest nor files of an export")
    return files


class Importer:
    """Puts the items of files into one table."""

    def __init__(
        self, context: Context, crew: Crew, table: DynamoTable, keep: Keep | None = None
    ) -> None:
        self._context = context
        self._locations: Locations = context.locations
        self._crew = crew
        self._table = table
        self._keep = keep
        self._memory: Memory = beside_logs(context, table.facts.identity)
        self._lock = threading.Lock()
        self._saved = time.monotonic()
        self._lines: dict[str, int] = {}
        self._marks: dict[str, str] = {}

    def put_files(self, files: list[str], percent: float) -> None:
        """Do it all; raises `TaskFailed` or `Stopped`."""
        now = system_clock()
        recalled = self._memory.recall(now)
        if recalled is None:
            self._memory.begin(len(files), now)
        else:
            self._lines = _decode(recalled[1].get("files.json", b""))
        with _staging_errors():
            self._marks = {file: self._mark(file) for file in files}
        rest = [file for file in files if self._lines.get(self._marks[file]) != _DONE]
        again = f", {len(files) - len(rest)} of them done before" if self._lines else ""
        self._context.logs.write(f"import of {len(files)} files into {self._table.name}{again}")
        rate = self._table.throughput("write", percent)
        try:
            with _staging_errors():
                self._crew.run(partial(self._put_file, file, rate) for file in rest)
        finally:
            self._save()
        self._memory.clear()

    def _mark(self, file: str) -> str:
        """A file's name and size: one that was replaced since is another file."""
        found = self._locations.head(file)
        if found is None:
            raise LocationError(f"{file}: no such file")
        return f"{file} {found.size}"

    def _put_file(self, file: str, rate: Throughput) -> None:
        done = self._lines.get(self._marks[file], 0)
        batch: list[Item] = []
        number = 0
        for number, line in enumerate(_read_lines(self._locations, file, self._crew), start=1):
            if number > done and line.strip():
                self._collect(batch, file, number, line)
            if len(batch) >= BATCH_ITEMS:
                self._put(batch, file, number, rate)
        self._put(batch, file, number, rate)
        self._remember(file, _DONE)

    def _collect(self, batch: list[Item], file: str, number: int, line: bytes) -> None:
        try:
            item: Item | None = read_item(line)
        except MalformedItem as error:
            raise malformed(file, number, None, f"{error}.") from error
        self._context.progress.add("itemsRead", 1)
        if self._keep is not None and item is not None:
            item = self._keep(item)
        if item is not None:
            missing = [name for name in self._table.facts.key if name not in item]
            if missing:
                what = f"the item has no {missing[0]!r}, a key of the table {self._table.name}."
                raise malformed(file, number, missing[0], what)
            batch.append(item)

    def _put(self, batch: list[Item], file: str, number: int, rate: Throughput) -> None:
        if batch:
            try:
                self._table.put(batch, rate)
            except TaskFailed as failure:
                message = f"{file}, lines up to {number}: {failure}"
                raise TaskFailed(failure.error_id, message) from failure
            self._context.progress.add("itemsWritten", len(batch))
            batch.clear()
            self._remember(file, number)

    def _remember(self, file: str, lines: int) -> None:
        with self._lock:
            self._lines[self._marks[file]] = lines
            now = time.monotonic()
            due = lines == _DONE or now - self._saved > _REMEMBER_SECONDS
            if due:
                self._saved = now
        if due:
            self._save()

    def _save(self) -> None:
        with self._lock:
            content = msgspec.json.encode(self._lines)
            self._memory.save("files.json", content)


def _read_lines(locations: Locations, file: str, crew: Crew) -> Iterator[bytes]:
    """The lines of a file, which may be gzipped whatever its name says."""
    with locations.open_read(file, crew.tick) as reader:
        stream: IO[bytes] = reader
        if reader.peek(2)[:2] == _GZIP:
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=reader))
        number = 0
        while line := _read_line(stream, file, number):
            number += 1
            yield line


def _read_line(stream: IO[bytes], file: str, number: int) -> bytes:
    try:
        line = stream.readline(LONGEST_LINE_BYTES)
    except (EOFError, gzip.BadGzipFile) as error:
        raise malformed(file, number, None, f"the compressed data end amiss: {error}.") from error
    if len(line) == LONGEST_LINE_BYTES:
        raise malformed(file, number + 1, None, "the line is longer than an item can be.")
    return line


def _decode(content: bytes) -> dict[str, int]:
    try:
        return msgspec.json.decode(content, type=dict[str, int])
    except msgspec.DecodeError:
        return {}


@contextmanager
def _staging_errors() -> Iterator[None]:
    try:
        yield
    except LocationError as error:
        raise TaskFailed(STAGING_FAILED, f"The import could not be read: {error}") from error


def put_all(table: DynamoTable, items: Iterable[Item], rate: Throughput) -> int:
    """Put any number of items; how many there were."""
    batch: list[Item] = []
    count = 0
    for item in items:
        batch.append(item)
        count += 1
        if len(batch) == BATCH_ITEMS:
            table.put(batch, rate)
            batch.clear()
    if batch:
        table.put(batch, rate)
    return count
