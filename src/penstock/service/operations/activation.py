"""ActivatePipeline and DeactivatePipeline."""

from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.compile import unsupported
from penstock.engine.events import Activate, Deactivate
from penstock.engine.plan import Plan
from penstock.engine.views import ActivateView
from penstock.language.forms import with_values
from penstock.model.api import (
    ActivatePipelineRequest,
    DeactivatePipelineRequest,
    EmptyAnswer,
)
from penstock.model.caller import Caller
from penstock.model.definition import Definition, Findings
from penstock.model.errors import DefinitionError, InvalidRequest
from penstock.model.runtime import Pipeline
from penstock.model.times import Instant, format_instant
from penstock.service import audit
from penstock.service.context import Context, find_pipeline
from penstock.service.definitions import LATEST
from penstock.service.operations.definitions import examine
from penstock.service.unit import Unit
from penstock.store.protocol import Reader


class Prepared(Struct, frozen=True):
    """A draft ready to come into force: compiled, and as it will be stored.

    `first_activated_at` is the first activation's time, which this one may be.
    """

    plan: Plan
    content: bytes
    first_activated_at: Instant


async def activate_pipeline(
    context: Context, caller: Caller, request: ActivatePipelineRequest
) -> EmptyAnswer:
    """Bring the draft into force, with the parameter values given.

    All that takes long, checking and compiling, is done beside the writer; if another activation
    comes in between, it is done anew on what that one left.
    """

    def prepare(store: Reader) -> Prepared:
        pipeline = find_pipeline(store, caller, request.pipeline_id)
        return _prepare(context, store, pipeline, request)

    def activate(unit: Unit, prepared: Prepared) -> Pipeline | None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        version = prepared.plan.version
        if version != pipeline.version + 1:
            return None
        unit.store.put_definition(pipeline.key, version, prepared.content)
        unit.note_plan(pipeline, prepared.plan)
        audit.note(unit, caller, pipeline.key, audit.ACTIVATE, _told(version, request))
        unit.run(Activate(request.start_timestamp), _view(unit, pipeline, prepared))
        return pipeline

    activated: Pipeline | None = None
    while activated is None:
        prepared = await context.read(prepare)
        activation = partial(activate, prepared=prepared)
        activated = await context.writer.submit(activation, request.pipeline_id)
    context.definitions.remember(activated, prepared.plan)
    return EmptyAnswer()


def _prepare(
    context: Context, store: Reader, pipeline: Pipeline, request: ActivatePipelineRequest
) -> Prepared:
    """The draft with its parameter values, checked and compiled."""
    draft = context.definitions.load(store, pipeline.key, LATEST)
    if draft is None or not draft.pipeline_objects:
        raise InvalidRequest("Pipeline definition is empty: ")
    values = with_values(draft.parameter_values, request.parameter_values)
    definition = replace(draft, parameter_values=values)
    active = None
    if pipeline.version:
        active = context.definitions.load(store, pipeline.key, pipeline.version)
    _refuse_errors(examine(definition, active, context.settings.limits, draft=False))
    first = pipeline.first_activated_at
    first = context.clock() if first is None else first
    plan = _compile(context, definition, pipeline, pipeline.version + 1, first)
    _refuse_unsupported(plan, context.system_types, context.resource_types)
    return Prepared(plan, context.definitions.encode(definition), first)


def _told(version: int, request: ActivatePipelineRequest) -> str:
    start = request.start_timestamp
    return f"version {version}" + (f", from {format_instant(start)}" if start is not None else "")


def _refuse_errors(findings: Findings) -> None:
    if findings.errored:
        lines = [f"{key}: {text}" for key, texts in findings.errors.items() for text in texts]
        raise InvalidRequest("Pipeline definition has errors: " + "; ".join(lines))


def _refuse_unsupported(
    plan: Plan, system_types: frozenset[str], resource_types: frozenset[str]
) -> None:
    found = unsupported(plan, system_types, resource_types)
    if found:
        raise InvalidRequest("; ".join(found))


def _compile(
    context: Context, definition: Definition, pipeline: Pipeline, version: int, first: int
) -> Plan:
    try:
        return context.definitions.compile(definition, pipeline, version, first)
    except DefinitionError as error:
        raise InvalidRequest(f"Pipeline definition has errors: {error}") from None


def _view(unit: Unit, pipeline: Pipeline, prepared: Prepared) -> ActivateView:
    store, key = unit.store, pipeline.key
    old_schedules: frozenset[str] = frozenset()
    if pipeline.version:
        old = unit.plan(pipeline, pipeline.version)
        old_schedules = frozenset(c.schedule.id for c in old.components.values() if c.schedule)
    return ActivateView(
        pipeline,
        prepared.plan,
        {row.id: row for row in store.components(key)},
        prepared.first_activated_at,
        unfinished=tuple(store.unfinished(key)),
        revivable=tuple(store.revivable(key)),
        active_runs=store.active_runs(key),
        latest=store.latest_run(key),
        old_schedules=old_schedules,
    )


async def deactivate_pipeline(
    context: Context, caller: Caller, request: DeactivatePipelineRequest
) -> EmptyAnswer:
    """Stop offering tasks; cancel what runs (default), or let it end."""

    def deactivate(unit: Unit) -> None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        how = "" if request.cancel_active else "what runs may end"
        audit.note(unit, caller, pipeline.key, audit.DEACTIVATE, how)
        unit.run(Deactivate(pipeline.key, request.cancel_active))

    await context.writer.submit(deactivate, request.pipeline_id)
    return EmptyAnswer()
