"""The one place that reads the wall clock; everything else is handed an `Instant`."""

import time
from collections.abc import Callable

from penstock.model.times import Instant

Clock = Callable[[], Instant]


def system_clock() -> Instant:
    """Now, in whole milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000
