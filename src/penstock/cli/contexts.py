"""The context in which `penstock eval` evaluates: what an object would know at a time.

Pure: a definition in, a scope out. The instances are made up, by the arithmetic and with the scopes
that the engine itself uses.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from penstock.engine.compile import compile_plan
from penstock.engine.intervals import Schedule
from penstock.engine.plan import Component, Plan
from penstock.engine.scopes import attached_scope, attempt_scope, instance_scope
from penstock.language.catalogue import nearest
from penstock.language.periods import parse_datetime
from penstock.language.resolve import Resolved, ResolvedObject, resolve
from penstock.language.scope import (
    REFERRING_KEYS,
    ObjectScope,
    RuntimeValue,
    is_runtime_date,
    is_runtime_field,
    runtime_fields,
)
from penstock.language.wording import did_you_mean
from penstock.model.definition import Definition, ParameterValue
from penstock.model.errors import DefinitionError
from penstock.model.ids import instance_id
from penstock.model.runtime import Attempt, Instance
from penstock.model.times import Instant, format_instant, to_datetime

ContextName = Literal["component", "instance", "attempt"]

PIPELINE_ID = "df-EXAMPLE"
"""Stands for `@pipelineId`, which a definition file does not tell."""

_REPORT_TIMEOUT_MS = 60_000
"""Of no account here: nothing runs."""


class Asked(Struct, frozen=True):
    """Which object's context is wanted, and when; `node` is the object that refers to it."""

    object_id: str
    context: ContextName
    at: Instant | None = None
    node: str | None = None
    runtime: Sequence[tuple[str, str]] = ()


class Occasion(Struct, frozen=True):
    """A context, and what to call it."""

    title: str
    scope: ObjectScope
    resolved: Resolved


def occasion(definition: Definition, values: Sequence[ParameterValue], asked: Asked) -> Occasion:
    """The context that is asked for. Raises DefinitionError where there is none."""
    resolved = resolve(definition, values)
    each = _object(resolved, asked.object_id)
    node = _node(resolved, asked.node) if asked.node is not None else None
    if asked.context == "component" or asked.at is None:
        found = _component(resolved, each, node)
    else:
        plan = compile_plan(definition, values, PIPELINE_ID, 1, asked.at, _REPORT_TIMEOUT_MS)
        found = _running(plan, each, node, asked)
    given = _runtime_values(asked, [each, *([node] if node else _referrers(resolved, each))])
    return Occasion(found.title, found.scope.knowing(given), resolved) if given else found


def _object(resolved: Resolved, object_id: str) -> ResolvedObject:
    found = resolved.objects.get(object_id)
    if found is None:
        guess = did_you_mean(nearest(object_id, resolved.objects))
        raise DefinitionError(f"the definition has no object {object_id!r}.{guess}")
    return found


def _node(resolved: Resolved, node_id: str) -> ResolvedObject:
    """The object that is `node`; a precondition may be named with its own node, `Ready@Load`."""
    if node_id in resolved.objects or "@" not in node_id:
        return _object(resolved, node_id)
    return _object(resolved, node_id[: node_id.index("@")])


def _component(
    resolved: Resolved, each: ResolvedObject, node: ResolvedObject | None = None
) -> Occasion:
    if node is not None and not _is_attached(each):
        raise DefinitionError(
            f"{each.id} is no precondition and no action, so --node says nothing of it without "
            "--at TIME"
        )
    known = {"@pipelineId": PIPELINE_ID}
    title = f"the component {each.id}"
    about = None
    if node is not None:
        title += f", its node the component {node.id}"
        about = ObjectScope(resolved, node.id, known, runtime_known=False)
    scope = ObjectScope(resolved, each.id, known, node=about, runtime_known=False)
    return Occasion(title, scope, resolved)


def _is_attached(each: ResolvedObject) -> bool:
    return each.category is not None and each.category.endswith(("action", "precondition"))


def _running(
    plan: Plan, each: ResolvedObject, node: ResolvedObject | None, asked: Asked
) -> Occasion:
    component = plan.components.get(each.id)
    if component is not None:
        instance = _instance(component, *_interval(plan, each, asked.at or 0))
        return _of_instance(plan, instance, asked.context)
    if asked.context == "attempt":
        raise DefinitionError(f"{each.id} is no activity and no data node, so it has no attempts")
    if _is_attached(each):
        node = node or _only_referrer(plan.resolved, each)
        return _attached(plan, each, node, asked.node or node.id, asked.at or 0)
    if each.ref("schedule") is None and not plan.on_demand:
        return _served(plan, each, node, asked.at or 0)
    return _other(plan, each, asked.at or 0)


def _of_instance(plan: Plan, instance: Instance, context: ContextName) -> Occasion:
    title = _title(instance.component, instance.start, instance.end)
    if context == "instance":
        return Occasion(title, instance_scope(plan, instance), plan.resolved)
    scope = attempt_scope(plan, instance, _attempt(instance))
    return Occasion(f"the first attempt of {title}", scope, plan.resolved)


def _attached(
    plan: Plan, each: ResolvedObject, node: ResolvedObject, node_id: str, at: Instant
) -> Occasion:
    component = plan.components.get(node_id) or _only_attached(plan, node)
    start, end = _interval(plan, node, at, component)
    title = f"{each.id}, its node {_title(component.id if component else node.id, start, end)}"
    if component is None:
        return Occasion(
            title,
            ObjectScope(
                plan.resolved,
                each.id,
                _runtime(each.id, start, end),
                node=_other(plan, node, at).scope,
            ),
            plan.resolved,
        )
    scope = attached_scope(plan, each.id, _instance(component, start, end), None)
    return Occasion(title, scope, plan.resolved)


def _only_attached(plan: Plan, node: ResolvedObject) -> Component | None:
    """What runs of a precondition: a component for the object that refers to it."""
    found = [c for c in plan.components.values() if c.owner and c.object_id == node.id]
    if len(found) > 1:
        names = ", ".join(component.id for component in found[:20])
        raise DefinitionError(
            f"{len(found)} objects refer to {node.id}; say with --node for which of them it is "
            f"asked: {names}"
        )
    return found[0] if found else None


def _other(plan: Plan, each: ResolvedObject, at: Instant) -> Occasion:
    """A resource: no instance of the engine's, but a schedule."""
    start, end = _interval(plan, each, at)
    scope = ObjectScope(plan.resolved, each.id, _runtime(each.id, start, end))
    return Occasion(_title(each.id, start, end), scope, plan.resolved)


def _served(plan: Plan, each: ResolvedObject, node: ResolvedObject | None, at: Instant) -> Occasion:
    """A database, a format: it serves in the interval of an instance that refers to it."""
    users = [node.id] if node is not None else _users(plan, each)
    component = plan.components.get(users[0]) if len(users) == 1 else None
    if component is None:
        return _component(plan.resolved, each)
    instance = _instance(component, *_interval(plan, plan.resolved.objects[component.id], at))
    scope = instance_scope(plan, instance).referred(each.id)
    title = f"{each.id}, for {_title(component.id, instance.start, instance.end)}"
    return Occasion(title, scope, plan.resolved)


def _users(plan: Plan, each: ResolvedObject) -> list[str]:
    """The activities and data nodes that refer to an object."""
    return [
        user
        for user, component in plan.components.items()
        if not component.owner
        and any(
            each.id in plan.resolved.objects[user].refs(key)
            for key in plan.resolved.objects[user].fields
            if key != "parent"
        )
    ]


def _title(object_id: str, start: Instant, end: Instant) -> str:
    until = f", its interval until {format_instant(end)}" if end > start else ""
    return f"{instance_id(object_id, start)}{until}"


def _schedules(plan: Plan, each: ResolvedObject, component: Component | None) -> list[Schedule]:
    """The schedule that an object runs by, or, where it has none, those of its users."""
    if component is not None:
        return [component.schedule] if component.schedule else []
    known = {c.schedule.id: c.schedule for c in plan.components.values() if c.schedule}
    own = known.get(each.ref("schedule") or "")
    if own is not None:
        return [own]
    users = (plan.components[user].schedule for user in _users(plan, each))
    return list({schedule.id: schedule for schedule in users if schedule}.values())


def _interval(
    plan: Plan, each: ResolvedObject, at: Instant, component: Component | None = None
) -> tuple[Instant, Instant]:
    """The object's interval that holds the moment; in an on-demand pipeline a run at the moment."""
    if plan.on_demand:
        return at, at
    schedules = _schedules(plan, each, component)
    if len(schedules) > 1:
        names = ", ".join(sorted(schedule.id for schedule in schedules))
        raise DefinitionError(
            f"{each.id} has no schedule of its own and serves objects of several, {names}; so it "
            f"is not known which interval it has at {format_instant(at)}"
        )
    schedule = schedules[0] if schedules else None
    if schedule is None:
        raise DefinitionError(
            f"{each.id} has no schedule that an activity or data node runs by, so it has no "
            f"interval at {format_instant(at)}"
        )
    index = schedule.index(at)
    if index < 0:
        raise DefinitionError(
            f"the schedule {schedule.id} has no interval at {format_instant(at)}: its first "
            f"starts at {format_instant(schedule.start(0))}"
        )
    if not schedule.has(index):
        last = format_instant(schedule.start(schedule.count or 0))
        raise DefinitionError(
            f"the schedule {schedule.id} has no interval at {format_instant(at)}: its last "
            f"ends at {last}"
        )
    return schedule.start(index), schedule.start(index + 1)


def _instance(component: Component, start: Instant, end: Instant) -> Instance:
    due = start if component.cron else end
    return Instance(1, 1, component.id, start, end, 1, "RUNNING", due)


def _attempt(instance: Instance) -> Attempt:
    due = instance.due_at
    return Attempt(instance.key, 1, instance.pipeline, "", "", "RUNNING", due, handed_at=due)


def _runtime(object_id: str, start: Instant, end: Instant) -> Mapping[str, RuntimeValue]:
    return {
        "@id": instance_id(object_id, start),
        "@pipelineId": PIPELINE_ID,
        "@scheduledStartTime": to_datetime(start),
        "@scheduledEndTime": to_datetime(end),
        "@version": "1",
        "@componentParent": object_id,
        "@sphere": "INSTANCE",
    }


def _referrers(resolved: Resolved, each: ResolvedObject) -> list[ResolvedObject]:
    return [
        other
        for other in resolved.objects.values()
        if other.type is not None and any(each.id in other.refs(key) for key in REFERRING_KEYS)
    ]


def _only_referrer(resolved: Resolved, each: ResolvedObject) -> ResolvedObject:
    """The object that is `node` when the command line does not say."""
    found = _referrers(resolved, each)
    if not found:
        raise DefinitionError(
            f"no object refers to {each.id}, so it has no node; say with --node whose it is to be"
        )
    if len(found) > 1:
        names = ", ".join(other.id for other in found[:20])
        raise DefinitionError(
            f"{len(found)} objects refer to {each.id}; say with --node which of them it is "
            f"evaluated for: {names}"
        )
    return found[0]


def _runtime_values(asked: Asked, known: Sequence[ResolvedObject]) -> dict[str, RuntimeValue]:
    """The values of `--runtime`; dates as such."""
    values: dict[str, RuntimeValue] = {}
    for name, text in asked.runtime:
        if not any(is_runtime_field(each, name) for each in known):
            names = [field for each in known for field in runtime_fields(each)]
            guess = did_you_mean(nearest(name, names))
            raise DefinitionError(f"{asked.object_id} has no runtime field {name!r}.{guess}")
        dated = any(is_runtime_date(each, name) for each in known)
        values[name] = parse_datetime(text) if dated else text
    return values
