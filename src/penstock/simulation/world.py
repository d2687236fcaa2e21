"""A world in virtual time: the real store, engine and operations, and a clock that leaps.

Nothing here reads a clock, sleeps, or is random: what happens is a function of what the world is
told to do, so the same script always makes the same history.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from penstock.access.secrets import Cipher
from penstock.config import Settings
from penstock.engine.views import Rules
from penstock.language.forms import from_cli
from penstock.model.api import (
    ActivatePipelineRequest,
    CreatePipelineRequest,
    DeactivatePipelineRequest,
    DeletePipelineRequest,
    DescribeObjectsRequest,
    DescribePipelinesRequest,
    PutPipelineDefinitionRequest,
    Request,
    SetStatusRequest,
)
from penstock.model.caller import Caller
from penstock.model.definition import Definition, PipelineObject
from penstock.model.runtime import Attempt, Instance, Pipeline
from penstock.model.times import Instant
from penstock.service.core import Command, Core, fire_timers
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import Dispatcher
from penstock.service.operations import OPERATIONS
from penstock.service.task_ids import TaskIds
from penstock.simulation.immediate import Crashed, Hazard, ImmediateContext, ImmediateWriter, run
from penstock.store.sqlite import SqliteStore

CALLER = Caller("000000000001", "AIDASIMULATION0000001", "simulant", "AKIASIMULATION")

Event = tuple[Instant, str, str]
"""What happened: when, to whom, what."""


def calm(_moment: str) -> None:
    """The hazard of a server that never crashes."""


class World:
    """A server in virtual time; `now` moves by `advance_to` only.

    `directory` holds the database and must be empty or one that an earlier world left. `watch` is
    called after every commit, with the world: invariants are checked there.
    """

    def __init__(
        self,
        directory: Path,
        now: Instant,
        settings: Settings | None = None,
        hazard: Hazard = calm,
    ) -> None:
        self.now = now
        self.settings = settings or Settings()
        self.hazard = hazard
        self.watch: Callable[[World], None] = lambda world: None
        self.on_crash: list[Callable[[], None]] = []
        self.history: list[Event] = []
        self.crashes = 0
        self._path = directory / "simulation.db"
        self._ids = count(1)
        self._order = count()
        self._nonces = count()
        self._agenda: list[tuple[Instant, int, Callable[[], None]]] = []
        self._start()

    def _start(self) -> None:
        """Make the server's parts anew, from nothing but the store."""
        self.store = self._open_store()
        cipher = Cipher(bytes(32), lambda size: next(self._nonces).to_bytes(size, "big"))
        self.task_ids = TaskIds(cipher.derive("task ids"))
        self.definitions = Definitions(cipher, self.settings.report_timeout_ms)
        self.dispatcher = Dispatcher(self.task_ids)
        rules = Rules(
            self.settings.acknowledge_timeout_ms,
            self.settings.allow_backfill,
            self.settings.backfill_grace_ms,
            self.settings.revive_finished,
        )
        core = Core(self.store, self.definitions, self.dispatcher, rules, lambda: self.now)
        self.writer = ImmediateWriter(core, self._around_commit)
        self.context = ImmediateContext(
            self.settings,
            self.store,
            self.definitions,
            self.dispatcher,
            self.writer,
            self.task_ids,
            lambda: self.now,
            lambda: f"df-{next(self._ids):020d}",
        )
        transaction = self.store.begin()
        self.writer.next_due = transaction.next_due()
        transaction.rollback()

    def _open_store(self) -> SqliteStore:
        return SqliteStore(self._path, self.now, durable=False)

    def _around_commit(self, moment: str) -> None:
        self.hazard(moment)
        if moment == "after":
            self.watch(self)

    def restart(self) -> None:
        """The server dies and comes back: only the store is left, and all connections are gone."""
        self.crashes += 1
        self.note("server", "restarted")
        self.store.close()
        self._start()
        for tell in self.on_crash:
            tell()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def note(self, who: str, what: str) -> None:
        """Add a line to the history."""
        self.history.append((self.now, who, what))

    def at(self, moment: Instant, action: Callable[[], None]) -> None:
        """Have something done at a moment (now, if that has passed)."""
        heapq.heappush(self._agenda, (max(moment, self.now), next(self._order), action))

    def execute(self, command: Command) -> Any:
        """Run a command as the writer would; a crash restarts the server and passes on."""
        try:
            return self.writer.execute(command)
        except Crashed:
            self.restart()
            raise

    def call(self, operation: str, request: Request, caller: Caller = CALLER) -> Any:
        """Run one of the operations; tries again when the server crashes, as clients do."""
        while True:
            try:
                return run(_coroutine(OPERATIONS[operation](self.context, caller, request)))
            except Crashed:
                self.restart()

    def advance_to(self, moment: Instant) -> None:
        """Let time pass: timers fire and agenda items happen, each at its own moment, in order."""
        while (due := self._next_moment()) is not None and due <= moment:
            self.now = max(self.now, due)
            self._step()
        self.now = max(self.now, moment)

    def run_out(self, limit: Instant) -> bool:
        """Let time pass until nothing is left to happen; False if that is not so by `limit`."""
        while (due := self._next_moment()) is not None:
            if due > limit:
                return False
            self.now = max(self.now, due)
            self._step()
        return True

    def _next_moment(self) -> Instant | None:
        moments = [self._agenda[0][0]] if self._agenda else []
        if self.writer.next_due is not None:
            moments.append(self.writer.next_due)
        return min(moments, default=None)

    def _step(self) -> None:
        """One thing that is due now: timers before agenda items."""
        due = self.writer.next_due
        try:
            if due is not None and due <= self.now:
                self.execute(fire_timers)
            else:
                heapq.heappop(self._agenda)[2]()
        except Crashed:
            return

    def create(self, name: str = "pipeline") -> str:
        """A new, empty pipeline; answers its id."""
        answer = self.call("CreatePipeline", CreatePipelineRequest(name, f"{name}-token"))
        return str(answer.pipeline_id)

    def put(self, pipeline: str, definition: Definition) -> None:
        """Put a definition; validation errors are not tolerated."""
        answer = self.call(
            "PutPipelineDefinition",
            PutPipelineDefinitionRequest(
                pipeline,
                definition.pipeline_objects,
                definition.parameter_objects,
                definition.parameter_values,
            ),
        )
        if answer.errored:
            raise ValueError(f"the definition has errors: {answer.validation_errors}")

    def activate(self, pipeline: str, start_at: Instant | None = None) -> None:
        """Activate a pipeline; `start_at` is the request's `startTimestamp`."""
        self.call("ActivatePipeline", ActivatePipelineRequest(pipeline, (), start_at))

    def begin(self, objects: Iterable[Mapping[str, object]], name: str = "pipeline") -> str:
        """Create, put (objects in the command line's form) and activate; answers the id."""
        pipeline = self.create(name)
        self.put(pipeline, from_cli({"objects": list(objects)}))
        self.activate(pipeline)
        return pipeline

    def deactivate(self, pipeline: str, cancel_active: bool = True) -> None:
        """Deactivate a pipeline."""
        self.call("DeactivatePipeline", DeactivatePipelineRequest(pipeline, cancel_active))

    def delete(self, pipeline: str) -> None:
        """Delete a pipeline."""
        self.call("DeletePipeline", DeletePipelineRequest(pipeline))

    def set_status(self, pipeline: str, status: str, *names: str) -> None:
        """PAUSE, RESUME, TRY_CANCEL, RERUN or MARK_FINISHED, for objects by id."""
        self.call("SetStatus", SetStatusRequest(pipeline, names, status))

    def describe(self, pipeline: str, name: str) -> PipelineObject:
        """A component, instance or attempt as DescribeObjects shows it, evaluated."""
        answer = self.call("DescribeObjects", DescribeObjectsRequest(pipeline, (name,), True))
        found: PipelineObject = answer.pipeline_objects[0]
        return found

    def describe_pipeline(self, pipeline: str) -> dict[str, str]:
        """The fields of DescribePipelines."""
        answer = self.call("DescribePipelines", DescribePipelinesRequest((pipeline,)))
        fields = answer.pipeline_description_list[0].fields
        return {field.key: field.string_value or "" for field in fields}

    def pipeline(self, pipeline_id: str) -> Pipeline:
        """The pipeline's row, deleted or not."""
        with self.store.reader() as reader:
            found = reader.pipeline_by_id(CALLER.account_id, pipeline_id)
        if found is None:
            raise LookupError(pipeline_id)
        return found

    def instances(self, pipeline_id: str, component: str | None = None) -> list[Instance]:
        """All instances, by component and start."""
        key = self.pipeline(pipeline_id).key
        with self.store.reader() as reader:
            found = reader.instances_after(key, component or "", -(2**62), 10**9)
        return [each for each in found if component in {None, each.component}]

    def attempts(self, instance: Instance) -> list[Attempt]:
        """All attempts of an instance, oldest first."""
        with self.store.reader() as reader:
            return reader.attempts_of(instance.key)


def _coroutine(awaitable: Any) -> Any:
    """The operations are coroutines; their common type says only that they can be awaited."""
    return awaitable


def with_backfill(settings: Settings | None = None) -> Settings:
    """Settings under which a schedule may start long ago."""
    return replace(settings or Settings(), allow_backfill=True)
