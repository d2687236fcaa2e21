"""Instances and attempts as the API shows them: fields inherited, expressions evaluated.

Values of a component are evaluated in the context of its instance: runtime fields, and paths over
references that lead to the very data node instances that the interval uses; see `scopes`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from penstock.engine.plan import Component, Plan
from penstock.engine.scopes import (
    attempt_scope,
    component_scope,
    instance_scope,
    node_instance,
    node_starts,
)
from penstock.language.expressions import has_expression
from penstock.language.resolve import ResolvedObject
from penstock.language.scope import ObjectScope
from penstock.model.definition import Field, PipelineObject
from penstock.model.errors import DefinitionError
from penstock.model.ids import attempt_id, instance_id
from penstock.model.runtime import Attempt, Instance
from penstock.model.status import WAITING_FOR_RUNNER
from penstock.model.times import Instant, format_instant

MakeScope = Callable[[], ObjectScope]
"""Makes the context of an object's expressions, where it has some."""

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
    scope = instance_scope(plan, instance)
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
        for start in node_starts(plan, component, instance, node)
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
        stand_in = node_instance(plan, instance, node, start)
        own = _own(plan, stand_in, lambda: instance_scope(plan, stand_in))
        return PipelineObject(name, name, (*_base(plan, stand_in, "INSTANCE"), *own))
    if name not in plan.resolved.objects:
        return None
    # A database, a format: it has no instances, and serves in the interval of who refers to it.
    return _as_known(plan, name, lambda: instance_scope(plan, instance).referred(name))


def component_object(plan: Plan, object_id: str, evaluated: bool) -> PipelineObject:
    """A component with its inherited fields; expressions as far as a component can know them."""
    make_scope = (lambda: component_scope(plan, object_id)) if evaluated else None
    return _as_known(plan, object_id, make_scope)


def _as_known(plan: Plan, object_id: str, make_scope: MakeScope | None) -> PipelineObject:
    """A component; what only an instance can know stays as it is written."""
    item = plan.resolved.objects[object_id]
    fields: list[Field] = []
    scope: ObjectScope | None = None
    for field in (field for values in item.fields.values() for field in values):
        if make_scope and field.string_value and has_expression(field.string_value):
            scope = scope or make_scope()
            fields.extend(_evaluated_if_known(field, scope))
        else:
            fields.append(field)
    return PipelineObject(object_id, item.name, tuple(fields))


def _evaluated_if_known(field: Field, scope: ObjectScope) -> list[Field]:
    try:
        return _evaluated(field, scope)
    except DefinitionError:
        return [field]


def instance_object(
    plan: Plan,
    instance: Instance,
    head: Attempt | None = None,
    extra: Sequence[Field] = (),
    evaluated: bool = True,
) -> PipelineObject:
    """An instance: how it stands (`extra` fields too), then its component's fields.

    `head` is its latest attempt.
    """
    name = instance_id(instance.component, instance.start)
    fields = [*_base(plan, instance, "INSTANCE"), *_state(instance), *extra]
    make_scope = (lambda: instance_scope(plan, instance, head)) if evaluated else None
    fields += _own(plan, instance, make_scope)
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
    make_scope = (lambda: attempt_scope(plan, instance, attempt, status)) if evaluated else None
    fields = [
        *_base(plan, instance, "ATTEMPT"),
        ref_field("@instanceParent", parent),
        ref_field("@activeInstances", parent),
        text_field("@status", status or attempt.status),
        text_field("@actualStartTime", format_instant(began)),
        *extra,
        *_own(plan, instance, make_scope),
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


def _own(plan: Plan, instance: Instance, make_scope: MakeScope | None) -> Sequence[Field]:
    """The component's fields in the context given, without one as they are written.

    References lead to instances.
    """
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
                if make_scope and field.string_value and has_expression(field.string_value):
                    scope = scope or make_scope()
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
        for start in node_starts(plan, component, instance, target):
            yield ref_field(field.key, instance_id(target, start))


def _evaluated(field: Field, scope: ObjectScope) -> list[Field]:
    """A string field with its expressions evaluated; several results make several values."""
    if not field.string_value or not has_expression(field.string_value):
        return [field]
    return [
        text_field(field.key, text) for text in scope.field_texts(field.key, field.string_value)
    ]
