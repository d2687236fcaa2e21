"""ActivatePipeline and DeactivatePipeline."""

from msgspec.structs import replace

from penstock.engine.compile import unsupported
from penstock.engine.events import Activate, Deactivate
from penstock.engine.plan import Plan
from penstock.engine.views import ActivateView
from penstock.model.api import (
    ActivatePipelineRequest,
    DeactivatePipelineRequest,
    EmptyAnswer,
)
from penstock.model.caller import Caller
from penstock.model.definition import Definition, Findings, ParameterValue
from penstock.model.errors import DefinitionError, InvalidRequest
from penstock.model.runtime import Pipeline
from penstock.service.context import Context, find_pipeline
from penstock.service.definitions import LATEST
from penstock.service.operations.definitions import examine
from penstock.service.unit import Unit
from penstock.store.protocol import Reader


async def activate_pipeline(
    context: Context, caller: Caller, request: ActivatePipelineRequest
) -> EmptyAnswer:
    """Bring the draft into force, with the parameter values given."""

    def prepare(store: Reader) -> tuple[Definition, bytes]:
        pipeline = find_pipeline(store, caller, request.pipeline_id)
        return _prepare(context, store, pipeline, request)

    definition, content = await context.read(prepare)

    def activate(unit: Unit) -> None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        version = pipeline.version + 1
        view = _view(context, unit, pipeline, definition, version)
        unit.store.put_definition(pipeline.key, version, content)
        context.definitions.remember(pipeline, view.plan)
        unit.run(Activate(request.start_timestamp), view)

    await context.writer.submit(activate)
    return EmptyAnswer()


def _prepare(
    context: Context, store: Reader, pipeline: Pipeline, request: ActivatePipelineRequest
) -> tuple[Definition, bytes]:
    """The draft with its parameter values, checked, and as it will be stored."""
    draft = context.definitions.load(store, pipeline.key, LATEST)
    if draft is None or not draft.pipeline_objects:
        raise InvalidRequest("Pipeline definition is empty: ")
    definition = replace(draft, parameter_values=_merge_values(draft, request.parameter_values))
    active = None
    if pipeline.version:
        active = context.definitions.load(store, pipeline.key, pipeline.version)
    _refuse_errors(examine(definition, active, context.settings.limits, draft=False))
    _refuse_unsupported(_compile(context, definition, pipeline, pipeline.version + 1, 0))
    return definition, context.definitions.encode(definition)


def _merge_values(
    draft: Definition, given: tuple[ParameterValue, ...]
) -> tuple[ParameterValue, ...]:
    """Values given at activation replace the definition's, id by id."""
    named = {value.id for value in given}
    kept = tuple(value for value in draft.parameter_values if value.id not in named)
    return kept + given


def _refuse_errors(findings: Findings) -> None:
    if findings.errored:
        lines = [f"{key}: {text}" for key, texts in findings.errors.items() for text in texts]
        raise InvalidRequest("Pipeline definition has errors: " + "; ".join(lines))


def _refuse_unsupported(plan: Plan) -> None:
    found = unsupported(plan)
    if found:
        raise InvalidRequest("; ".join(found))


def _compile(
    context: Context, definition: Definition, pipeline: Pipeline, version: int, first: int
) -> Plan:
    try:
        return context.definitions.compile(definition, pipeline, version, first)
    except DefinitionError as error:
        raise InvalidRequest(f"Pipeline definition has errors: {error}") from None


def _view(
    context: Context, unit: Unit, pipeline: Pipeline, definition: Definition, version: int
) -> ActivateView:
    store, key = unit.store, pipeline.key
    first = pipeline.first_activated_at
    plan = _compile(context, definition, pipeline, version, unit.now if first is None else first)
    old_schedules: frozenset[str] = frozenset()
    if pipeline.version:
        old = unit.plan(pipeline, pipeline.version)
        old_schedules = frozenset(c.schedule.id for c in old.components.values() if c.schedule)
    return ActivateView(
        pipeline,
        plan,
        {row.id: row for row in store.components(key)},
        unfinished=tuple(store.unfinished(key)),
        revivable=tuple(store.revivable(key)),
        active_runs=store.active_runs(key),
        old_schedules=old_schedules,
    )


async def deactivate_pipeline(
    context: Context, caller: Caller, request: DeactivatePipelineRequest
) -> EmptyAnswer:
    """Stop offering tasks; cancel what runs (default), or let it end."""

    def deactivate(unit: Unit) -> None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        unit.run(Deactivate(pipeline.key, request.cancel_active))

    await context.writer.submit(deactivate)
    return EmptyAnswer()
