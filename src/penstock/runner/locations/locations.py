"""All places of data of a runner, by URI."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from penstock.runner.aws import Aws
from penstock.runner.errors import LocationError
from penstock.runner.locations.chunks import ChunkReader
from penstock.runner.locations.local import LocalStore
from penstock.runner.locations.opening import RETRY_SECONDS, RemoteMeans, open_remote
from penstock.runner.locations.protocol import Entry, Store, Tick, no_tick
from penstock.runner.locations.traffic import Traffic
from penstock.runner.locations.uris import Location, parse_uri, uri_of
from penstock.runner.options import RunnerOptions


class Locations:
    """Reads and writes places of data by URI. Safe to use from several threads.

    Whatever is written appears whole or not at all. All raise `LocationError` (one sentence that
    names the place), and whatever `tick` raises. `encrypt` asks S3 by name for server-side
    encryption (`AES256`); without it the bucket's own default rules.
    """

    def __init__(
        self,
        options: RunnerOptions,
        environ: Mapping[str, str],
        aws: Aws | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """`aws` makes the client for copies that S3 makes itself, between buckets.

        `retry_seconds`: how long a request is tried again after 5xx, a cut connection, a timeout.
        """
        self._retry_seconds = retry_seconds
        self._aws = aws or Aws(options, environ)
        self._options = options
        self._environ = environ
        self._lock = threading.Lock()
        self._stores: dict[tuple[str, str], Store] = {}
        self._traffic = Traffic()

    def entries(self, uri: str) -> Iterator[Entry]:
        """All files beneath a directory, recursively; nothing if it does not exist."""
        location = parse_uri(uri)
        return self._store(location).entries(location)

    def head(self, uri: str) -> Entry | None:
        """The file at a location with its size, or None if there is none."""
        location = parse_uri(uri)
        return self._store(location).head(location)

    def exists(self, uri: str) -> bool:
        """Whether there is a file (not a directory) at a location."""
        return self.head(uri) is not None

    def chunks(self, uri: str, tick: Tick = no_tick) -> Iterator[bytes]:
        """One file's content in order, in pieces of a few megabytes, with bounded memory.

        A large object is fetched in several ranges at once, ahead of the reader.
        """
        location = parse_uri(uri)
        return self._store(location).chunks(location, tick)

    def open_read(self, uri: str, tick: Tick = no_tick) -> io.BufferedReader:
        """One file as a binary file that is read once, front to back, with bounded memory.

        That it is missing comes to light here, not at the first read. To be closed, or used as a
        context manager. What needs `seek` (Parquet) downloads to a file instead.
        """
        return io.BufferedReader(ChunkReader(self.chunks(uri, tick)), buffer_size=1 << 16)

    def open_write(
        self, uri: str, tick: Tick = no_tick, encrypt: bool = False
    ) -> AbstractContextManager[IO[bytes]]:
        """A binary file to write to, as a context manager: all or nothing.

        The place appears, or is replaced, when the block ends; if it raises, what was there stays
        and parts already sent are removed. Bounded memory; up to 100 GB to a remote store.
        """
        location = parse_uri(uri)
        return self._store(location).open_write(location, tick, encrypt)

    def download(self, uri: str, target: Path, tick: Tick = no_tick) -> None:
        """Fetch one file to a local path whose directory exists."""
        location = parse_uri(uri)
        self._store(location).download(location, target, tick)

    def upload(self, source: Path, uri: str, tick: Tick = no_tick, encrypt: bool = False) -> None:
        """Put one local file."""
        location = parse_uri(uri)
        self._store(location).upload(source, location, tick, encrypt)

    def copy(self, source: str, target: str, tick: Tick = no_tick, encrypt: bool = False) -> None:
        """Copy one file as it is: by the store itself where it can, else in pieces through here."""
        origin, destination = parse_uri(source), parse_uri(target)
        found = self._store(origin).head(origin)
        if found is None:
            raise LocationError(f"{uri_of(origin)}: no such file")
        store = self._store(destination)
        if origin.scheme == destination.scheme and store.copy(
            origin, destination, found.size, tick, encrypt
        ):
            return
        with store.open_write(destination, tick, encrypt) as writer:
            for chunk in self._store(origin).chunks(origin, no_tick):
                writer.write(chunk)

    def delete(self, uri: str) -> None:
        """Remove one file; nothing happens if there is none."""
        location = parse_uri(uri)
        self._store(location).delete(location)

    def _store(self, location: Location) -> Store:
        key = (location.scheme, location.container)
        with self._lock:
            store = self._stores.get(key)
            if store is None:
                store = self._stores[key] = self._open(location)
            return store

    def _open(self, location: Location) -> Store:
        if location.scheme == "file":
            return LocalStore()
        return open_remote(
            location,
            self._options,
            self._environ,
            RemoteMeans(self._traffic, self._aws, self._retry_seconds),
        )
