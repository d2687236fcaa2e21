"""What the operations work with."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from penstock.clock import Clock
from penstock.config import Settings
from penstock.engine.plan import RESOURCE_TYPES, SYSTEM_TYPES
from penstock.model.caller import Caller
from penstock.model.errors import DatabaseUnavailable, PipelineDeleted, PipelineNotFound
from penstock.model.runtime import Pipeline
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import Dispatcher
from penstock.service.task_ids import TaskIds
from penstock.service.writer import Writer
from penstock.store.protocol import Reader, Store, StoreUnavailable

Answered = TypeVar("Answered")


class Context:
    """The server's parts, as an operation needs them; the same for all calls."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        definitions: Definitions,
        dispatcher: Dispatcher,
        writer: Writer,
        task_ids: TaskIds,
        clock: Clock,
        new_pipeline_id: Callable[[], str],
        system_types: frozenset[str] = SYSTEM_TYPES,
        resource_types: frozenset[str] = RESOURCE_TYPES,
    ) -> None:
        self.settings = settings
        self.store = store
        self.definitions = definitions
        self.dispatcher = dispatcher
        self.writer = writer
        self.task_ids = task_ids
        self.clock = clock
        self.started_at = clock()
        self.new_pipeline_id = new_pipeline_id
        self.system_types = system_types
        """The system-managed preconditions and the alarms that somebody here can do."""
        self.resource_types = resource_types
        """The resources that there is a provider for."""
        self._spawned: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="penstock-read")

    async def read(self, question: Callable[[Reader], Answered]) -> Answered:
        """Ask the store, in a thread of its own, on a view of the last commit."""

        def ask() -> Answered:
            try:
                with self.store.reader() as reader:
                    return question(reader)
            except StoreUnavailable as error:
                raise DatabaseUnavailable(str(error)) from error

        return await self.compute(ask)

    async def compute(self, work: Callable[[], Answered]) -> Answered:
        """Do something that takes a while without holding up the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something after the call that asked for it has ended."""
        task = asyncio.get_running_loop().create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    def close(self) -> None:
        """Wait for what the threads are reading; what they have not begun is not done."""
        self._threads.shutdown(cancel_futures=True)


def find_pipeline(store: Reader, caller: Caller, pipeline_id: str) -> Pipeline:
    """A living pipeline of the caller's account; raises `PipelineNotFound`, `PipelineDeleted`."""
    pipeline = store.pipeline_by_id(caller.account_id, pipeline_id)
    if pipeline is None:
        raise PipelineNotFound(f"Pipeline with id: {pipeline_id} does not exist")
    if pipeline.deleted_at is not None:
        raise PipelineDeleted(f"Pipeline with id: {pipeline_id} does not exist")
    return pipeline
