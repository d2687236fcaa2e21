"""`file://`, by the standard library."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from penstock.runner.errors import LocationError
from penstock.runner.locations.chunks import CHUNK_BYTES
from penstock.runner.locations.protocol import Entry, Tick
from penstock.runner.locations.uris import Location

_PARTIAL = re.compile(r"\.penstock-\d+-\d+-.*\.partial")
"""Names of files being written; a runner that was killed leaves them, and they are no data."""


class LocalStore:
    """`file://`, by the standard library."""

    def entries(self, directory: Location) -> Iterator[Entry]:
        """As `Store.entries`; links are followed, and names come in order."""
        root = Path(directory.path)
        if root.is_file():
            raise LocationError(f"file://{directory.path} is a file, not a directory")
        for folder, folders, names in os.walk(root, followlinks=True):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if not _PARTIAL.fullmatch(name) and path.is_file():
                    yield Entry(path.relative_to(root).as_posix(), path.stat().st_size)

    def head(self, location: Location) -> Entry | None:
        """As `Store.head`."""
        path = Path(location.path)
        with _reading(path):
            return Entry(path.name, path.stat().st_size) if path.is_file() else None

    def chunks(self, source: Location, tick: Tick) -> Iterator[bytes]:
        """As `Store.chunks`."""
        path = Path(source.path)
        with _reading(path), path.open("rb", buffering=0) as reader:
            while chunk := reader.read(CHUNK_BYTES):
                tick(len(chunk))
                yield chunk

    def download(self, source: Location, target: Path, tick: Tick) -> None:
        """As `Store.download`."""
        _copy(Path(source.path), target, tick)

    def upload(self, source: Path, target: Location, tick: Tick, encrypt: bool) -> None:
        """As `Store.upload`; nothing is encrypted here."""
        with _replacing(Path(target.path)) as partial:
            _copy(source, partial, tick)

    @contextmanager
    def open_write(self, target: Location, tick: Tick, encrypt: bool) -> Iterator[IO[bytes]]:
        """As `Store.open_write`; nothing is encrypted here."""
        with _replacing(Path(target.path)) as partial:
            writer = _Writer(partial, tick)
            try:
                yield cast("IO[bytes]", writer)
                writer.close()
            finally:
                writer.discard()

    def copy(
        self, source: Location, target: Location, size: int, tick: Tick, encrypt: bool
    ) -> bool:
        """As `Store.copy`."""
        self.upload(Path(source.path), target, tick, encrypt)
        return True

    def delete(self, location: Location) -> None:
        """As `Store.delete`."""
        with _reading(Path(location.path)):
            Path(location.path).unlink(missing_ok=True)


class _Writer(io.RawIOBase):
    """A local file whose writes are counted and whose errors are sentences.

    Only these are: an error of the caller's own, within the block, is none of the disk's.
    """

    def __init__(self, path: Path, tick: Tick) -> None:
        super().__init__()
        self._path = path
        self._tick = tick
        with writing(path):
            self._file = path.open("wb", buffering=1 << 18)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any, /) -> int:
        """Write and count."""
        with writing(self._path):
            count = self._file.write(data)
        self._tick(count)
        return count

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        if not self.closed:
            with writing(self._path):
                self._file.flush()

    def close(self) -> None:
        """Write what is buffered."""
        if not self.closed:
            try:
                super().close()
            finally:
                self.discard()

    def discard(self) -> None:
        """Close without a complaint."""
        try:
            self._file.close()
        except OSError:
            pass


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A path beside another one, to be written; it takes the other's place at the end."""
    name = f".penstock-{os.getpid()}-{threading.get_ident()}-{path.name[:200]}.partial"
    partial = path.with_name(name)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with writing(path):
            partial.replace(path)
    finally:
        try:
            partial.unlink(missing_ok=True)
        except OSError:
            pass


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocationError(f"file://{path}: {error.strerror}") from error


@contextmanager
def writing(path: Path, size: int | None = None) -> Iterator[None]:
    """Turn what the disk refuses into a sentence; `size` is what was to be written, in bytes."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            need = "" if size is None else f" for a file of {size:,} bytes"
            raise LocationError(f"no space left on the disk of {path.parent}{need}") from error
        raise LocationError(f"file://{path} cannot be written: {error.strerror}") from error


def _copy(source: Path, target: Path, tick: Tick) -> None:
    with _reading(source):
        size = source.stat().st_size
        reader = source.open("rb", buffering=0)
    with reader, writing(target, size), target.open("wb", buffering=0) as writer:
        if size <= CHUNK_BYTES:
            # The kernel may do it; a small file needs no look at the clock meanwhile.
            shutil.copyfileobj(reader, writer, CHUNK_BYTES)
            tick(size)
            return
        while chunk := reader.read(CHUNK_BYTES):
            writer.write(chunk)
            tick(len(chunk))
