"""The service without waiting: no event loop, no threads; a command is durable when it answers.

The operations are coroutines because a server shares one commit among many callers. Here each has
its own at once, so an operation runs from end to end without ever being suspended.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from penstock.service.context import Context
from penstock.service.core import Command, Core
from penstock.service.writer import Writer
from penstock.store.protocol import Lock

Answered = TypeVar("Answered")

Hazard = Callable[[str], None]
"""Called `before` and `after` each commit; may raise `Crashed` to end the server there."""


class Crashed(BaseException):
    """The server died in the middle of a call: nobody gets an answer.

    Not an `Exception`: nothing in the service may go on after it.
    """


class ImmediateWriter(Writer):
    """A writer whose batches hold one command each."""

    def __init__(self, core: Core, hazard: Hazard) -> None:
        super().__init__(core)
        self._hazard = hazard

    async def submit(self, command: Command, *locks: Lock) -> Any:
        """Have a command done; see `service.writer.Writer.submit`."""
        return self.execute(command, *locks)

    def execute(self, command: Command, *locks: Lock) -> Any:
        """Have a command done, made durable and answered. Raises `ApiError` or `Crashed`."""
        batch = self._core.execute([command], locks)
        try:
            self._hazard("before")
        except BaseException:
            batch.transaction.rollback()
            raise
        batch.commit()
        self._hazard("after")
        self.next_due = batch.next_due
        batch.deliver()
        outcome = batch.outcomes[0]
        if outcome.error is not None:
            raise outcome.error
        return outcome.value


class ImmediateContext(Context):
    """A context that reads and computes in place."""

    async def compute(self, work: Callable[[], Answered]) -> Answered:
        """Do it now."""
        return work()


def run(operation: Coroutine[Any, Any, Answered]) -> Answered:
    """Run an operation to its end; it must never need to wait."""
    try:
        operation.send(None)
    except StopIteration as done:
        answer: Answered = done.value
        return answer
    operation.close()
    raise RuntimeError("the operation waits for something that the simulation does not have")
