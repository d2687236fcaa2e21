"""Preconditions and alarms: a component of its own for each object that refers to one.

Ten activities may share one precondition, and each must be told by itself; so every reference
makes a component, named `<precondition>@<owner>`, that has the owner's intervals.
"""

from collections.abc import Callable

from msgspec.structs import replace

from penstock.engine.plan import (
    ACTION,
    ACTIVITY,
    DATA_NODE,
    PRECONDITIONS,
    SYSTEM_GROUP,
    Action,
    Actions,
    Component,
)
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.model.errors import DefinitionError

Make = Callable[[ResolvedObject], Component]
"""A component by an object's own fields."""

_TERMINATE = "Terminate"


def attached_id(object_id: str, owner: str) -> str:
    """The id of the component that a precondition or an alarm has for its owner."""
    return f"{object_id}@{owner}"


def attach(
    resolved: Resolved, components: dict[str, Component], make: Make
) -> dict[str, Component]:
    """The components with all that is attached to them, each before its owner.

    Raises DefinitionError where an object of the definition has the id of an attached one.
    """
    found: dict[str, Component] = {}
    for owner in components.values():
        group = _group_giver(owner, components)
        preconditions = [
            _precondition(resolved.objects[ref], owner, group, make)
            for ref in _referred(resolved, owner, ("precondition", "dependsOn"), PRECONDITIONS)
        ]
        waiting = replace(
            owner,
            preconditions=tuple(each.id for each in preconditions),
            dependencies=(*owner.dependencies, *(each.id for each in preconditions)),
        )
        for component in (*preconditions, waiting):
            acting, alarms = _with_actions(resolved, component, make)
            for each in (acting, *alarms):
                if each.owner and (each.id in found or each.id in resolved.objects):
                    raise DefinitionError(
                        f"{each.object_id!r}, which {each.owner!r} refers to, is known there as "
                        f"{each.id!r}, and another object is called so; give that another id"
                    )
                found[each.id] = each
    return found


def _referred(
    resolved: Resolved, owner: Component, keys: tuple[str, ...], categories: frozenset[str]
) -> tuple[str, ...]:
    item = resolved.objects[owner.object_id]
    refs = dict.fromkeys(ref for key in keys for ref in item.refs(key))
    return tuple(ref for ref in refs if resolved.objects[ref].category in categories)


def _group_giver(owner: Component, components: dict[str, Component]) -> Component:
    """Whose worker group a precondition of the owner goes to: a data node's, its first user's."""
    if owner.category != DATA_NODE:
        return owner
    users = (c for c in components.values() if c.category == ACTIVITY and owner.id in c.nodes)
    return next((user for user in users if user.worker_group or user.resource), owner)


def _precondition(
    item: ResolvedObject, owner: Component, group: Component, make: Make
) -> Component:
    """A precondition of the owner; it runs where it says itself, else where the owner does."""
    made = _belonging(make(item), owner)
    if made.worker_group == SYSTEM_GROUP:
        return made
    if made.resource and "runsOn" in item.own:
        return replace(made, dependencies=(made.resource,))
    if "workerGroup" in item.own:
        return replace(made, resource="", worker_group=item.string("workerGroup") or "")
    if group.resource:
        return replace(
            made, resource=group.resource, worker_group="", dependencies=(group.resource,)
        )
    if not group.worker_group:
        return replace(made, dependencies=(made.resource,)) if made.resource else made
    return replace(made, resource="", worker_group=group.worker_group, group_from=group.id)


def _belonging(component: Component, owner: Component) -> Component:
    return replace(
        component,
        id=attached_id(component.object_id, owner.id),
        name=attached_id(component.name, owner.name),
        owner=owner.id,
        cron=owner.cron,
        schedule=owner.schedule,
        constant_fields=None,
    )


def _with_actions(
    resolved: Resolved, owner: Component, make: Make
) -> tuple[Component, list[Component]]:
    """The component with its actions, and the alarms among these."""
    alarms: dict[str, Component] = {}

    def action(ref: str) -> Action:
        item = resolved.objects[ref]
        if item.type == _TERMINATE:
            return Action(ref, None)
        alarm = _belonging(make(item), owner)
        alarms[alarm.id] = alarm
        return Action(ref, alarm.id)

    on_success, on_fail, on_late = (
        tuple(action(ref) for ref in _referred(resolved, owner, (key,), frozenset({ACTION})))
        for key in ("onSuccess", "onFail", "onLateAction")
    )
    if not (on_success or on_fail or on_late):
        return replace(owner, late_after_ms=None), []
    acting = replace(owner, actions=Actions(on_success, on_fail, on_late))
    return (acting if on_late else replace(acting, late_after_ms=None)), list(alarms.values())
