"""What one scheme can do with its locations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from msgspec import Struct

from penstock.runner.locations.uris import Location

Tick = Callable[[int], None]
"""Called with the number of bytes just moved, and now and then with 0 while a store is waited for;
may raise to end the transfer.
"""


def no_tick(_count: int) -> None:
    """A `Tick` of which nobody takes notice."""


class Entry(Struct, frozen=True):
    """One file: its path relative to the directory that was listed (or its last segment), and its
    bytes.
    """

    name: str
    size: int


class Store(Protocol):
    """What one scheme can do with its locations. Errors are `LocationError`."""

    def entries(self, directory: Location) -> Iterator[Entry]:
        """All files beneath a directory, recursively; nothing if it does not exist."""
        ...

    def head(self, location: Location) -> Entry | None:
        """The file at a location, or None if there is none."""
        ...

    def chunks(self, source: Location, tick: Tick) -> Iterator[bytes]:
        """One file's content in order, in pieces of a few megabytes, with bounded memory."""
        ...

    def download(self, source: Location, target: Path, tick: Tick) -> None:
        """Write one file's content to a local path whose directory exists."""
        ...

    def upload(self, source: Path, target: Location, tick: Tick, encrypt: bool) -> None:
        """Write a local file to a location; readers see all of it or nothing."""
        ...

    def open_write(
        self, target: Location, tick: Tick, encrypt: bool
    ) -> AbstractContextManager[IO[bytes]]:
        """A file to write to; readers see all of it, or nothing if the block raises."""
        ...

    def copy(
        self, source: Location, target: Location, size: int, tick: Tick, encrypt: bool
    ) -> bool:
        """Copy within the store, without the bytes passing through here; False if it cannot."""
        ...

    def delete(self, location: Location) -> None:
        """Remove one file; nothing happens if there is none."""
        ...
