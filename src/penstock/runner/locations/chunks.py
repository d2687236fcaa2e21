"""Pieces of bytes as a file, and a file as pieces of bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

CHUNK_BYTES = 4 * 1024 * 1024
"""A piece of a file under way: large enough that a round trip is lost in it."""


class ChunkReader(io.RawIOBase):
    """A raw binary file over an iterator of pieces; closing it closes the iterator."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        # The first piece is taken at once, so that a missing file fails where it is opened.
        self._rest = memoryview(next(chunks, b""))

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer with what is there; 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Break off what is under way."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        super().close()
