"""The contexts in which expressions are evaluated: of a component, an instance, an attempt, and of
what hangs on one of these (preconditions and actions, whose `node` it is).

Names of an instance are its runtime fields, and paths over references that lead to the very data
node instances that the interval uses.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.attached import attached_id
from penstock.engine.plan import Component, Plan
from penstock.language.scope import ObjectScope
from penstock.model.ids import attempt_id, instance_id
from penstock.model.runtime import Attempt, Instance
from penstock.model.times import Instant, to_datetime

Runtime = dict[str, str | int | datetime]


class Node(Struct, frozen=True):
    """The instance that a precondition or an alarm belongs to, and its latest attempt."""

    instance: Instance
    head: Attempt | None = None


def component_scope(plan: Plan, object_id: str) -> ObjectScope:
    """A component's context: its pipeline is known, its runs are not."""
    runtime = {"@pipelineId": plan.pipeline_id}
    return ObjectScope(plan.resolved, object_id, runtime, runtime_known=False)


def instance_scope(
    plan: Plan, instance: Instance, head: Attempt | None = None, node: Node | None = None
) -> ObjectScope:
    """An instance's context; `head` is its latest attempt, which knows where it ran.

    `node` is for attached ones; without it their node is known by its interval alone.
    """
    runtime = _instance_runtime(plan, instance)
    if head is not None and head.hostname:
        runtime["hostname"] = head.hostname
    return _scope(plan, instance, runtime, node)


def attempt_scope(
    plan: Plan,
    instance: Instance,
    attempt: Attempt,
    status: str | None = None,
    node: Node | None = None,
) -> ObjectScope:
    """An attempt's context: its instance's, but for how the attempt itself stands.

    `status` stands in where the attempt is shown as it was before; `node` as above.
    """
    runtime = _instance_runtime(plan, instance)
    for key in ("@actualEndTime", "errorId", "errorMessage", "errorStackTrace"):
        runtime.pop(key, None)
    runtime["@id"] = attempt_id(instance.component, instance.start, attempt.number)
    runtime["@sphere"] = "ATTEMPT"
    runtime["@status"] = status or attempt.status
    runtime["@actualStartTime"] = _moment(attempt.handed_at or attempt.ready_at)
    if attempt.ended_at is not None:
        runtime["@actualEndTime"] = _moment(attempt.ended_at)
    reported = {
        "hostname": attempt.hostname,
        "errorId": attempt.error_id,
        "errorMessage": attempt.error_message,
        "errorStackTrace": attempt.error_stack_trace,
    }
    runtime.update((key, text) for key, text in reported.items() if text)
    return _scope(plan, instance, runtime, node)


def attached_scope(plan: Plan, object_id: str, node: Instance, head: Attempt | None) -> ObjectScope:
    """The context of a precondition or an action of the instance `node`, before it has one itself.

    It has the interval of its node. Source: guide, "Node Expression".
    """
    runtime: Runtime = {
        "@id": instance_id(attached_id(object_id, node.component), node.start),
        "@pipelineId": plan.pipeline_id,
        "@scheduledStartTime": to_datetime(node.start),
        "@scheduledEndTime": to_datetime(node.end),
        "@version": str(node.version),
        "@componentParent": object_id,
        "@sphere": "INSTANCE",
    }
    return ObjectScope(plan.resolved, object_id, runtime, node=instance_scope(plan, node, head))


def node_instance(plan: Plan, consumer: Instance, node: str, start: Instant) -> Instance:
    """A data node's instance as far as its schedule alone tells."""
    schedule = plan.components[node].schedule
    end = start if schedule is None else schedule.start(schedule.index(start) + 1)
    return Instance(0, consumer.pipeline, node, start, end, consumer.version, "FINISHED", start)


def node_starts(plan: Plan, component: Component, instance: Instance, target: str) -> list[Instant]:
    """The starts of the target's instances that an instance works with, oldest first."""
    needed = plan.range_of(component, instance.start, instance.end, target)
    return plan.starts_in(needed) if needed is not None else []


def _moment(instant: Instant) -> datetime:
    """A whole second, as the API spells dates."""
    return to_datetime(instant - instant % 1000)


def _instance_runtime(plan: Plan, instance: Instance) -> Runtime:
    values: Runtime = {
        "@id": instance_id(instance.component, instance.start),
        "@pipelineId": plan.pipeline_id,
        "@scheduledStartTime": to_datetime(instance.start),
        "@scheduledEndTime": to_datetime(instance.end),
        "@actualStartTime": _moment(instance.due_at),
        "@status": instance.status,
        "@version": str(instance.version),
        "@componentParent": plan.components[instance.component].object_id,
        "@sphere": "INSTANCE",
    }
    if instance.ended_at is not None:
        values["@actualEndTime"] = _moment(instance.ended_at)
    errors = {
        "errorId": instance.error_id,
        "errorMessage": instance.error_message,
        "errorStackTrace": instance.error_stack_trace,
    }
    values.update((key, text) for key, text in errors.items() if text)
    return values


def _scope(plan: Plan, instance: Instance, runtime: Runtime, node: Node | None) -> ObjectScope:
    component = plan.components[instance.component]
    if component.owner:
        node = node or Node(replace(instance, component=component.owner))
        about = instance_scope(plan, node.instance, node.head)
        return ObjectScope(plan.resolved, component.object_id, runtime, node=about)
    linked: dict[str, Sequence[ObjectScope]] = {}
    item = plan.resolved.objects[component.id]
    for key in ("input", "output"):
        targets = [ref for ref in item.refs(key) if ref in plan.components]
        if targets:
            linked[key] = [
                _node_scope(plan, instance, target, start)
                for target in targets
                for start in node_starts(plan, component, instance, target)
            ]
    return ObjectScope(plan.resolved, component.id, runtime, linked)


def _node_scope(plan: Plan, consumer: Instance, node: str, start: Instant) -> ObjectScope:
    stand_in = node_instance(plan, consumer, node, start)
    return ObjectScope(plan.resolved, node, _instance_runtime(plan, stand_in))
