"""Writing one remote object piece by piece, with bounded memory, all or nothing."""

from __future__ import annotations

import io
import queue
import time
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.runner.locations.protocol import Tick, no_tick
from penstock.runner.locations.store_errors import store_errors
from penstock.runner.locations.traffic import LOOK_SECONDS, Traffic
from penstock.runner.locations.uris import Location

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_EXTRA_PARTS = 2
_ABORT_SECONDS = 15.0
"""How long the removal of parts already sent may take; after that the bucket's own rule for
incomplete uploads has to."""


class _Aborted(Exception):
    """Ends an upload from within: obstore then has the store forget the parts."""


class Upload(io.RawIOBase):
    """A file that becomes a remote object when it is finished.

    What fits into one part is sent in one request at the end. More goes in parts while it is
    written; a writer that is quicker than the store waits.
    """

    def __init__(
        self, store: ObjectStore, target: Location, traffic: Traffic, tick: Tick, part_bytes: int
    ) -> None:
        super().__init__()
        self._store = store
        self._target = target
        self._traffic = traffic
        self._tick = tick
        self._part_bytes = part_bytes
        self._buffer = bytearray()
        self._queue: queue.Queue[bytes | _Aborted | None] = queue.Queue(maxsize=1)
        self._sending: Future[None] | None = None
        self._extra = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any, /) -> int:
        """Take some bytes; may wait for the store."""
        count = memoryview(data).nbytes
        self._buffer += data
        if len(self._buffer) >= self._part_bytes:
            part = bytes(self._buffer)
            self._buffer.clear()
            self._push(part)
        self._tick(count)
        return count

    def close(self) -> None:
        """Nothing: the object appears when the block of `open_write` ends, not before."""

    def finish(self) -> None:
        """Send the rest; the object is there when this returns."""
        with store_errors(self._target):
            if self._sending is None:
                self._traffic.call(partial(self._put, bytes(self._buffer)), self._tick)
                return
            if self._buffer:
                self._push(bytes(self._buffer))
            self._push(None)
            self._traffic.wait(self._sending, self._tick)
        self._give_back()

    def abort(self) -> None:
        """Send no more, and have the store forget the parts."""
        sending = self._sending
        if sending is None:
            return
        until = time.monotonic() + _ABORT_SECONDS
        try:
            while not sending.done() and time.monotonic() < until:
                if self._feed(_Aborted()):
                    sending.exception(until - time.monotonic())
        except Exception:  # noqa: BLE001, S110 - whatever it is, another error is under way
            pass
        self._give_back()

    def _push(self, part: bytes | None) -> None:
        with store_errors(self._target):
            if self._sending is None:
                self._extra = self._traffic.take(_EXTRA_PARTS)
                self._sending = self._traffic.submit(self._send)
            while not self._feed(part):
                self._tick(0)
                if self._sending.done():
                    self._traffic.wait(self._sending, no_tick)

    def _feed(self, part: bytes | _Aborted | None) -> bool:
        """Hand a part over; False if there was no room for it."""
        try:
            self._queue.put(part, timeout=LOOK_SECONDS)
        except queue.Full:
            return False
        return True

    def _send(self) -> None:
        import obstore

        obstore.put(
            self._store,
            self._target.path,
            self._parts(),
            chunk_size=self._part_bytes,
            max_concurrency=1 + self._extra,
        )

    def _put(self, content: bytes) -> None:
        import obstore

        obstore.put(self._store, self._target.path, content, use_multipart=False)

    def _parts(self) -> Iterator[bytes]:
        while (part := self._queue.get()) is not None:
            if isinstance(part, _Aborted):
                raise part
            yield part

    def _give_back(self) -> None:
        extra, self._extra = self._extra, 0
        self._traffic.give_back(extra)
