"""Orphans: machines whose try is over, and which nobody will end.

Every end of a resource passes by a stop that its provider confirms, so there should be none. But an
answer of a cloud may be late: what was being made when it was asked to stop may come to be after
that. So all that there is is looked at when a server starts, and every ten minutes.
"""

import asyncio
from collections.abc import Sequence

import structlog

from penstock.model.ids import parse_object_id
from penstock.model.status import ENDED
from penstock.resources.provider import Found, ProviderError, Traceable
from penstock.service.context import Context
from penstock.service.faults import log_fault
from penstock.store.protocol import Reader

SWEEP_SECONDS = 600.0

_log = structlog.get_logger()


async def keep_no_orphans(context: Context, sources: Sequence[Traceable]) -> None:
    """End orphans now and every ten minutes, until cancelled."""
    while sources:
        for source in sources:
            try:
                await end_orphans(context, source)
            except ProviderError as error:
                _log.warning("orphans not looked for", reason=str(error))
            except Exception:  # noqa: BLE001 - the next time may go better
                log_fault("orphans not looked for")
        await asyncio.sleep(SWEEP_SECONDS)


async def end_orphans(context: Context, source: Traceable) -> list[Found]:
    """End what a source has made for tries that are over; which that was."""
    everything = await asyncio.to_thread(source.found)
    if not everything:
        return []
    orphans = await context.read(
        lambda store: [each for each in everything if is_over(store, each)]
    )
    for found in orphans:
        _log.warning("orphan ended", attempt=found.token, handle=found.handle)
        await asyncio.to_thread(source.discard, found)
    return orphans


def is_over(store: Reader, found: Found) -> bool:
    """Whether the try that something was made for has ended.

    Of one that this database knows nothing of that cannot be said: it may be another's, as that of
    a copy is.
    """
    pipeline_id, _, name = found.token.partition("_")
    named = parse_object_id(name)
    pipeline = store.pipeline_by_id(found.account_id, pipeline_id)
    if pipeline is None or named is None or named.start is None or named.attempt is None:
        return False
    task = store.task_by_name(pipeline.key, named.component, named.start)
    if task is None:
        return False
    one = store.task(task.instance.key, named.attempt)
    return one is not None and one.attempt is not None and one.attempt.status in ENDED
