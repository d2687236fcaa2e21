"""A server that is stepped by hand: calls gather, a batch executes them, and it can die anywhere.

It is the real writer, core and dispatcher. Calls are the operations' coroutines, suspended where
they wait for the writer; so a batch holds the commands of several callers, as it does in a server.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import cache
from itertools import count
from typing import Any

from msgspec import Struct

from penstock.access.secrets import Cipher
from penstock.config import Settings
from penstock.engine.views import Rules
from penstock.model.api import PollForTaskAnswer, Request
from penstock.model.caller import Caller
from penstock.model.times import Instant
from penstock.service.core import Command, Core, fire_timers
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import Dispatcher, Poll
from penstock.service.operations import OPERATIONS
from penstock.service.operations.tasks import take_back
from penstock.service.task_ids import TaskIds
from penstock.service.writer import Writer
from penstock.simulation.chaos.database import Database
from penstock.simulation.immediate import Crashed, ImmediateContext
from penstock.store.protocol import Lock

SETTINGS = Settings(allow_backfill=True)


@cache
def _idle_loop() -> asyncio.AbstractEventLoop:
    """What futures belong to; it never runs."""
    return asyncio.new_event_loop()


class SteppedWriter(Writer):
    """A writer whose batches are executed when `step` is called, on what has gathered by then."""

    async def submit(self, command: Command, *locks: Lock) -> Any:
        """Have a command done in the next batch; see `service.writer.Writer.submit`."""
        future: asyncio.Future[Any] = asyncio.Future(loop=_idle_loop())
        self._gathered.append((command, locks, future))
        return await future

    def step(self) -> None:
        """Execute and answer a batch. Raises `Crashed`, and then nobody is answered."""
        taken = self._take()
        commands = [command for command, _, _ in taken]
        locks = {lock for _, locks, _ in taken for lock in locks}
        try:
            batch = self._core.complete(commands, locks)
        except Exception as error:  # noqa: BLE001 - every caller gets an answer
            self._lose(taken, error)
            return
        self.next_due = batch.next_due
        self._answer(taken, batch)


class Outcome(Struct, frozen=True):
    """What a caller heard: an answer, an error, or (neither) nothing at all."""

    answer: Any = None
    error: Exception | None = None
    heard: bool = True


SILENCE = Outcome(heard=False)


class Pending:
    """A call under way; `outcome` is None until it has ended."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self.outcome: Outcome | None = None
        self._work = work
        self._awaited: asyncio.Future[Any] | None = None
        self.resume()

    def resume(self) -> None:
        """Let it go on, as far as it can."""
        if self.outcome is not None or (self._awaited is not None and not self._awaited.done()):
            return
        try:
            self._awaited = self._work.send(None)
        except StopIteration as done:
            self.outcome = Outcome(done.value)
        except Exception as error:  # noqa: BLE001 - it is the caller's to judge
            self.outcome = Outcome(error=error)

    def abandon(self) -> None:
        """Nobody will ever hear of it."""
        self._work.close()
        self.outcome = SILENCE


class Server:
    """One server on a database. It lives until a step, or a read, raises `Crashed`."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], Instant],
        pipeline_ids: "count[int]",
        nonces: "count[int]",
    ) -> None:
        self.store = database.open()
        cipher = Cipher(bytes(32), lambda size: next(nonces).to_bytes(size, "big"))
        self.task_ids = TaskIds(cipher.derive("task ids"))
        definitions = Definitions(cipher, SETTINGS.report_timeout_ms)
        self.dispatcher = Dispatcher(self.task_ids)
        rules = Rules(
            SETTINGS.acknowledge_timeout_ms,
            SETTINGS.allow_backfill,
            SETTINGS.backfill_grace_ms,
            SETTINGS.revive_finished,
        )
        core = Core(self.store, definitions, self.dispatcher, rules, clock)
        self.writer = SteppedWriter(core)
        self.context = ImmediateContext(
            SETTINGS,
            self.store,
            definitions,
            self.dispatcher,
            self.writer,
            self.task_ids,
            clock,
            lambda: f"df-{next(pipeline_ids):020d}",
        )
        self._pending: list[Pending] = []

    @property
    def next_due(self) -> Instant | None:
        """When the next timer is due, as of the last commit."""
        return self.writer.next_due

    def call(self, operation: str, caller: Caller, request: Request) -> Pending:
        """Begin an operation."""
        work: Any = OPERATIONS[operation](self.context, caller, request)
        return self._begin(work)

    def poll(self, poll: Poll) -> Pending:
        """A poll arrives; its outcome is an answer, or None if it waits now."""
        self.dispatcher.note(poll.queue, self.context.clock())
        return self._begin(self.writer.submit(lambda unit: self.dispatcher.arrive(unit, poll)))

    def give_back(self, caller: Caller, answer: PollForTaskAnswer) -> Pending:
        """The answer of a poll could not be sent."""
        return self._begin(take_back(self.context, caller, answer))

    def fire(self) -> Pending:
        """Have the next batch look at the timers."""
        return self._begin(self.writer.submit(fire_timers))

    def _begin(self, work: Coroutine[Any, Any, Any]) -> Pending:
        pending = Pending(work)
        self._pending.append(pending)
        return pending

    def step(self) -> None:
        """One batch; what was suspended on it goes on."""
        self.writer.step()
        for pending in self._pending:
            pending.resume()
        self._pending = [each for each in self._pending if each.outcome is None]

    def die(self) -> None:
        """Whoever waits will never hear anything."""
        for pending in self._pending:
            pending.abandon()
        self._pending.clear()


__all__ = ["SILENCE", "Crashed", "Outcome", "Pending", "Server"]
