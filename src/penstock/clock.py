"""The one place that reads the wall clock; everything else is handed an `Instant`."""

import time
from collections.abc import Callable

from penstock.model.times import Instant

Clock = Callable[[], Instant]


def system_clock() -> Instant:
    """Now, in whole milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


class CorrectedClock:
    """A clock that goes by another's time, as that was last told.

    Servers that share a database must agree on the time, and their machines may not; so the
    database's clock decides. What it said is carried on by `own`, the machine's clock.
    """

    def __init__(self, own: Clock = system_clock) -> None:
        self.own = own
        self._ahead_ms = 0

    def __call__(self) -> Instant:
        """Now."""
        return self.own() + self._ahead_ms

    def correct(self, now: Instant) -> None:
        """The other clock says that it is `now`; called at every beginning of a transaction."""
        self._ahead_ms = now - self.own()
