"""The writer: every change passes through it, in batches that share one durable commit.

Commands are executed on the event loop's own thread, and only the commit, which is waiting for the
disk, goes to another. Two Python threads that compute contend for the interpreter, and each SQL
statement would offer it to the other side; measured, that costs more than all the statements. So
while one batch is being synced the loop reads, authenticates and gathers the next.

A distant store changes the sum: there nearly every statement is a journey that the loop would spend
waiting. Then all of a batch is done by the other thread, and the loop looks at its outcome.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penstock.model.errors import DatabaseUnavailable, InternalServiceError
from penstock.model.times import Instant
from penstock.service.core import Batch, Command, Core
from penstock.service.faults import log_fault, log_outage
from penstock.service.unit import Queue, Unit
from penstock.store.protocol import Lock, StoreUnavailable

LARGEST_BATCH = 256
AFTER_A_LOSS_SECONDS = 1.0

Gathered = tuple[Command, tuple[Lock, ...], asyncio.Future[Any]]
"""A command, what it locks, and who waits for its outcome."""


class Stopped(InternalServiceError):
    """The server is stopping; the call was not made."""


class _Look:
    """The command that has polls claim what other servers have announced."""

    def __init__(self, queues: Collection[Queue]) -> None:
        self.queues = queues

    def __call__(self, unit: Unit) -> None:
        unit.announced.update(self.queues)


class Writer:
    """Takes commands from the loop's tasks and answers each when its batch is durable."""

    def __init__(self, core: Core, distant: bool = False) -> None:
        """`distant` is the store's: whether batches are executed beside the loop."""
        self._core = core
        self._distant = distant
        self._gathered: list[Gathered] = []
        self._announced: dict[Queue, set[int]] = {}
        """Queues to look at, and the pipelines that must be waited for to see all of it."""
        self._wake = asyncio.Event()
        self._stopping = False
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="penstock-commit")
        self.next_due: Instant | None = None
        """When the next timer is due, as of the last commit."""
        self.rescheduled = asyncio.Event()
        """Set when `next_due` has changed; the timekeeper clears it."""

    async def submit(self, command: Command, *locks: Lock) -> Any:
        """Have a command done; answers when it is durable. Raises `ApiError`.

        `locks` name what it will change, so that other servers keep off: every pipeline that it
        touches, but for those that it learns of by claiming.
        """
        if self._stopping:
            raise Stopped("the server is stopping; try again")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._gathered.append((command, locks, future))
        self._wake.set()
        return await future

    def look(self, queues: Iterable[Queue]) -> None:
        """Other servers may have offered tasks in these queues: have the polls here claim them."""
        self._look_at(dict.fromkeys(queues, ()))

    def _look_at(self, queues: Mapping[Queue, Collection[int]]) -> None:
        for queue, pipelines in queues.items():
            self._announced.setdefault(queue, set()).update(pipelines)
        self._wake.set()

    async def run(self) -> None:
        """Execute batches until `stop`; what has been gathered by then is still done."""
        while True:
            taken = self._take()
            if taken:
                await self._execute(taken)
                continue
            if self._stopping:
                break
            self._wake.clear()
            await self._wake.wait()
        self._beside.shutdown()

    def _take(self) -> list[Gathered]:
        """The next batch."""
        taken = self._gathered[:LARGEST_BATCH]
        del self._gathered[:LARGEST_BATCH]
        awaited = {
            queue: pipelines
            for queue, pipelines in self._announced.items()
            if self._core.awaits(queue)
        }
        self._announced.clear()
        if awaited:
            locks = tuple(set().union(*awaited.values()))
            taken.insert(0, (_Look(awaited.keys()), locks, self._unasked()))
        return taken

    def _unasked(self) -> asyncio.Future[Any]:
        """For a command whose outcome nobody waits for."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.add_done_callback(asyncio.Future.exception)
        return future

    def stop(self) -> None:
        """Take no more commands."""
        self._stopping = True
        self._wake.set()

    async def _execute(self, taken: list[Gathered]) -> None:
        try:
            batch = await self._make_durable(taken)
        except Exception as error:  # noqa: BLE001 - every caller gets an answer
            self._lose(taken, error)
            return
        if batch.next_due != self.next_due:
            self.next_due = batch.next_due
            self.rescheduled.set()
        if batch.passed_over:
            self._look_at(batch.passed_over)
        self._answer(taken, batch)

    async def _make_durable(self, taken: list[Gathered]) -> Batch:
        loop = asyncio.get_running_loop()
        commands = [command for command, _, _ in taken]
        if self._distant:
            locks = {lock for _, locks, _ in taken for lock in locks}
            return await loop.run_in_executor(self._beside, self._core.complete, commands, locks)
        batch = self._core.execute(commands)
        await loop.run_in_executor(self._beside, batch.commit)
        return batch

    def _lose(self, taken: list[Gathered], error: Exception) -> None:
        """Nothing of a batch has happened."""
        self._log_loss(error, len(taken))
        for command, _, future in taken:
            if not future.done():
                future.set_exception(_for_callers(error))
            if isinstance(command, _Look):
                self._look_later(command.queues, AFTER_A_LOSS_SECONDS)
        self._core.abandon()

    def _look_later(self, queues: Iterable[Queue], seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.look, queues)

    def _log_loss(self, error: Exception, commands: int) -> None:
        if isinstance(error, StoreUnavailable):
            log_outage(str(error), commands=commands)
        else:
            log_fault("batch failed", commands=commands)

    def _answer(self, taken: list[Gathered], batch: Batch) -> None:
        for (_, _, future), outcome in zip(taken, batch.outcomes, strict=True):
            if future.done():
                continue
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.value)
        batch.deliver()


def _for_callers(error: Exception) -> InternalServiceError:
    if isinstance(error, StoreUnavailable):
        return DatabaseUnavailable(str(error))
    return InternalServiceError(str(error))
