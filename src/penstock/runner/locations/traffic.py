"""Waiting for stores: one event loop for all transfers of a runner, in a thread of its own.

obstore's blocking calls cannot be broken off, and its own retries may go on for minutes. Its
asynchronous ones can: so they run on this loop, while the thread that wants the result looks every
half second whether it shall stop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from penstock.runner.locations.protocol import Tick

_LOOK_SECONDS = 0.5

EXTRA_PARTS = 8
"""Parts of large files in flight in a whole runner, beyond one for each file."""

Result = TypeVar("Result")


class Traffic:
    """Runs coroutines for threads, and bounds what all transfers together hold in memory.

    Each file may have one part in flight; more only as the common allowance has room. So a single
    large file is quick, and many at once need no more memory than the allowance and one part each.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._allowance = threading.BoundedSemaphore(EXTRA_PARTS)

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin some work on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    def wait(self, future: Future[Result], tick: Tick) -> Result:
        """The outcome of some work; `tick` is called with 0 meanwhile, and what it raises cancels
        the work.
        """
        try:
            while True:
                try:
                    return future.result(_LOOK_SECONDS)
                except TimeoutError:
                    if future.done():
                        raise
                tick(0)
        except BaseException:
            future.cancel()
            raise

    def call(self, work: Coroutine[Any, Any, Result], tick: Tick) -> Result:
        """Do some work and wait for it."""
        return self.wait(self.submit(work), tick)

    def take(self, most: int) -> int:
        """How many parts more than one may be in flight, at most `most`; to be given back."""
        taken = 0
        while taken < most and self._allowance.acquire(blocking=False):
            taken += 1
        return taken

    def give_back(self, count: int) -> None:
        """Give back what was taken."""
        if count:
            self._allowance.release(count)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="traffic", daemon=True).start()
            return self._loop
