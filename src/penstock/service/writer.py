"""The writer: every change passes through it, in batches that share one durable commit.

Commands are executed on the event loop's own thread, and only the commit, which is waiting for the
disk, goes to another. Two Python threads that compute contend for the interpreter, and each SQL
statement would offer it to the other side; measured, that costs more than all the statements. So
while one batch is being synced the loop reads, authenticates and gathers the next.

A distant store changes the sum: there nearly every statement is a journey that the loop would spend
waiting. Then all of a batch is done by the other thread, and the loop looks at its outcome.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penstock.model.errors import InternalServiceError
from penstock.model.times import Instant
from penstock.service.core import Batch, Command, Core
from penstock.service.faults import log_fault, log_outage
from penstock.store.protocol import StoreUnavailable

LARGEST_BATCH = 256


class Stopped(InternalServiceError):
    """The server is stopping; the call was not made."""


class Writer:
    """Takes commands from the loop's tasks and answers each when its batch is durable."""

    def __init__(self, core: Core, distant: bool = False) -> None:
        """`distant` is the store's: whether batches are executed beside the loop."""
        self._core = core
        self._distant = distant
        self._gathered: list[tuple[Command, asyncio.Future[Any]]] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="penstock-commit")
        self.next_due: Instant | None = None
        """When the next timer is due, as of the last commit."""
        self.rescheduled = asyncio.Event()
        """Set when `next_due` has changed; the timekeeper clears it."""

    async def submit(self, command: Command) -> Any:
        """Have a command done; answers when it is durable. Raises `ApiError`."""
        if self._stopping:
            raise Stopped("the server is stopping; try again")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._gathered.append((command, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Execute batches until `stop`; what has been gathered by then is still done."""
        while True:
            if not self._gathered:
                if self._stopping:
                    break
                self._wake.clear()
                await self._wake.wait()
                continue
            taken = self._gathered[:LARGEST_BATCH]
            del self._gathered[:LARGEST_BATCH]
            await self._execute(taken)
        self._beside.shutdown()

    def stop(self) -> None:
        """Take no more commands."""
        self._stopping = True
        self._wake.set()

    async def _execute(self, taken: list[tuple[Command, asyncio.Future[Any]]]) -> None:
        commands = [command for command, _ in taken]
        try:
            batch = await self._make_durable(commands)
        except Exception as error:  # noqa: BLE001 - every caller gets an answer
            self._log_loss(error, len(taken))
            for _, future in taken:
                if not future.done():
                    future.set_exception(InternalServiceError(str(error)))
            self._core.abandon()
            return
        if batch.next_due != self.next_due:
            self.next_due = batch.next_due
            self.rescheduled.set()
        self._answer(taken, batch)

    async def _make_durable(self, commands: list[Command]) -> Batch:
        loop = asyncio.get_running_loop()
        if self._distant:
            return await loop.run_in_executor(self._beside, self._core.complete, commands)
        batch = self._core.execute(commands)
        await loop.run_in_executor(self._beside, batch.commit)
        return batch

    def _log_loss(self, error: Exception, commands: int) -> None:
        if isinstance(error, StoreUnavailable):
            log_outage(str(error), commands=commands)
        else:
            log_fault("batch failed", commands=commands)

    def _answer(self, taken: list[tuple[Command, asyncio.Future[Any]]], batch: Batch) -> None:
        for (_, future), outcome in zip(taken, batch.outcomes, strict=True):
            if future.done():
                continue
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.value)
        batch.deliver()
