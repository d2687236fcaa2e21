"""Staging: inputs fetched to local directories before the work, outputs pushed after it.

Source of the rules: developer guide, "Staging Data and Tables with Pipeline Activities". Inputs
and outputs are numbered from 1 in the order of the references; each data node instance counts. A
node that has neither `directoryPath` nor `filePath` (a database table) counts but is not staged.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

from msgspec import Struct

from penstock.model.definition import PipelineObject
from penstock.runner.errors import LocationError, TaskFailed
from penstock.runner.locations import (
    Entry,
    Locations,
    ManifestEntry,
    join_uri,
    read_manifest,
)
from penstock.runner.progress import Progress
from penstock.runner.stop import Stop

STAGING_FAILED = "StagingFailed"
"""errorId of a task whose data could not be fetched or pushed."""

TRANSFERS_AT_ONCE = 8
"""Files of one data node in flight."""


class Staged(Struct, frozen=True):
    """A data node's place in the working directory, and the variable that names it."""

    variable: str
    node: PipelineObject
    directory: Path


class Mover:
    """Moves files for one attempt: counts them as progress and heeds a request to stop."""

    def __init__(self, locations: Locations, stop: Stop, progress: Progress) -> None:
        self._locations = locations
        self._stop = stop
        self._progress = progress

    def fetch(self, staged: Staged) -> None:
        """Fetch a node's file, or all files beneath its directory with their relative paths."""
        directory, file = staged.node.string("directoryPath"), staged.node.string("filePath")
        staged.directory.mkdir(parents=True, exist_ok=True)
        if directory:
            self._move_all(self._fetches(directory, staged.directory))
        elif file:
            name = file.partition("?")[0] if "://" in file and file.startswith("http") else file
            target = staged.directory / (name.rstrip("/").rpartition("/")[2] or "file")
            self._locations.download(file, target, self._read)

    def push(self, staged: Staged) -> None:
        """Push all files of an output directory beneath the node's `directoryPath`."""
        uri = staged.node.string("directoryPath")
        if uri:
            encrypt = wants_encryption(staged.node)
            self._move_all(self._pushes(staged.directory, uri, encrypt))

    def download(self, uri: str, target: Path) -> None:
        """Fetch one file, such as a script."""
        self._locations.download(uri, target, self._read)

    def upload(self, source: Path, uri: str, encrypt: bool = False) -> None:
        """Push one file, such as a stream's copy."""
        self._locations.upload(source, uri, self._written, encrypt)

    def entries(self, uri: str) -> Iterator[Entry]:
        """All files beneath a directory, as `Locations.entries`."""
        self._stop.check()
        return self._locations.entries(uri)

    def head(self, uri: str) -> Entry | None:
        """One file's size, or None if it is not there."""
        self._stop.check()
        return self._locations.head(uri)

    def chunks(self, uri: str) -> Iterator[bytes]:
        """One file's content in pieces, as `Locations.chunks`."""
        return self._locations.chunks(uri, self._read)

    def open_read(self, uri: str) -> io.BufferedReader:
        """One file to be read front to back, as `Locations.open_read`."""
        return self._locations.open_read(uri, self._read)

    def open_write(self, uri: str, encrypt: bool = False) -> AbstractContextManager[IO[bytes]]:
        """One file to write, all or nothing, as `Locations.open_write`."""
        return self._locations.open_write(uri, self._written, encrypt)

    def copy(self, source: str, target: str, encrypt: bool = False) -> None:
        """Copy one file as it is, by the store itself where it can."""
        self._locations.copy(source, target, self._copied, encrypt)

    def delete(self, uri: str) -> None:
        """Remove one file; nothing happens if there is none."""
        self._stop.check()
        self._locations.delete(uri)

    def manifest(self, uri: str) -> tuple[ManifestEntry, ...]:
        """The files that a manifest lists."""
        self._stop.check()
        return read_manifest(self._locations, uri)

    def move_all(self, moves: Iterable[Callable[[], None]]) -> None:
        """Make some moves (calls of the other methods), a few at once; the first error ends all."""
        self._move_all(moves)

    def _fetches(self, uri: str, target: Path) -> Iterator[Callable[[], None]]:
        for entry in self._locations.entries(uri):
            path = target / entry.name
            # Names come from outside. The stores refuse `..`, and this keeps it so.
            if ".." in Path(entry.name).parts:
                raise LocationError(f"{uri} holds {entry.name!r}, which leads out of the directory")
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial(self.download, join_uri(uri, entry.name), path)

    def _pushes(self, directory: Path, uri: str, encrypt: bool) -> Iterator[Callable[[], None]]:
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                name = path.relative_to(directory).as_posix()
                yield partial(self.upload, path, join_uri(uri, name), encrypt)

    def _move_all(self, moves: Iterable[Callable[[], None]]) -> None:
        """Make the moves, a few at once; the first error ends them all.

        A single file, the usual case, is moved in this thread. Otherwise moves are taken from the
        iterator only as there is room, so a million files need no memory for a million of them.
        """
        moves = iter(moves)
        first = list(islice(moves, 2))
        if len(first) < 2:
            for move in first:
                move()
            return
        with ThreadPoolExecutor(TRANSFERS_AT_ONCE, "transfer") as pool:
            running: set[Future[None]] = {pool.submit(move) for move in first}
            for move in moves:
                if len(running) >= TRANSFERS_AT_ONCE:
                    running = _settle(running)
                running.add(pool.submit(move))
            while running:
                running = _settle(running)

    def _read(self, count: int) -> None:
        self._stop.check()
        self._progress.add("bytesRead", count)

    def _copied(self, count: int) -> None:
        self._read(count)
        self._written(count)

    def _written(self, count: int) -> None:
        self._stop.check()
        self._progress.add("bytesWritten", count)


def _settle(running: set[Future[None]]) -> set[Future[None]]:
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest


def wants_encryption(node: PipelineObject) -> bool:
    """Whether a data node asks by name for server-side encryption.

    The guide ("S3DataNode") has it as the default, and so has S3 itself by now: each bucket
    encrypts, with the key it names. So only who writes it down gets the header, which a bucket
    with a key of its own may refuse, and other makers' stores often do not know.
    """
    return node.string("s3EncryptionType") == "SERVER_SIDE_ENCRYPTION"


def plan(nodes: tuple[PipelineObject, ...], kind: str, directory: Path) -> list[Staged]:
    """Where each stageable node goes; `kind` is `INPUT` or `OUTPUT`.

    An output needs `directoryPath`: one with `filePath` only gets no directory (and no variable).
    """
    keys = ("directoryPath", "filePath") if kind == "INPUT" else ("directoryPath",)
    return [
        Staged(f"{kind}{number}_STAGING_DIR", node, directory / f"{kind.lower()}{number}")
        for number, node in enumerate(nodes, start=1)
        if any(node.string(key) for key in keys)
    ]


def stage_inputs(mover: Mover, inputs: list[Staged]) -> None:
    """Fetch all inputs; raises `TaskFailed`."""
    for staged in inputs:
        try:
            mover.fetch(staged)
        except (LocationError, OSError) as error:
            message = f"Input {staged.node.name!r} could not be staged: {error}"
            raise TaskFailed(STAGING_FAILED, message) from error


def push_outputs(mover: Mover, outputs: list[Staged]) -> None:
    """Push all outputs, in order; raises `TaskFailed`."""
    for staged in outputs:
        try:
            mover.push(staged)
        except (LocationError, OSError) as error:
            message = f"Output {staged.node.name!r} could not be pushed: {error}"
            raise TaskFailed(STAGING_FAILED, message) from error
