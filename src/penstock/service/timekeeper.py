"""The timekeeper: sleeps until the next timer is due, then has the writer fire what is due."""

import asyncio
import contextlib

from penstock.clock import Clock
from penstock.model.errors import ApiError
from penstock.service.core import fire_timers
from penstock.service.writer import Stopped, Writer

LONGEST_SLEEP_SECONDS = 60.0
"""A leap of the wall clock is noticed within this time."""

LONGEST_SLEEP_AMONG_OTHERS_SECONDS = 5.0
"""Timers that another server has set are noticed within this time, should that server die. While it
lives it fires them itself, so telling each other of every timer would gain nothing.
"""


async def keep_time(
    writer: Writer, clock: Clock, longest_seconds: float = LONGEST_SLEEP_SECONDS
) -> None:
    """Fire timers as they fall due, until cancelled or the writer stops.

    Looks at the timers after `longest_seconds` at the latest, whatever it knows of them.
    """
    while True:
        try:
            await writer.submit(fire_timers)
        except Stopped:
            return
        except ApiError:
            # The writer has logged it; the timers are still there.
            await asyncio.sleep(1.0)
        await _sleep_until_due(writer, clock, longest_seconds)


async def _sleep_until_due(writer: Writer, clock: Clock, longest_seconds: float) -> None:
    """Sleep until a timer is due; a commit may bring an earlier one."""
    latest = asyncio.get_running_loop().time() + longest_seconds
    while True:
        writer.rescheduled.clear()
        due = writer.next_due
        now = clock()
        left = latest - asyncio.get_running_loop().time()
        if (due is not None and due <= now) or left <= 0:
            return
        seconds = left if due is None else (due - now) / 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, left)):
                await writer.rescheduled.wait()
