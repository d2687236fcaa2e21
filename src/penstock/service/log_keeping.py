"""Bounds what logs take in the database: the oldest go when there are too many."""

import asyncio

from penstock.model.errors import ApiError
from penstock.service.context import Context
from penstock.service.unit import Unit
from penstock.service.writer import Stopped
from penstock.store.protocol import Reader

LOOK_SECONDS = 60.0
"""How often a server looks how much there is."""

STEP = 200
"""Pieces that are removed in one transaction."""


async def keep_logs_bounded(context: Context) -> None:
    """Look now and again, until cancelled or the writer stops."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await drop_oldest_logs(context)
        except Stopped:
            return
        except ApiError:
            # The writer has logged it; there is another look to come.
            continue


async def drop_oldest_logs(context: Context) -> None:
    """Remove the oldest pieces until the rest fits into the setting `log_bytes`."""
    excess = await context.read(lambda store: store.stored_log_bytes()) - context.settings.log_bytes
    while excess > 0:
        excess -= await _drop_some(context, excess)


async def _drop_some(context: Context, bytes_wanted: int) -> int:
    """Take a step; answers how much that has freed, or all that was wanted if nothing is left."""
    through, freed = await context.read(lambda store: _oldest(store, bytes_wanted))
    if through is None:
        return bytes_wanted

    def drop(unit: Unit) -> None:
        unit.store.drop_logs(through)

    await context.writer.submit(drop)
    return freed


def _oldest(store: Reader, bytes_wanted: int) -> tuple[int | None, int]:
    """The key up to which to remove, and what that frees: enough, or a step's worth."""
    through: int | None = None
    freed = 0
    for key, stored in store.oldest_logs(STEP):
        through, freed = key, freed + stored
        if freed >= bytes_wanted:
            break
    return through, freed
