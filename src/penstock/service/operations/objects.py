"""Operations on the objects of a pipeline: describe, evaluate, set status."""

from msgspec.structs import replace

from penstock.engine.commands import refuse_command
from penstock.engine.events import (
    CancelInstance,
    CheckPipeline,
    Evaluate,
    Event,
    FinishInstance,
    PauseInstance,
    PutComponent,
    RerunInstance,
    ResumeInstance,
)
from penstock.engine.objects import text_field
from penstock.engine.plan import RESOURCE, Plan
from penstock.engine.scopes import attempt_scope, component_scope, instance_scope
from penstock.language.resolve import resolve_leniently
from penstock.language.scope import ObjectScope
from penstock.model.api import (
    DescribeObjectsAnswer,
    DescribeObjectsRequest,
    EvaluateExpressionAnswer,
    EvaluateExpressionRequest,
    SetStatusRequest,
)
from penstock.model.caller import Caller
from penstock.model.definition import PipelineObject
from penstock.model.errors import DefinitionError, InvalidRequest
from penstock.model.ids import ObjectName, parse_object_id
from penstock.model.runtime import Pipeline
from penstock.service import audit
from penstock.service.context import Context, find_pipeline
from penstock.service.definitions import LATEST
from penstock.service.explaining import explainer
from penstock.service.load import node_of, view_of
from penstock.service.masking import Masker, masker_of
from penstock.service.showing import evaluate_text, show_attempt, show_component, show_instance
from penstock.service.unit import Unit
from penstock.store.protocol import Reader, Task

MOST_IDS = 100
"""The reference says 25; stock clients send 100."""

EXPLANATION = "@explanation"
"""A field of ours on instances; the original had none like it."""

_COMPONENT_COMMANDS = {"PAUSE": True, "RESUME": False}
_INSTANCE_COMMANDS = {
    "TRY_CANCEL": "TRY_CANCEL",
    "CANCEL": "TRY_CANCEL",
    "RERUN": "RERUN",
    "MARK_FINISHED": "MARK_FINISHED",
}


def current_plan(context: Context, store: Reader, pipeline: Pipeline) -> Plan:
    """The plan in force; before the first activation, the draft's."""
    if pipeline.version:
        return context.definitions.plan(store, pipeline, pipeline.version)
    draft = context.definitions.load(store, pipeline.key, LATEST)
    if draft is None:
        raise InvalidRequest(
            f"Pipeline {pipeline.id} has no definition yet; put one with PutPipelineDefinition"
        )
    try:
        return context.definitions.compile(draft, pipeline, 0, context.clock())
    except DefinitionError:
        # A draft with errors can be looked at all the same; nothing of it runs.
        return Plan(pipeline.id, 0, False, 0, {}, resolve_leniently(draft))


async def describe_objects(
    context: Context, caller: Caller, request: DescribeObjectsRequest
) -> DescribeObjectsAnswer:
    """Components, instances and attempts by id; one unknown id refuses the whole call."""
    if len(request.object_ids) > MOST_IDS:
        raise InvalidRequest(
            f"{len(request.object_ids)} object ids are asked for; at most {MOST_IDS} are "
            "answered in one call"
        )

    def ask(store: Reader) -> list[PipelineObject]:
        pipeline = find_pipeline(store, caller, request.pipeline_id)
        describer = _Describer(context, store, pipeline, request.evaluate_expressions)
        return [describer.describe(name) for name in request.object_ids]

    return DescribeObjectsAnswer(await context.read(ask), has_more_results=False)


class _Describer:
    """Describes objects of one pipeline; what a version's secrets are is worked out once."""

    def __init__(
        self, context: Context, store: Reader, pipeline: Pipeline, evaluated: bool
    ) -> None:
        self._context = context
        self._store = store
        self._pipeline = pipeline
        self._evaluated = evaluated
        self._plan = current_plan(context, store, pipeline)
        self._maskers: dict[int, Masker] = {}
        self._explainer = explainer(context, store, pipeline, self._masker)

    def describe(self, object_id: str) -> PipelineObject:
        """One object by id; raises `InvalidRequest` if there is none."""
        pipeline, store, evaluated = self._pipeline, self._store, self._evaluated
        name = _parse(pipeline, object_id)
        if name.start is None:
            if object_id not in self._plan.resolved.objects:
                raise _unknown(pipeline, object_id)
            masker = self._masker(self._plan)
            return show_component(store, pipeline, self._plan, object_id, evaluated, masker)
        task = _task(store, pipeline, object_id, name)
        own = self._context.definitions.plan(store, pipeline, task.instance.version)
        masker = self._masker(own)
        if name.attempt is None:
            shown = show_instance(store, own, task.instance, task.attempt, evaluated, masker)
            return self._explained(shown, task)
        if task.attempt is None:
            raise _unknown(pipeline, object_id)
        return show_attempt(store, own, task.instance, task.attempt, evaluated, masker)

    def _explained(self, shown: PipelineObject, task: Task) -> PipelineObject:
        """With a field of ours that says why the instance does not go on, or has failed."""
        text = self._explainer.explain(task)
        if text is None:
            return shown
        return replace(shown, fields=(*shown.fields, text_field(EXPLANATION, text)))

    def _masker(self, plan: Plan) -> Masker:
        if plan.version not in self._maskers:
            self._maskers[plan.version] = masker_of(plan.resolved)
        return self._maskers[plan.version]


def _parse(pipeline: Pipeline, object_id: str) -> ObjectName:
    name = parse_object_id(object_id)
    if name is None:
        raise _unknown(pipeline, object_id)
    return name


def _task(store: Reader, pipeline: Pipeline, object_id: str, name: ObjectName) -> Task:
    task = store.task_by_name(pipeline.key, name.component, name.start or 0)
    if task is not None and name.attempt is not None:
        task = store.task(task.instance.key, name.attempt)
    if task is None:
        raise _unknown(pipeline, object_id)
    return task


def _unknown(pipeline: Pipeline, object_id: str) -> InvalidRequest:
    return InvalidRequest(
        f"Pipeline {pipeline.id} has no object {object_id!r}; QueryObjects lists the ids that "
        "there are"
    )


async def evaluate_expression(
    context: Context, caller: Caller, request: EvaluateExpressionRequest
) -> EvaluateExpressionAnswer:
    """Evaluate a text in the context of a component, an instance or an attempt."""

    def ask(store: Reader) -> str:
        pipeline = find_pipeline(store, caller, request.pipeline_id)
        plan = current_plan(context, store, pipeline)
        name = _parse(pipeline, request.object_id)
        own = plan
        if name.start is None:
            if request.object_id not in plan.resolved.objects:
                raise _unknown(pipeline, request.object_id)
            scope = component_scope(plan, request.object_id)
        else:
            task = _task(store, pipeline, request.object_id, name)
            own = context.definitions.plan(store, pipeline, task.instance.version)
            scope = _running_scope(store, pipeline, own, task, request.object_id, name)
        return evaluate_text(scope, request.expression, masker_of(own.resolved))

    return EvaluateExpressionAnswer(await context.read(ask))


def _running_scope(
    store: Reader, pipeline: Pipeline, plan: Plan, task: Task, object_id: str, name: ObjectName
) -> ObjectScope:
    """The context of an instance or an attempt."""
    node = node_of(store, plan.components[task.instance.component], task.instance)
    if name.attempt is None:
        return instance_scope(plan, task.instance, task.attempt, node)
    if task.attempt is None:
        raise _unknown(pipeline, object_id)
    return attempt_scope(plan, task.instance, task.attempt, node=node)


async def set_status(context: Context, caller: Caller, request: SetStatusRequest) -> None:
    """PAUSE and RESUME components; TRY_CANCEL, RERUN, MARK_FINISHED instances. All or nothing."""
    status = request.status.upper()
    if status not in _COMPONENT_COMMANDS and status not in _INSTANCE_COMMANDS:
        known = ", ".join([*_COMPONENT_COMMANDS, *_INSTANCE_COMMANDS])
        raise InvalidRequest(f"status is {request.status!r}; it must be one of {known}")

    def change(unit: Unit) -> None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        if pipeline.state == "FINISHED" and not context.settings.revive_finished:
            raise InvalidRequest(
                f"Pipeline {pipeline.id} is FINISHED; its objects cannot be changed"
            )
        names = {key: _parse(pipeline, key) for key in request.object_ids}
        _refuse_wrong_kind(status, names)
        if status in _COMPONENT_COMMANDS:
            if not pipeline.version:
                raise InvalidRequest(
                    f"Pipeline {pipeline.id} has not been activated yet, so none of its components "
                    f"can be set to {status}"
                )
            for key in names:
                for component in _standing_for(unit, pipeline, key):
                    audit.note(unit, caller, pipeline.key, audit.SET_STATUS, status, component)
                    _pause(unit, pipeline, component, paused=_COMPONENT_COMMANDS[status])
            return
        _command(unit, pipeline, names, _INSTANCE_COMMANDS[status], caller)

    await context.writer.submit(change, request.pipeline_id)


def _refuse_wrong_kind(status: str, names: dict[str, ObjectName]) -> None:
    on_components = status in _COMPONENT_COMMANDS
    for key, name in names.items():
        if (name.start is None) != on_components or name.attempt is not None:
            kind = "components" if on_components else "instances"
            raise InvalidRequest(f"{status} applies to {kind}; {key!r} is something else")


def _standing_for(unit: Unit, pipeline: Pipeline, component: str) -> list[str]:
    """The component itself; of a precondition or an alarm, those that its owners have."""
    attached = unit.plan(pipeline, pipeline.version).attached_to(component)
    return attached or [component]


def _pause(unit: Unit, pipeline: Pipeline, component: str, paused: bool) -> None:
    row = unit.store.component(pipeline.key, component)
    if row is None:
        raise InvalidRequest(
            f"{component!r} is not a component that runs in pipeline {pipeline.id}"
        )
    unit.save_change(PutComponent(replace(row, paused=paused)))
    for instance in unit.store.unfinished(pipeline.key, component):
        event: Event = PauseInstance(instance.key) if paused else ResumeInstance(instance.key)
        unit.run(event)
    if not paused:
        _ask_for(unit, pipeline, component)


def _ask_for(unit: Unit, pipeline: Pipeline, resource: str) -> None:
    """A resource that may start again is asked for by those that wait for it."""
    plan = unit.plan(pipeline, pipeline.version)
    if resource not in plan.components or plan.components[resource].category != RESOURCE:
        return
    for user in plan.components[resource].dependents:
        for instance in unit.store.unfinished(pipeline.key, user):
            unit.run(Evaluate(instance.key))


def _command(
    unit: Unit,
    pipeline: Pipeline,
    names: dict[str, ObjectName],
    status: str,
    caller: Caller,
) -> None:
    tasks = [_task(unit.store, pipeline, key, name) for key, name in names.items()]
    for task in tasks:
        refuse_command(view_of(unit, task), status)
    for task in tasks:
        which = (task.instance.component, task.instance.start)
        audit.note(unit, caller, pipeline.key, audit.SET_STATUS, status, *which)
        unit.run(_event(status, task.instance.key, caller))
    unit.run(CheckPipeline(pipeline.key))


def _event(status: str, instance: int, caller: Caller) -> Event:
    if status == "RERUN":
        return RerunInstance(instance, f"rerun by {caller.user_name}")
    if status == "MARK_FINISHED":
        return FinishInstance(instance)
    return CancelInstance(instance, f"cancelled by {caller.user_name}")
