"""Export of a DynamoDB table to files: parallel segments, resumable, whole or not there.

Files have names of their own (as the original's have), and a segment's memory names those that
count; so whatever a runner that was lost still writes belongs to no export. The manifest comes
when all segments are done, and with it the files of an earlier export to the same place go.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import Struct

from penstock.clock import system_clock
from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.activities.dynamodb_steps import Export
from penstock.runner.activities.dynamodb_work import Crew, Memory, open_table, percent_of
from penstock.runner.connectors.dynamodb import WORKERS, DynamoTable, Throughput
from penstock.runner.errors import LocationError, Stopped, TaskFailed
from penstock.runner.locations import Locations, join_uri
from penstock.runner.records.dynamodb_export import (
    MANIFEST,
    SUCCESS,
    Item,
    MalformedItem,
    read_item,
    read_manifest,
    write_item,
    write_manifest,
)
from penstock.runner.staging import STAGING_FAILED, wants_encryption
from penstock.runner.stop import CANCELED

Keep = Callable[[Item], Item | None]
"""What of an item is copied; None if nothing."""

FILE_BYTES = 64 * 1024 * 1024
"""Size at which a segment goes on in another file: a retry reads at most so much anew."""

FILE_SECONDS = 300.0
"""Time after which it does so too: a slow table would lose hours otherwise."""

_MEMORY = "_progress"


class SegmentState(Struct, frozen=True):
    """How far a segment is: the names of its whole files, and the key that it goes on after.

    `writing` is the file that has been begun; `after` is that key as an item's line.
    """

    files: tuple[str, ...] = ()
    after: str | None = None
    done: bool = False
    writing: str | None = None


def run_export(context: Context, step: Export) -> None:
    """Do an export step; region and throughput also from the activity's data node."""
    node = next(
        (one for one in context.task.referenced("input") if one.string("tableName") == step.table),
        None,
    )
    crew = Crew(context.stop)
    region = (node.string("region") if node else None) or step.region
    table = DynamoTable(context.aws, step.table, region, crew.pause)
    percent = step.percent or percent_of(node, "readThroughputPercent")
    outputs = [
        one
        for one in context.task.referenced("output")
        if (one.string("directoryPath") or "").rstrip("/") == step.directory.rstrip("/")
    ]
    encrypt = bool(outputs) and wants_encryption(outputs[0])
    Exporter(context, crew, table, step.directory, encrypt).export(percent, step.segments)


def export_node(
    context: Context, source: PipelineObject, target: PipelineObject, keep: Keep | None
) -> None:
    """Export from a DynamoDBDataNode to an S3DataNode's directory."""
    directory = target.string("directoryPath")
    if not directory:
        message = f"{target.name!r} needs directoryPath: an export is several files."
        raise TaskFailed("InvalidActivity", message)
    crew = Crew(context.stop)
    table = open_table(context, source, crew)
    exporter = Exporter(context, crew, table, directory, wants_encryption(target), keep)
    exporter.export(percent_of(source, "readThroughputPercent"), None)


class Exporter:
    """One export of one table to one directory."""

    def __init__(
        self,
        context: Context,
        crew: Crew,
        table: DynamoTable,
        directory: str,
        encrypt: bool = False,
        keep: Keep | None = None,
    ) -> None:
        self._context = context
        self._locations: Locations = context.locations
        self._crew = crew
        self._table = table
        self._directory = directory
        self._encrypt = encrypt
        self._keep = keep
        owner = f"{context.task.instance_id} {table.facts.identity}"
        self._memory = Memory(context.locations, join_uri(directory, _MEMORY), owner)
        self._states: dict[int, SegmentState] = {}

    def export(self, percent: float, segments: int | None) -> None:
        """Do it all; raises `TaskFailed` or `Stopped`. A canceled export leaves nothing behind."""
        try:
            self._resume(segments or self._table.facts.segments)
            self._read(percent)
            self._finish()
        except LocationError as error:
            raise TaskFailed(STAGING_FAILED, f"The export could not be written: {error}") from error
        except Stopped:
            if self._context.stop.reason == CANCELED:
                self._discard()
            raise

    def _resume(self, segments: int) -> None:
        now = system_clock()
        recalled = self._memory.recall(now)
        self._delete_unfinished()
        if recalled is None:
            self._delete_all(self._memory.leftovers())
            self._memory.begin(segments, now)
            self._states = dict.fromkeys(range(segments), SegmentState())
            self._context.logs.write(f"export of {self._table.name} in {segments} segments")
            return
        parts, found = recalled
        there = {entry.name for entry in self._locations.entries(self._directory)}
        for number in range(parts):
            state = _decode(found.get(_name(number)))
            # A file that somebody has removed meanwhile must not be missing from the export.
            whole = state is not None and there.issuperset(state.files)
            self._states[number] = state if state is not None and whole else SegmentState()
        done = sum(state.done for state in self._states.values())
        self._context.logs.write(
            f"export of {self._table.name} goes on: {done} of {parts} segments are done"
        )

    def _read(self, percent: float) -> None:
        rate = self._table.throughput("read", percent)
        open_states = {n: state for n, state in self._states.items() if not state.done}
        sharers = max(1, min(WORKERS, len(open_states)))
        self._crew.run(
            partial(self._read_segment, number, state, rate, sharers)
            for number, state in open_states.items()
        )

    def _read_segment(
        self, number: int, state: SegmentState, rate: Throughput, sharers: int
    ) -> None:
        """Read what is missing of a segment, file by file, each remembered when it is whole."""
        after = read_item(state.after.encode()) if state.after else None
        pages = self._table.scan(number, len(self._states), after, rate, sharers)
        while not state.done:
            name = str(uuid.uuid4())
            state = msgspec.structs.replace(state, writing=name)
            self._remember(number, state)
            written, begun = 0, time.monotonic()
            with self._locations.open_write(
                join_uri(self._directory, name), self._crew.tick, self._encrypt
            ) as writer:
                for page in pages:
                    lines = b"".join(map(write_item, self._kept(page.items)))
                    writer.write(lines)
                    written += len(lines)
                    self._count(len(page.items), len(lines))
                    key = write_item(page.after).decode() if page.after else None
                    state = SegmentState(state.files, key, page.after is None, name)
                    if written >= FILE_BYTES or time.monotonic() - begun > FILE_SECONDS:
                        break
                else:
                    state = msgspec.structs.replace(state, done=True)
            if not written:
                self._delete(name)
            state = SegmentState((*state.files, *[name] * bool(written)), state.after, state.done)
            self._remember(number, state)

    def _kept(self, items: list[Item]) -> list[Item]:
        if self._keep is None:
            return items
        return [kept for item in items if (kept := self._keep(item)) is not None]

    def _count(self, items: int, written: int) -> None:
        progress = self._context.progress
        progress.add("itemsRead", items)
        progress.add("bytesWritten", written)

    def _remember(self, number: int, state: SegmentState) -> None:
        self._memory.save(_name(number), msgspec.json.encode(state))
        self._states[number] = state

    def _finish(self) -> None:
        """Show the export: manifest, then `_SUCCESS`; and remove what an earlier one left."""
        earlier = self._listed()
        names = [name for state in self._states.values() for name in state.files]
        urls = [join_uri(self._directory, name) for name in names]
        self._delete(SUCCESS)
        self._write(MANIFEST, write_manifest(urls))
        self._write(SUCCESS, b"")
        self._memory.clear()
        for url in earlier - set(urls):
            self._locations.delete(url)
        self._context.logs.write(f"export of {self._table.name}: {len(urls)} files")

    def _listed(self) -> set[str]:
        """The files of an earlier export to this directory, of which nothing else is touched."""
        uri = join_uri(self._directory, MANIFEST)
        if not self._locations.exists(uri):
            return set()
        try:
            listed = read_manifest(b"".join(self._locations.chunks(uri)))
        except MalformedItem:
            return set()
        return {url for url in listed if url.startswith(self._directory.rstrip("/") + "/")}

    def _delete_unfinished(self) -> None:
        """Remove the file that each segment was writing: whole or not, it does not count."""
        for content in self._memory.leftovers().values():
            state = _decode(content)
            if state is not None and state.writing:
                self._delete(state.writing)

    def _delete_all(self, remembered: dict[str, bytes]) -> None:
        for content in remembered.values():
            state = _decode(content)
            for name in state.files if state else ():
                self._delete(name)

    def _discard(self) -> None:
        try:
            for state in self._states.values():
                for name in (*state.files, *filter(None, [state.writing])):
                    self._delete(name)
            self._memory.clear()
        except LocationError as error:
            self._context.logs.write(f"what was exported could not be removed: {error}")

    def _write(self, name: str, content: bytes) -> None:
        uri = join_uri(self._directory, name)
        with self._locations.open_write(uri, self._crew.tick, self._encrypt) as writer:
            writer.write(content)

    def _delete(self, name: str) -> None:
        self._locations.delete(join_uri(self._directory, name))


def _name(number: int) -> str:
    return f"segment-{number:06}.json"


def _decode(content: bytes | None) -> SegmentState | None:
    try:
        return msgspec.json.decode(content, type=SegmentState) if content else None
    except msgspec.DecodeError:
        return None
