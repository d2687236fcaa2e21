"""Hears what other servers on the same database announce, and has the polls here look for it."""

import asyncio
import contextlib

from penstock.service.dispatcher import Dispatcher
from penstock.service.faults import log_outage
from penstock.service.writer import Writer
from penstock.store.protocol import Ear, Store, StoreUnavailable, UnsuitableDatabase

SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


async def keep_listening(store: Store, writer: Writer, dispatcher: Dispatcher) -> None:
    """Listen until cancelled, anew after each loss; returns where there are no other servers."""
    pause = SHORTEST_PAUSE_SECONDS
    while True:
        try:
            ear = await _new_ear(store)
            if ear is None:
                return
            # What was announced while nobody listened is lost: every poll looks for itself.
            writer.look(dispatcher.queues())
            pause = SHORTEST_PAUSE_SECONDS
            await _hear(ear, writer)
        except (StoreUnavailable, UnsuitableDatabase) as error:
            log_outage(str(error), meanwhile="polls here learn late of tasks offered elsewhere")
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _new_ear(store: Store) -> Ear | None:
    """An ear; if it comes when nobody wants it any more it is closed."""
    coming = asyncio.create_task(asyncio.to_thread(store.listen))
    try:
        return await asyncio.shield(coming)
    except asyncio.CancelledError:
        with contextlib.suppress(StoreUnavailable, UnsuitableDatabase):
            if (ear := await coming) is not None:
                ear.close()
        raise


async def _hear(ear: Ear, writer: Writer) -> None:
    """Pass on what is heard; raises `StoreUnavailable` once the ear is deaf."""
    loop = asyncio.get_running_loop()
    deaf: asyncio.Future[None] = loop.create_future()

    def listen() -> None:
        try:
            writer.look(ear.hear())
        except StoreUnavailable as error:
            if not deaf.done():
                deaf.set_exception(error)

    socket = ear.fileno()
    loop.add_reader(socket, listen)
    try:
        listen()
        await deaf
    finally:
        loop.remove_reader(socket)
        ear.close()
