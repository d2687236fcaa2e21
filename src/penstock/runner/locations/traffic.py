"""Waiting for stores, so that the wait can be given up; and how much is under way at once.

obstore's calls cannot be broken off, and its own retries may go on for a minute. So each runs in a
thread of its own, while the one that wants the result looks every half second whether it shall
stop, and if so leaves the call to its fate. (obstore has asynchronous calls too, which can be
broken off. But their ends are told by threads that Python does not know, and one that speaks up
while the interpreter ends aborts the process.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from penstock.runner.locations.protocol import Tick

LOOK_SECONDS = 0.5

EXTRA_PARTS = 8
"""Parts of large files in flight in a whole runner, beyond one for each file."""

Result = TypeVar("Result")


class Traffic:
    """Makes calls of stores, and bounds what all transfers together hold in memory.

    Each file may have one part in flight; more only as the common allowance has room. So a single
    large file is quick, and many at once need no more memory than the allowance and one part each.
    """

    def __init__(self) -> None:
        self._allowance = threading.BoundedSemaphore(EXTRA_PARTS)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Begin some work in a thread of its own.

        Not of a pool: what was left to its fate must not hold up others, nor the process's end.
        """
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is wanted
                future.set_exception(error)

        threading.Thread(target=run, name="store", daemon=True).start()
        return future

    def wait(self, future: Future[Result], tick: Tick) -> Result:
        """The outcome of some work; `tick` is called with 0 meanwhile, and may raise."""
        while True:
            try:
                return future.result(LOOK_SECONDS)
            except TimeoutError:
                if future.done():
                    raise
            tick(0)

    def call(self, work: Callable[[], Result], tick: Tick) -> Result:
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
