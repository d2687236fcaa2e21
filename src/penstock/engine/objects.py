"""Instances and attempts as the API shows them: fields inherited, expressions evaluated.

Values of a component are evaluated in the context of its instance: runtime fields, and paths over
references that lead to the very data node instances that the interval uses; see `scopes`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from penstock.engine.attached import attached_id
from penstock.engine.plan import ACTION, PRECONDITIONS, Component, Plan
from penstock.engine.scopes import (
    Node,
    attached_scope,
    attempt_scope,
    component_scope,
    instance_scope,
    node_instance,
    node_starts,
)
from penstock.language.expressions import has_expression
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.language.scope import ObjectScope
from penstock.language.secrecy import spellings, strike_out
from penstock.model.definition import Field, PipelineObject
from penstock.model.errors import DefinitionError
from penstock.model.ids import attempt_id, instance_id, resource_group
from penstock.model.runtime import Attempt, Instance
from penstock.model.status import WAITING_FOR_RUNNER
from penstock.model.times import Instant, format_instant

MakeScope = Callable[[], ObjectScope]
"""Makes the context of an object's expressions, where it has some."""

_NOT_FOLLOWED = frozenset(
    {
        "parent",
        "dependsOn",
        "precondition",
        "onSuccess",
        "onFail",
        "onLateAction",
        "@componentParent",
        "@instanceParent",
    }
)
"""References that say where an object belongs, not what its task works with."""

_LEADING_TO_INSTANCES = frozenset({"input", "output", "dependsOn", "precondition"})


def text_field(key: str, value: str | None) -> Field:
    """A field with a string value."""
    return Field(key, value)


def ref_field(key: str, value: str) -> Field:
    """A field with a reference."""
    return Field(key, None, value)


def worker_group_of(plan: Plan, component: Component, instance: Instance) -> str:
    """The worker group that the instance's tasks go to; it may be an expression.

    What runs on a resource has that resource's own. Raises `DefinitionError`.
    """
    if component.resource:
        start = plan.resource_start(component, instance.start)
        if start is None:
            raise DefinitionError(
                f"its resource {component.resource} has no interval that holds "
                f"{format_instant(instance.start)}; give it a schedule that does"
            )
        return resource_group(plan.pipeline_id, component.resource, start)
    if not has_expression(component.worker_group):
        return component.worker_group
    if component.group_from:
        instance = replace(instance, component=component.group_from)
    scope = instance_scope(plan, instance)
    values = scope.field_texts("workerGroup", component.worker_group)
    return values[0] if values else ""


def task_objects(
    plan: Plan, instance: Instance, attempt: Attempt, node: Node | None = None
) -> dict[str, PipelineObject]:
    """What a runner is handed: the attempt, and every object that it refers to.

    The attempt stands as just before the hand-over; a precondition has its `node` with it. Raises
    `DefinitionError` where a value cannot be evaluated.
    """
    component = plan.components[instance.component]
    shown = attempt_object(plan, instance, attempt, status=WAITING_FOR_RUNNER, node=node)
    objects = {shown.id: shown}
    if component.category in PRECONDITIONS and node is not None:
        about = instance_object(plan, node.instance, node.head)
        objects[about.id] = about
        _collect(plan, node.instance, about.fields, objects)
    _collect(plan, instance, shown.fields, objects)
    return objects


def _collect(
    plan: Plan,
    instance: Instance,
    fields: Iterable[Field],
    objects: dict[str, PipelineObject],
) -> None:
    component = plan.components[instance.component]
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
    node: Node | None = None,
) -> PipelineObject:
    """An instance: how it stands (`extra` fields too), then its component's fields.

    `head` is its latest attempt, `node` whose precondition or alarm it is.
    """
    name = instance_id(instance.component, instance.start)
    fields = [*_base(plan, instance, "INSTANCE"), *_state(instance), *extra]
    make_scope = (lambda: instance_scope(plan, instance, head, node)) if evaluated else None
    fields += _own(plan, instance, make_scope, head)
    return PipelineObject(name, name, tuple(fields))


def attempt_object(
    plan: Plan,
    instance: Instance,
    attempt: Attempt,
    status: str | None = None,
    extra: Sequence[Field] = (),
    evaluated: bool = True,
    node: Node | None = None,
) -> PipelineObject:
    """An attempt: its id is made of the component's id, its name of the component's name."""
    component = plan.components[instance.component]
    parent = instance_id(instance.component, instance.start)
    began = attempt.handed_at or attempt.ready_at

    def make_scope() -> ObjectScope:
        return attempt_scope(plan, instance, attempt, status, node)

    fields = [
        *_base(plan, instance, "ATTEMPT"),
        ref_field("@instanceParent", parent),
        ref_field("@activeInstances", parent),
        text_field("@status", status or attempt.status),
        text_field("@actualStartTime", format_instant(began)),
        *extra,
        *_own(plan, instance, make_scope if evaluated else None, attempt),
    ]
    return PipelineObject(
        attempt_id(instance.component, instance.start, attempt.number),
        attempt_id(component.name, instance.start, attempt.number),
        tuple(fields),
    )


def _base(plan: Plan, instance: Instance, sphere: str) -> list[Field]:
    """The first field is `@sphere`, as stock scripts expect."""
    parent = plan.components[instance.component].object_id
    return [
        text_field("@sphere", sphere),
        text_field("@pipelineId", plan.pipeline_id),
        ref_field("@componentParent", parent),
        ref_field("parent", parent),
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


def _own(
    plan: Plan, instance: Instance, make_scope: MakeScope | None, attempt: Attempt | None = None
) -> Sequence[Field]:
    """The component's fields in the context given, without one as they are written.

    References lead to instances. An alarm says what it was to say when it was set off, which its
    attempt knows.
    """
    component = plan.components[instance.component]
    if component.constant_fields is not None:
        return component.constant_fields
    if component.category == ACTION:
        return _told(plan.resolved.objects[component.object_id], component, instance, attempt)
    item = plan.resolved.objects[component.object_id]
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
    fields.extend(_node_field(component, instance))
    return fields


def _node_field(component: Component, instance: Instance) -> Iterable[Field]:
    """An attached instance knows its node (guide, the objects' runtime field `node`)."""
    if component.owner:
        yield ref_field("node", instance_id(component.owner, instance.start))


def _told(
    item: ResolvedObject, component: Component, instance: Instance, attempt: Attempt | None
) -> list[Field]:
    """An alarm's fields, with the texts that its attempt is to send."""
    texts = alarm_texts(attempt)
    fields = [
        text_field(key, texts[key]) if key in texts else field
        for key, values in item.fields.items()
        if key != "parent"
        for field in (values[:1] if key in texts else values)
    ]
    return [*fields, *_type_field(item), *_node_field(component, instance)]


def alarm_texts(attempt: Attempt | None) -> dict[str, str]:
    """What an attempt of an alarm is to say, by field: evaluated when the alarm was set off."""
    if attempt is None or attempt.fields is None:
        return {}
    texts: dict[str, str] = json.loads(attempt.fields)
    return texts


def tell(plan: Plan, alarm: Component, node: Node) -> tuple[dict[str, str], str | None]:
    """An alarm's evaluated texts, and what is wrong with those that cannot be evaluated.

    The latter stay as they are written: an alarm that says too little is better than none. Secrets
    are struck out: an alarm leaves the house. Only its address may hold one, as a webhook's does.
    """
    secrets = spellings(_secrets(plan.resolved))
    scope = attached_scope(plan, alarm.object_id, node.instance, node.head)
    texts: dict[str, str] = {}
    problems: list[str] = []
    for key, values in plan.resolved.objects[alarm.object_id].fields.items():
        if key == "parent" or not any(has_expression(v.string_value or "") for v in values):
            continue
        try:
            found = [text for v in values for text in scope.field_texts(key, v.string_value or "")]
        except DefinitionError as error:
            problems.append(f"{key}: {error}")
            continue
        told = ",".join(found)
        texts[key] = told if key == "topicArn" else strike_out(told, secrets)
    return texts, "; ".join(problems) or None


def _secrets(resolved: Resolved) -> Iterable[str]:
    """The texts of all fields and parameters whose names begin with `*`."""
    for item in resolved.objects.values():
        for key, values in item.fields.items():
            if key.startswith("*"):
                yield from (field.string_value or "" for field in values)
    for key, texts in resolved.parameters.items():
        if key.startswith("*"):
            yield from texts


def _to_instances(
    plan: Plan, component: Component, instance: Instance, fields: Iterable[Field]
) -> Iterable[Field]:
    for field in fields:
        target = field.ref_value
        if target is not None and attached_id(target, component.id) in component.preconditions:
            target = attached_id(target, component.id)
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
