"""Any remote scheme, by obstore."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from penstock.runner.errors import LocationError
from penstock.runner.locations.chunks import CHUNK_BYTES
from penstock.runner.locations.local import writing
from penstock.runner.locations.protocol import Entry, Tick
from penstock.runner.locations.server_side import LARGEST_COPY_BYTES, ServerSideCopy
from penstock.runner.locations.store_errors import store_errors
from penstock.runner.locations.traffic import Traffic
from penstock.runner.locations.uploads import Upload
from penstock.runner.locations.uris import Location, uri_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_LIST_CHUNK = 1_000
_EXTRA_PARTS_OF_A_FILE = 3
_PARTS_OF_AN_UPLOAD = 9_000
"""S3 takes 10,000 parts of at least 5 MiB; a file of known size is cut so that it fits."""

_LEAST_PART_BYTES = 5 * 1024 * 1024
_STREAM_PART_BYTES = 10 * 1024 * 1024
"""Part of an upload whose size is not known: 10,000 of them are 100 GB."""


class Opener(Protocol):
    """Opens the same place with or without a request for server-side encryption."""

    def __call__(self, encrypt: bool) -> ObjectStore:
        """An obstore store."""
        ...


class RemoteStore:
    """A bucket, or a web address, by obstore."""

    def __init__(
        self, open_store: Opener, traffic: Traffic, server_side_copy: ServerSideCopy | None = None
    ) -> None:
        self._store = open_store(False)
        self._encrypting: ObjectStore | None = None
        self._open_store = open_store
        self._traffic = traffic
        self._server_side_copy = server_side_copy

    def entries(self, directory: Location) -> Iterator[Entry]:
        """As `Store.entries`; the empty objects that consoles make for directories are left out."""
        import obstore

        if directory.is_http:
            raise LocationError(f"{uri_of(directory)}: http has no directories; name one file")
        prefix = directory.path.strip("/")
        with store_errors(directory):
            for chunk in obstore.list(self._store, prefix or None, chunk_size=_LIST_CHUNK):
                for item in chunk:
                    name = item["path"][len(prefix) :].lstrip("/")
                    if name and not self._is_marker(item["path"], item["size"]):
                        yield Entry(name, item["size"])

    def _is_marker(self, path: str, size: int) -> bool:
        """Whether an empty object is a directory's placeholder, `key/`.

        A listing drops the last slash, so the placeholder looks like an empty file; but there is
        no object under the name without the slash.
        """
        import obstore

        if size:
            return False
        try:
            obstore.head(self._store, path)
        except FileNotFoundError:
            return True
        return False

    def head(self, location: Location) -> Entry | None:
        """As `Store.head`."""
        import obstore

        with store_errors(location):
            try:
                found = obstore.head(self._store, location.path)
            except FileNotFoundError:
                # A missing bucket is a mistake in the URI, not a file that is still to come; but
                # the answer to HEAD has no body that would tell them apart.
                if not location.is_http:
                    next(iter(obstore.list(self._store, location.path, chunk_size=1)), None)
                return None
        return Entry(location.name, found["size"])

    def chunks(self, source: Location, tick: Tick) -> Iterator[bytes]:
        """As `Store.chunks`: large objects in ranges, several at once.

        The first request asks for the whole: its answer tells the size, so that a small object
        costs one request. All ranges must be of the same version of the object.
        """
        with store_errors(source):
            first, meta = self._traffic.call(partial(self._first, source), tick)
        size: int = meta["size"]
        if first:
            tick(len(first))
            yield first
        if len(first) < size:
            yield from self._ranges(source, meta, len(first), tick)

    def _first(self, source: Location) -> tuple[bytes, Any]:
        """The object's first piece, and what the store says about the object."""
        import obstore

        answer = obstore.get(self._store, source.path)
        if answer.meta["size"] <= CHUNK_BYTES:
            return bytes(answer.bytes()), answer.meta
        return bytes(next(iter(answer.stream(min_chunk_size=CHUNK_BYTES)))), answer.meta

    def _ranges(self, source: Location, meta: Any, start: int, tick: Tick) -> Iterator[bytes]:
        """The rest of a large object, in order, fetched ahead."""
        size: int = meta["size"]
        starts = iter(range(start, size, CHUNK_BYTES))
        extra = self._traffic.take(_EXTRA_PARTS_OF_A_FILE)
        ahead: deque[Future[bytes]] = deque()
        try:
            while True:
                while len(ahead) <= extra and (at := next(starts, None)) is not None:
                    end = min(at + CHUNK_BYTES, size)
                    ahead.append(self._traffic.submit(partial(self._range, source, meta, at, end)))
                if not ahead:
                    return
                with store_errors(source):
                    chunk = self._traffic.wait(ahead.popleft(), tick)
                tick(len(chunk))
                yield chunk
        finally:
            self._traffic.give_back(extra)

    def _range(self, source: Location, meta: Any, start: int, end: int) -> bytes:
        import obstore

        options: Any = {"range": (start, end)}
        if meta.get("e_tag"):
            options["if_match"] = meta["e_tag"]
        answer = obstore.get(self._store, source.path, options=options)
        chunk = bytes(answer.bytes())
        if len(chunk) != end - start:
            raise LocationError(f"{uri_of(source)} was cut short at byte {start + len(chunk):,}")
        return chunk

    def download(self, source: Location, target: Path, tick: Tick) -> None:
        """As `Store.download`."""
        chunks = self.chunks(source, tick)
        with writing(target):
            writer = target.open("wb", buffering=0)
        with writer:
            for chunk in chunks:
                with writing(target):
                    writer.write(chunk)

    def upload(self, source: Path, target: Location, tick: Tick, encrypt: bool) -> None:
        """As `Store.upload`; a store shows an object only when it is whole."""
        size = source.stat().st_size
        part_bytes = max(_LEAST_PART_BYTES, -(-size // _PARTS_OF_AN_UPLOAD))
        with (
            source.open("rb", buffering=0) as reader,
            self._writer(target, tick, encrypt, part_bytes) as writer,
        ):
            while chunk := reader.read(CHUNK_BYTES):
                writer.write(chunk)

    @contextmanager
    def open_write(self, target: Location, tick: Tick, encrypt: bool) -> Iterator[IO[bytes]]:
        """As `Store.open_write`."""
        with self._writer(target, tick, encrypt, _STREAM_PART_BYTES) as writer:
            yield cast("IO[bytes]", writer)

    @contextmanager
    def _writer(
        self, target: Location, tick: Tick, encrypt: bool, part_bytes: int
    ) -> Iterator[Upload]:
        if target.is_http:
            raise LocationError(f"{uri_of(target)}: http serves files and takes none")
        upload = Upload(self._store_for(encrypt), target, self._traffic, tick, part_bytes)
        try:
            yield upload
            upload.finish()
        except BaseException:
            upload.abort()
            raise

    def copy(
        self, source: Location, target: Location, size: int, tick: Tick, encrypt: bool
    ) -> bool:
        """As `Store.copy`: within a bucket by obstore, otherwise as `ServerSideCopy` can."""
        if source.is_http:
            return False
        if source.container != target.container or size > LARGEST_COPY_BYTES:
            if self._server_side_copy is None:
                return False
            return self._server_side_copy(source, target, size, tick, encrypt)
        import obstore

        store = self._store_for(encrypt)
        with store_errors(target):
            self._traffic.call(partial(obstore.copy, store, source.path, target.path), tick)
        tick(size)
        return True

    def delete(self, location: Location) -> None:
        """As `Store.delete`."""
        import obstore

        with store_errors(location):
            try:
                obstore.delete(self._store, location.path)
            except FileNotFoundError:
                return

    def _store_for(self, encrypt: bool) -> ObjectStore:
        if not encrypt:
            return self._store
        if self._encrypting is None:
            self._encrypting = self._open_store(True)
        return self._encrypting
