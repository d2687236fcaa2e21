"""Instances and attempts as the API shows them: fields inherited, expressions evaluated.

Values of a component are evaluated in the context of its instance: runtime fields, and paths over
references that lead to the very data node instances that the interval uses.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from penstock.engine.plan import Component, Plan
from penstock.language.expressions import has_expression
from penstock.language.resolve import ResolvedObject
from penstock.language.scope import ObjectScope
from penstock.model.definition import Field, PipelineObject
from penstock.model.errors import DefinitionError
from penstock.model.ids import attempt_id, instance_id
from penstock.model.runtime import Attempt, Instance
from penstock.model.status import WAITING_FOR_RUNNER
from penstock.model.times import Instant, format_instant, to_datetime

Runtime = Mapping[str, str | int | datetime]

_NOT_FOLLOWED = frozenset({"parent", "dependsOn", "@componentParent", "@instanceParent"})
"""References that say where an object belongs, not what its task works with."""

_LEADING_TO_INSTANCES = frozenset({"input", "output", "dependsOn"})


def text_field(key: str, value: str | None) -> Field:
    """A field with a string value."""
    return Field(key, value)


def ref_field(key: str, value: str) -> Field:
    """A field with a reference."""
    return Field(key, None, value)


def worker_group_of(plan: Plan, component: Component, instance: Instance) -> str:
    """The worker group that the instance's tasks go to; it may be an expression."""
    if not has_expression(component.worker_group):
        return component.worker_group
    scope = _scope(plan, component, instance)
    values = scope.field_texts("workerGroup", component.worker_group)
    return values[0] if values else ""


def task_objects(plan: Plan, instance: Instance, attempt: Attempt) -> dict[str, PipelineObject]:
    """What a runner is handed: the attempt, and every object that it refers to.

    The attempt stands as just before the hand-over. Raises `DefinitionError` where a value cannot
    be evaluated.
    """
    component = plan.components[instance.component]
    shown = attempt_object(plan, instance, attempt, status=WAITING_FOR_RUNNER)
    objects = {shown.id: shown}
    _collect(plan, component, instance, shown.fields, objects)
    return objects


def _collect(
    plan: Plan,
    component: Component,
    instance: Instance,
    fields: Iterable[Field],
    objects: dict[str, PipelineObject],
) -> None:
    nodes = {
        instance_id(node, start): (node, start)
        for node in component.nodes
        for start in _node_starts(plan, component, instance, node)
    }
    waiting = [f.ref_value for f in fields if f.ref_value and f.key not in _NOT_FOLLOWED]
    while waiting:
        name = waiting.pop()
        if name in objects:
            continue
        found = _referred(plan, instance, name, nodes)
        if found is not None:
            objects[name] = found
            waiting.extend(
                f.ref_value for f in found.fields if f.ref_value and f.key not in _NOT_FOLLOWED
            )


def _referred(
    plan: Plan, instance: Instance, name: str, nodes: Mapping[str, tuple[str, Instant]]
) -> PipelineObject | None:
    if name in nodes:
        node, start = nodes[name]
        stand_in = _node_instance(plan, instance, node, start)
        return PipelineObject(
            name, name, (*_base(plan, stand_in, "INSTANCE"), *_own(plan, stand_in))
        )
    if name not in plan.resolved.objects:
        return None
    return component_object(plan, name, evaluated=True)


def _node_instance(plan: Plan, consumer: Instance, node: str, start: Instant) -> Instance:
    """A data node's instance as far as its schedule alone tells."""
    schedule = plan.components[node].schedule
    end = start if schedule is None else schedule.start(schedule.index(start) + 1)
    return Instance(0, consumer.pipeline, node, start, end, consumer.version, "FINISHED", start)


def component_object(plan: Plan, object_id: str, evaluated: bool) -> PipelineObject:
    """A component with its inherited fields; expressions as far as a component can know them."""
    item = plan.resolved.objects[object_id]
    fields = [field for values in item.fields.values() for field in values]
    if evaluated:
        runtime = {"@pipelineId": plan.pipeline_id}
        scope = ObjectScope(plan.resolved, object_id, runtime, runtime_known=False)
        fields = [known for field in fields for known in _evaluated_if_known(field, scope)]
    return PipelineObject(object_id, item.name, tuple(fields))


def _evaluated_if_known(field: Field, scope: ObjectScope) -> list[Field]:
    """A component's field; what only an instance can know stays as it is written."""
    try:
        return _evaluated(field, scope)
    except DefinitionError:
        return [field]


def instance_object(
    plan: Plan, instance: Instance, extra: Sequence[Field] = (), evaluated: bool = True
) -> PipelineObject:
    """An instance: how it stands (`extra` fields too), then its component's fields."""
    name = instance_id(instance.component, instance.start)
    fields = [*_base(plan, instance, "INSTANCE"), *_state(instance), *extra]
    fields += _own(plan, instance, evaluated)
    return PipelineObject(name, name, tuple(fields))


def attempt_object(
    plan: Plan,
    instance: Instance,
    attempt: Attempt,
    status: str | None = None,
    extra: Sequence[Field] = (),
    evaluated: bool = True,
) -> PipelineObject:
    """An attempt: its id is made of the component's id, its name of the component's name."""
    component = plan.components[instance.component]
    parent = instance_id(instance.component, instance.start)
    began = attempt.handed_at or attempt.ready_at
    fields = [
        *_base(plan, instance, "ATTEMPT"),
        ref_field("@instanceParent", parent),
        ref_field("@activeInstances", parent),
        text_field("@status", status or attempt.status),
        text_field("@actualStartTime", format_instant(began)),
        *extra,
        *_own(plan, instance, evaluated),
    ]
    return PipelineObject(
        attempt_id(instance.component, instance.start, attempt.number),
        attempt_id(component.name, instance.start, attempt.number),
        tuple(fields),
    )


def _base(plan: Plan, instance: Instance, sphere: str) -> list[Field]:
    """The first field is `@sphere`, as stock scripts expect."""
    return [
        text_field("@sphere", sphere),
        text_field("@pipelineId", plan.pipeline_id),
        ref_field("@componentParent", instance.component),
        ref_field("parent", instance.component),
        text_field("@scheduledStartTime", format_instant(instance.start)),
        text_field("@scheduledEndTime", format_instant(instance.end)),
        text_field("@version", str(instance.version)),
    ]


def _state(instance: Instance) -> list[Field]:
    fields = [
        text_field("@status", instance.status),
        text_field("@actualStartTime", format_instant(instance.due_at)),
    ]
    optional = {
        "@cascadeFailedOn": instance.cascade_on,
        "cancellationReason": instance.cancel_reason,
        "errorId": instance.error_id,
        "errorMessage": instance.error_message,
        "errorStackTrace": instance.error_stack_trace,
    }
    if instance.ended_at is not None:
        fields.append(text_field("@actualEndTime", format_instant(instance.ended_at)))
        if instance.status == "FINISHED":
            fields.append(text_field("@finishedTime", format_instant(instance.ended_at)))
    for key, value in optional.items():
        if value:
            make = ref_field if key == "@cascadeFailedOn" else text_field
            fields.append(make(key, value))
    return fields


def constant_fields(item: ResolvedObject) -> tuple[Field, ...] | None:
    """The fields of a component that any instance shows alike; None if some depend on it."""
    fields = [field for key, values in item.fields.items() if key != "parent" for field in values]
    if any(f.key in _LEADING_TO_INSTANCES or has_expression(f.string_value or "") for f in fields):
        return None
    return (*fields, *_type_field(item))


def _type_field(item: ResolvedObject) -> Iterable[Field]:
    """The type, where the fields do not hold it."""
    return (text_field("type", item.type),) if item.type and "type" not in item.fields else ()


def _own(plan: Plan, instance: Instance, evaluated: bool = True) -> Sequence[Field]:
    """The component's fields in the instance's context; references lead to instances."""
    component = plan.components[instance.component]
    if component.constant_fields is not None:
        return component.constant_fields
    item = plan.resolved.objects[instance.component]
    fields: list[Field] = []
    scope: ObjectScope | None = None
    for key, values in item.fields.items():
        if key in _LEADING_TO_INSTANCES:
            fields.extend(_to_instances(plan, component, instance, values))
        elif key != "parent":
            for field in values:
                if evaluated and field.string_value and has_expression(field.string_value):
                    scope = scope or _scope(plan, component, instance)
                    fields.extend(_evaluated(field, scope))
                else:
                    fields.append(field)
    fields.extend(_type_field(item))
    return fields


def _to_instances(
    plan: Plan, component: Component, instance: Instance, fields: Iterable[Field]
) -> Iterable[Field]:
    for field in fields:
        target = field.ref_value
        if target is None or target not in plan.components:
            yield field
            continue
        for start in _node_starts(plan, component, instance, target):
            yield ref_field(field.key, instance_id(target, start))


def _node_starts(
    plan: Plan, component: Component, instance: Instance, target: str
) -> list[Instant]:
    needed = plan.range_of(component, instance.start, instance.end, target)
    return plan.starts_in(needed) if needed is not None else []


def _evaluated(field: Field, scope: ObjectScope) -> list[Field]:
    """A string field with its expressions evaluated; several results make several values."""
    if not field.string_value or not has_expression(field.string_value):
        return [field]
    return [
        text_field(field.key, text) for text in scope.field_texts(field.key, field.string_value)
    ]


def _runtime(plan: Plan, instance: Instance) -> Runtime:
    values: dict[str, str | int | datetime] = {
        "@id": instance_id(instance.component, instance.start),
        "@pipelineId": plan.pipeline_id,
        "@scheduledStartTime": to_datetime(instance.start),
        "@scheduledEndTime": to_datetime(instance.end),
        "@actualStartTime": to_datetime(instance.due_at - instance.due_at % 1000),
        "@status": instance.status,
        "@version": str(instance.version),
        "@componentParent": instance.component,
        "@sphere": "INSTANCE",
    }
    if instance.ended_at is not None:
        values["@actualEndTime"] = to_datetime(instance.ended_at - instance.ended_at % 1000)
    errors = {
        "errorId": instance.error_id,
        "errorMessage": instance.error_message,
        "errorStackTrace": instance.error_stack_trace,
    }
    values.update((key, text) for key, text in errors.items() if text)
    return values


def _scope(plan: Plan, component: Component, instance: Instance) -> ObjectScope:
    linked: dict[str, Sequence[ObjectScope]] = {}
    item = plan.resolved.objects[component.id]
    for key in ("input", "output"):
        targets = [ref for ref in item.refs(key) if ref in plan.components]
        if targets:
            linked[key] = [
                _node_scope(plan, instance, target, start)
                for target in targets
                for start in _node_starts(plan, component, instance, target)
            ]
    return ObjectScope(plan.resolved, component.id, _runtime(plan, instance), linked)


def _node_scope(plan: Plan, consumer: Instance, node: str, start: Instant) -> ObjectScope:
    stand_in = _node_instance(plan, consumer, node, start)
    return ObjectScope(plan.resolved, node, _runtime(plan, stand_in))


def scope_of(plan: Plan, instance: Instance) -> ObjectScope:
    """The context in which an instance's expressions are evaluated (`EvaluateExpression`)."""
    return _scope(plan, plan.components[instance.component], instance)
