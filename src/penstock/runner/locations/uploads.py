"""Writing one remote object piece by piece, with bounded memory, all or nothing."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from penstock.runner.locations.protocol import Tick, no_tick
from penstock.runner.locations.store_errors import store_errors
from penstock.runner.locations.traffic import Traffic
from penstock.runner.locations.uris import Location

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_EXTRA_PARTS = 3
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
        self._queue: asyncio.Queue[bytes | _Aborted | None] = asyncio.Queue(maxsize=1)
        self._ended = asyncio.Event()
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
            part, self._buffer = bytes(self._buffer), bytearray()
            self._push(part)
        self._tick(count)
        return count

    def close(self) -> None:
        """Nothing: the object appears when the block of `open_write` ends, not before."""

    def finish(self) -> None:
        """Send the rest; the object is there when this returns."""
        with store_errors(self._target):
            if self._sending is None:
                self._traffic.call(self._put(bytes(self._buffer)), self._tick)
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
        try:
            self._traffic.submit(self._feed(_Aborted()))
            sending.exception(_ABORT_SECONDS)
        except BaseException:  # noqa: BLE001 - whatever it is, another error is under way
            sending.cancel()
        self._give_back()

    def _push(self, part: bytes | None) -> None:
        with store_errors(self._target):
            if self._sending is None:
                self._extra = self._traffic.take(_EXTRA_PARTS)
                self._sending = self._traffic.submit(self._send())
            fed = self._traffic.call(self._feed(part), self._tick)
            if not fed:
                self._traffic.wait(self._sending, no_tick)

    async def _feed(self, part: bytes | _Aborted | None) -> bool:
        """Hand a part over when there is room; False if the upload has ended meanwhile."""
        put = asyncio.ensure_future(self._queue.put(part))
        ended = asyncio.ensure_future(self._ended.wait())
        await asyncio.wait({put, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        return put.done() or not put.cancel()

    async def _send(self) -> None:
        import obstore

        try:
            await obstore.put_async(
                self._store,
                self._target.path,
                self._parts(),
                chunk_size=self._part_bytes,
                max_concurrency=1 + self._extra,
            )
        finally:
            self._ended.set()

    async def _put(self, content: bytes) -> None:
        import obstore

        await obstore.put_async(self._store, self._target.path, content, use_multipart=False)

    async def _parts(self) -> AsyncIterator[Any]:
        while (part := await self._queue.get()) is not None:
            if isinstance(part, _Aborted):
                raise part
            yield part

    def _give_back(self) -> None:
        extra, self._extra = self._extra, 0
        self._traffic.give_back(extra)
