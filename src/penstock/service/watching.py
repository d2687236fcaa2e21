"""What people look at: pipelines, how they stand, and the story of each instance.

Reads only, each in one view of the store, each bounded by the page that asks: a pipeline may have
a million instances. Secrets are masked here, so no page can forget to.
"""

import json

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.intervals import Schedule
from penstock.engine.plan import RESOURCE_GROUP, Plan
from penstock.language.forms import to_cli
from penstock.language.zones import UTC_ZONE
from penstock.model.api import LogStream
from penstock.model.caller import Caller
from penstock.model.compute import machine_of
from penstock.model.definition import Field
from penstock.model.errors import InvalidRequest
from penstock.model.ids import parse_object_id
from penstock.model.runtime import Attempt, ComponentRow, HistoryEvent, Instance, Pipeline, Wait
from penstock.model.status import UNDER_WAY
from penstock.model.times import Instant
from penstock.service.context import Context, find_pipeline
from penstock.service.definitions import LATEST
from penstock.service.explaining import explainer
from penstock.service.masking import Masker, mask_definition, masker_of
from penstock.service.operations.logs import log_ends
from penstock.service.operations.objects import current_plan
from penstock.service.showing import show_component, show_instance, waiting_on
from penstock.store.protocol import Reader, Selection, Task

PIPELINES_PER_PAGE = 50
COMPONENTS_PER_PAGE = 60
TASKS_PER_PAGE = 50
INTERVALS_SHOWN = 24
MOST_COUNTED = 10_000
MOST_SHOWN = 200
"""Of an instance's attempts and events, the latest."""

SELECTIONS: dict[str, Selection] = {"all": "all", "unfinished": "unfinished", "failed": "failed"}
"""Which instances a page of them holds."""

_LAST = 2**62
"""Above every key and every instant."""


class Counts(Struct, frozen=True):
    """Instances by how they stand; a count of MOST_COUNTED means that many or more."""

    running: int
    waiting: int
    failed: int


class Summary(Struct, frozen=True):
    """A pipeline in a list; `health` is ERROR, HEALTHY, or None while nothing has ended."""

    pipeline: Pipeline
    health: str | None
    counts: Counts


class SummaryPage(Struct, frozen=True):
    """`next_before` leads to the next page, if there is one."""

    summaries: list[Summary]
    next_before: int | None


class ScheduleLine(Struct, frozen=True):
    """A schedule in words and figures; `occurrences` None for an endless one."""

    id: str
    period: str
    first_start: Instant
    occurrences: int | None


class Strip(Struct, frozen=True):
    """A component and its latest instances, oldest first and without their messages."""

    id: str
    name: str
    type: str
    row: ComponentRow | None
    instances: list[Instance]


class Line(Struct, frozen=True):
    """An instance in a list, and what it waits for; its messages are masked."""

    instance: Instance
    attempt: Attempt | None
    waits: list[Wait]


class Overview(Struct, frozen=True):
    """A pipeline as a whole; `starts` are the recent interval starts, oldest first.

    `more_components` and `next_before` say that there are more; `problem` why there is no plan.
    """

    summary: Summary
    schedules: list[ScheduleLine]
    on_demand: bool
    next_start: Instant | None
    starts: list[Instant]
    strips: list[Strip]
    more_components: bool
    lines: list[Line]
    next_before: tuple[Instant, int] | None
    problem: str | None


class Story(Struct, frozen=True):
    """All that is known of one instance, oldest first; its texts are masked.

    `explanation` says why it does not go on, or did not end well; None if there is nothing to say.

    `log_ends` are the last lines of the latest attempt's streams.
    """

    pipeline: Pipeline
    instance: Instance
    explanation: str | None
    attempts: list[Attempt]
    waiting_on: list[str]
    history: list[HistoryEvent]
    fields: list[Field]
    log_ends: list[tuple[LogStream, str]] = []


class Portrait(Struct, frozen=True):
    """A component: its fields, where it stands, its latest instances (latest first)."""

    pipeline: Pipeline
    id: str
    type: str
    row: ComponentRow | None
    lines: list[Line]
    fields: list[Field]


class Written(Struct, frozen=True):
    """A definition as it was put, in the command line's form, secrets masked; None if none was."""

    pipeline: Pipeline
    document: dict[str, object] | None
    has_active: bool


class NoSuchObject(Exception):
    """The pipeline has no such component or instance."""


async def list_summaries(context: Context, caller: Caller, before: int | None) -> SummaryPage:
    """A page of the account's pipelines, the newest first."""

    def ask(store: Reader) -> SummaryPage:
        found = store.pipelines_before(
            caller.account_id, _LAST if before is None else before, PIPELINES_PER_PAGE + 1
        )
        page = found[:PIPELINES_PER_PAGE]
        more = len(found) > PIPELINES_PER_PAGE
        return SummaryPage([_summary(store, p) for p in page], page[-1].key if more else None)

    return await context.read(ask)


def _summary(store: Reader, pipeline: Pipeline) -> Summary:
    found = store.status_counts(pipeline.key, MOST_COUNTED)
    running = sum(found.pop(status, 0) for status in UNDER_WAY)
    failed = found.pop("FAILED", 0)
    return Summary(pipeline, _health(store, pipeline), Counts(running, sum(found.values()), failed))


def _health(store: Reader, pipeline: Pipeline) -> str | None:
    states = {row.health for row in store.components(pipeline.key)} - {None}
    return "ERROR" if "ERROR" in states else "HEALTHY" if states else None


async def overview(
    context: Context,
    caller: Caller,
    pipeline_id: str,
    selection: Selection = "all",
    before: tuple[Instant, int] | None = None,
    skipped_components: int = 0,
) -> Overview:
    """A pipeline, its recent intervals, and a page of its instances, the latest first.

    Raises `PipelineNotFound`, `PipelineDeleted`.
    """

    def ask(store: Reader) -> Overview:
        pipeline = find_pipeline(store, caller, pipeline_id)
        plan, problem = _plan_if_possible(context, store, pipeline)
        lines, next_before = _page(context, store, pipeline, selection, before)
        starts = store.recent_starts(pipeline.key, INTERVALS_SHOWN)[::-1]
        rows = {row.id: row for row in store.components(pipeline.key)}
        shown = list(plan.components)[skipped_components:] if plan else []
        due = [row.next_start for row in rows.values() if row.open]
        on_demand = plan is not None and plan.on_demand
        return Overview(
            summary=_summary(store, pipeline),
            schedules=_schedules(plan),
            on_demand=on_demand,
            next_start=None if on_demand else min(due, default=None),
            starts=starts,
            strips=[
                _strip(store, pipeline, plan, name, rows.get(name), starts)
                for name in shown[:COMPONENTS_PER_PAGE]
                if plan
            ],
            more_components=len(shown) > COMPONENTS_PER_PAGE,
            lines=lines,
            next_before=next_before,
            problem=problem,
        )

    return await context.read(ask)


def _plan_if_possible(
    context: Context, store: Reader, pipeline: Pipeline
) -> tuple[Plan | None, str | None]:
    """The plan, or why there is none: a draft may be missing, or make no sense yet."""
    try:
        return current_plan(context, store, pipeline), None
    except InvalidRequest as error:
        return None, str(error)


def _schedules(plan: Plan | None) -> list[ScheduleLine]:
    found = (
        {c.schedule.id: c.schedule for c in plan.components.values() if c.schedule} if plan else {}
    )
    return [
        ScheduleLine(key, _in_words(schedule), schedule.start(0), schedule.count)
        for key, schedule in found.items()
    ]


def _in_words(schedule: Schedule) -> str:
    period = str(schedule.period)
    return period if schedule.zone == UTC_ZONE else f"{period} ({schedule.zone})"


def _strip(
    store: Reader,
    pipeline: Pipeline,
    plan: Plan,
    name: str,
    row: ComponentRow | None,
    starts: list[Instant],
) -> Strip:
    component = plan.components[name]
    latest = store.latest_of_component(pipeline.key, name, INTERVALS_SHOWN + 1) if starts else []
    seen = [
        replace(i, error_message=None, error_stack_trace=None)
        for i in reversed(latest)
        if i.start >= starts[0] or i.end > starts[0]
    ]
    return Strip(name, component.name, component.type, row, seen)


def _page(
    context: Context,
    store: Reader,
    pipeline: Pipeline,
    selection: Selection,
    before: tuple[Instant, int] | None,
) -> tuple[list[Line], tuple[Instant, int] | None]:
    start, key = before or (_LAST, _LAST)
    found = store.tasks_before(pipeline.key, selection, start, key, TASKS_PER_PAGE + 1)
    page = found[:TASKS_PER_PAGE]
    last = page[-1].instance if len(found) > TASKS_PER_PAGE else None
    lines = [_line(context, store, pipeline, task) for task in page]
    return lines, (last.start, last.key) if last else None


def _line(context: Context, store: Reader, pipeline: Pipeline, task: Task) -> Line:
    instance, attempt = task.instance, task.attempt
    waits = [] if instance.ended_at is not None else store.waits_of(instance.key)
    if instance.error_message or (attempt is not None and attempt.error_message):
        masker = _masker(context, store, pipeline, instance)
        instance = _masked_instance(instance, masker)
        attempt = _masked_attempt(attempt, masker) if attempt is not None else None
    return Line(instance, attempt, [wait for wait in waits if wait.missing])


def _masker(context: Context, store: Reader, pipeline: Pipeline, instance: Instance) -> Masker:
    return masker_of(context.definitions.plan(store, pipeline, instance.version).resolved)


def _masker_of(plan: Plan) -> Masker:
    return masker_of(plan.resolved)


def _masked_instance(instance: Instance, masker: Masker) -> Instance:
    return replace(
        instance,
        error_message=masker.optional(instance.error_message),
        error_stack_trace=masker.optional(instance.error_stack_trace),
    )


def _masked_attempt(attempt: Attempt, masker: Masker) -> Attempt:
    fields = attempt.fields
    if attempt.worker_group == RESOURCE_GROUP:
        fields = json.dumps(machine_of(fields).facts)
    return replace(
        attempt,
        error_message=masker.optional(attempt.error_message),
        error_stack_trace=masker.optional(attempt.error_stack_trace),
        fields=masker.optional(fields),
    )


async def story(context: Context, caller: Caller, pipeline_id: str, object_id: str) -> Story:
    """An instance's story; of an attempt's id, its instance's.

    Raises `NoSuchObject`, `PipelineNotFound`, `PipelineDeleted`.
    """

    def ask(store: Reader) -> Story:
        pipeline = find_pipeline(store, caller, pipeline_id)
        task = _task(store, pipeline, object_id)
        instance = task.instance
        plan = context.definitions.plan(store, pipeline, instance.version)
        masker = masker_of(plan.resolved)
        shown = show_instance(store, plan, instance, task.attempt, True, masker)
        history = store.history(pipeline.key, instance.component, instance.start)
        return Story(
            pipeline=pipeline,
            instance=_masked_instance(instance, masker),
            explanation=explainer(context, store, pipeline, _masker_of).explain(task),
            attempts=[
                _masked_attempt(attempt, masker)
                for attempt in store.attempts_of(instance.key)[-MOST_SHOWN:]
            ],
            waiting_on=waiting_on(store, plan, instance) if instance.ended_at is None else [],
            history=[
                replace(event, detail=masker.text(event.detail)) for event in history[-MOST_SHOWN:]
            ],
            fields=list(shown.fields),
            log_ends=log_ends(store, instance.key, instance.attempts),
        )

    return await context.read(ask)


def _task(store: Reader, pipeline: Pipeline, object_id: str) -> Task:
    name = parse_object_id(object_id)
    if name is None or name.start is None:
        raise NoSuchObject(object_id)
    task = store.task_by_name(pipeline.key, name.component, name.start)
    if task is None:
        raise NoSuchObject(object_id)
    return task


async def portrait(context: Context, caller: Caller, pipeline_id: str, component: str) -> Portrait:
    """A component as it stands. Raises `NoSuchObject`, `PipelineNotFound`, `PipelineDeleted`."""

    def ask(store: Reader) -> Portrait:
        pipeline = find_pipeline(store, caller, pipeline_id)
        plan, _problem = _plan_if_possible(context, store, pipeline)
        written = plan.object_of(component) if plan is not None else None
        if plan is None or written is None:
            raise NoSuchObject(component)
        masker = masker_of(plan.resolved)
        shown = show_component(store, pipeline, plan, written.id, False, masker)
        latest = store.latest_of_component(pipeline.key, component, TASKS_PER_PAGE)
        tasks = [task for each in latest if (task := store.task(each.key))]
        return Portrait(
            pipeline=pipeline,
            id=component,
            type=written.type or "",
            row=store.component(pipeline.key, component),
            lines=[_line(context, store, pipeline, task) for task in tasks],
            fields=list(shown.fields),
        )

    return await context.read(ask)


async def written_definition(
    context: Context, caller: Caller, pipeline_id: str, active: bool
) -> Written:
    """The version in force, or the draft. Raises `PipelineNotFound`, `PipelineDeleted`."""

    def ask(store: Reader) -> Written:
        pipeline = find_pipeline(store, caller, pipeline_id)
        version = pipeline.version if active else LATEST
        if active and not version:
            return Written(pipeline, None, has_active=False)
        found = context.definitions.load(store, pipeline.key, version)
        document = None if found is None else to_cli(mask_definition(found))
        return Written(pipeline, document, has_active=bool(pipeline.version))

    return await context.read(ask)
