"""The timekeeper: sleeps until the next timer is due, then has the writer fire what is due."""

import asyncio
import contextlib

from penstock.clock import Clock
from penstock.model.errors import ApiError
from penstock.service.core import fire_timers
from penstock.service.writer import Stopped, Writer

LONGEST_SLEEP_SECONDS = 60.0
"""A leap of the wall clock is noticed within this time."""


async def keep_time(writer: Writer, clock: Clock) -> None:
    """Fire timers as they fall due, until cancelled or the writer stops."""
    while True:
        try:
            await writer.submit(fire_timers)
        except Stopped:
            return
        except ApiError:
            # The writer has logged it; the timers are still there.
            await asyncio.sleep(1.0)
        await _sleep_until_due(writer, clock)


async def _sleep_until_due(writer: Writer, clock: Clock) -> None:
    """Sleep until a timer is due; a commit may bring an earlier one."""
    while True:
        writer.rescheduled.clear()
        due = writer.next_due
        now = clock()
        if due is not None and due <= now:
            return
        seconds = LONGEST_SLEEP_SECONDS if due is None else (due - now) / 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, LONGEST_SLEEP_SECONDS)):
                await writer.rescheduled.wait()
