"""From a definition to a plan: which components run, when, after what, and how often."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from msgspec.structs import replace

from penstock.engine.attached import attach
from penstock.engine.intervals import Schedule, recurring
from penstock.engine.objects import constant_fields
from penstock.engine.plan import (
    ACTION,
    ACTIVITY,
    DATA_NODE,
    PRECONDITIONS,
    RESOURCE,
    RESOURCE_GROUP,
    RESOURCE_TYPES,
    SERVICE_PREFIX,
    SYSTEM_GROUP,
    SYSTEM_TYPES,
    Component,
    Plan,
    Terms,
)
from penstock.language.expressions import has_expression
from penstock.language.periods import exact_ms, parse_datetime, parse_period
from penstock.language.recurrence import recurrence
from penstock.language.resolve import Resolved, ResolvedObject, resolve
from penstock.language.scope import ObjectScope
from penstock.language.zones import UTC_ZONE, is_zone
from penstock.model.definition import Definition, ParameterValue
from penstock.model.errors import DefinitionError
from penstock.model.times import MINUTE_MS, Instant, from_datetime, to_datetime

DEFAULT_MAX_ACTIVE = 5
DEFAULT_MAX_RETRIES = 2
DEFAULT_RETRY_DELAY_MS = 10 * MINUTE_MS
DEFAULT_INIT_TIMEOUT_MS = 30 * MINUTE_MS
"""The guide names no default for initTimeout; a cluster is up within this time, or never."""

RUNNABLE = frozenset({ACTIVITY, DATA_NODE})
_SYSTEM_CATEGORIES = frozenset({"system_precondition", ACTION})


def compile_plan(
    definition: Definition,
    values: Sequence[ParameterValue],
    pipeline_id: str,
    version: int,
    first_activated_at: Instant,
    report_timeout_ms: int,
) -> Plan:
    """Compile a valid definition.

    `first_activated_at` is the origin of schedules that start at the first activation;
    `report_timeout_ms` stands in where an object gives no `reportProgressTimeout`. Raises
    `DefinitionError` for what only shows with the parameters' values.
    """
    resolved = resolve(definition, values)
    objects = _runnables(resolved)
    on_demand = any(_style(resolved, item) == "ondemand" for item in objects)
    machines = _machines(resolved, objects)
    scheduled = [*objects, *machines.values()]
    schedules = {} if on_demand else _schedules(resolved, scheduled, first_activated_at)
    producers = _producers(objects)

    def make(item: ResolvedObject) -> Component:
        made = _component(resolved, item, report_timeout_ms)
        return replace(made, late_after_ms=None) if on_demand else made

    components = {
        item.id: _placed(resolved, item, make(item), schedules, producers) for item in objects
    }
    for key, scheduler in machines.items():
        schedule = _schedule_object(resolved, scheduler)
        components[key] = replace(
            make(resolved.objects[key]),
            schedule=schedules.get(schedule.id) if schedule is not None else None,
        )
    return Plan(
        pipeline_id=pipeline_id,
        version=version,
        on_demand=on_demand,
        max_runs=_max_runs(resolved),
        components=_in_order(_with_dependents(attach(resolved, components, make))),
        resolved=resolved,
    )


def unsupported(
    plan: Plan,
    system_types: frozenset[str] = SYSTEM_TYPES,
    resource_types: frozenset[str] = RESOURCE_TYPES,
) -> list[str]:
    """What the definition uses and this server does not run, one sentence each.

    `system_types` are the types of system-managed preconditions and alarms that it can do,
    `resource_types` those of the resources that it has a provider for.
    """
    found: list[str] = []
    for component in plan.components.values():
        item = plan.resolved.objects[component.object_id]
        if component.worker_group == SYSTEM_GROUP and component.owner:
            if component.type not in system_types:
                found.append(
                    f"{plan.written(component.owner).id} refers to {item.id}, of type "
                    f"{component.type}, which needs `pip install 'penstock[aws]'` on the server"
                )
            continue
        if component.category == RESOURCE:
            continue
        target = component.resource
        if target in item.refs("runsOn") and plan.components[target].type not in resource_types:
            found.append(
                f"{item.id}.runsOn refers to {target}, a resource, and this server has no provider "
                "of them; name a workerGroup instead"
            )
        groupless = not component.worker_group and not target
        if component.category in PRECONDITIONS and groupless:
            found.append(
                f"no runner would ever get {item.id}, a precondition of {component.owner}; give "
                "it a workerGroup"
            )
        if component.worker_group.startswith(SERVICE_PREFIX):
            found.append(
                f"{item.id}.workerGroup is {component.worker_group!r}, and names that begin with "
                f"{SERVICE_PREFIX!r} are the service's own; choose another"
            )
    return list(dict.fromkeys(found))


def static_text(resolved: Resolved, item: ResolvedObject, key: str) -> str | None:
    """A field's value before anything has run: parameters are known, runtime fields are not."""
    text = item.string(key)
    if text is None or not has_expression(text):
        return text
    values = ObjectScope(resolved, item.id, runtime_known=False).field_texts(key, text)
    return values[0] if values else None


def _runnables(resolved: Resolved) -> list[ResolvedObject]:
    return [item for item in resolved.objects.values() if item.category in RUNNABLE]


def _machines(resolved: Resolved, objects: Iterable[ResolvedObject]) -> dict[str, ResolvedObject]:
    """The resources that something runs on, each with the object that knows their schedule.

    That is the resource itself or, where it has none, the first object that uses it.
    """
    found: dict[str, ResolvedObject] = {}
    for item in objects:
        conditions = (ref for key in ("precondition", "dependsOn") for ref in item.refs(key))
        for user in (item, *(resolved.objects[ref] for ref in conditions)):
            target = _resource(resolved, user)
            if target and target not in found:
                own = resolved.objects[target]
                found[target] = own if own.ref("schedule") is not None else item
    return found


def _resource(resolved: Resolved, item: ResolvedObject) -> str:
    """The resource that an object's tasks run on; '' for a worker group's."""
    if item.category not in {ACTIVITY, "user_precondition"}:
        return ""
    named = (ref for ref in item.refs("runsOn") if resolved.objects[ref].category == RESOURCE)
    return next(named, "")


def _style(resolved: Resolved, item: ResolvedObject) -> str:
    style = (static_text(resolved, item, "scheduleType") or "").lower()
    schedule = _schedule_object(resolved, item)
    if schedule is not None and _is_on_demand(resolved, schedule):
        return "ondemand"
    return style or "timeseries"


def _is_on_demand(resolved: Resolved, schedule: ResolvedObject) -> bool:
    start_at = static_text(resolved, schedule, "startAt") or ""
    return start_at.upper() == "ONDEMAND_ACTIVATION_TIME"


def _schedule_object(resolved: Resolved, item: ResolvedObject) -> ResolvedObject | None:
    ref = item.ref("schedule")
    return resolved.objects.get(ref) if ref is not None else None


def _schedules(
    resolved: Resolved, objects: Iterable[ResolvedObject], first_activated_at: Instant
) -> dict[str, Schedule]:
    found: dict[str, Schedule] = {}
    for item in objects:
        schedule = _schedule_object(resolved, item)
        if schedule is None:
            raise DefinitionError(
                f"{item.id} has no schedule; give it one, or make the pipeline on-demand "
                "with scheduleType ondemand"
            )
        if schedule.id not in found:
            found[schedule.id] = _schedule(resolved, schedule, first_activated_at)
    return found


def _schedule(resolved: Resolved, item: ResolvedObject, first_activated_at: Instant) -> Schedule:
    period = parse_period(static_text(resolved, item, "period") or "")
    end = static_text(resolved, item, "endDateTime")
    occurrences = static_text(resolved, item, "occurrences")
    zone = _zone(resolved, item)
    start = static_text(resolved, item, "startDateTime")
    return recurring(
        item.id,
        recurrence(period, zone, start, to_datetime(first_activated_at)),
        from_datetime(parse_datetime(end, zone)) if end else None,
        _integer(item.id, "occurrences", occurrences, 0) if occurrences else None,
    )


def _zone(resolved: Resolved, item: ResolvedObject) -> str:
    zone = static_text(resolved, item, "timeZone") or UTC_ZONE
    if not is_zone(zone):
        raise DefinitionError(f"{item.id}.timeZone is {zone!r}, which is no time zone")
    return zone


def _producers(objects: Iterable[ResolvedObject]) -> dict[str, list[str]]:
    """Data node to the activities that have it as an output."""
    found: dict[str, list[str]] = {}
    for item in objects:
        if item.category == ACTIVITY:
            for node in item.refs("output"):
                found.setdefault(node, []).append(item.id)
    return found


def _component(resolved: Resolved, item: ResolvedObject, report_timeout_ms: int) -> Component:
    """A component by its own fields, not yet tied to a schedule or to others."""

    def text(key: str) -> str | None:
        return static_text(resolved, item, key)

    def period_ms(key: str, otherwise: int) -> int:
        value = text(key)
        return exact_ms(parse_period(value)) if value else otherwise

    def integer(key: str, otherwise: int) -> int:
        return _integer(item.id, key, text(key), otherwise)

    resource = _resource(resolved, item)
    if item.category in _SYSTEM_CATEGORIES:
        group = SYSTEM_GROUP
    elif item.category == RESOURCE:
        group = RESOURCE_GROUP
    else:
        group = "" if resource else item.string("workerGroup") or ""
    return Component(
        id=item.id,
        object_id=item.id,
        name=item.name,
        type=item.type or "",
        category=item.category or "",
        worker_group=group,
        max_active=integer("maxActiveInstances", DEFAULT_MAX_ACTIVE),
        max_retries=integer("maximumRetries", DEFAULT_MAX_RETRIES),
        retry_delay_ms=period_ms("retryDelay", DEFAULT_RETRY_DELAY_MS),
        attempt_timeout_ms=period_ms("attemptTimeout", 0) or None,
        report_timeout_ms=period_ms("reportProgressTimeout", report_timeout_ms),
        precondition_timeout_ms=period_ms("preconditionTimeout", 0) or None,
        late_after_ms=period_ms("lateAfterTimeout", 0) or None,
        cascade=(text("failureAndRerunMode") or "").lower() == "cascade",
        cron=item.category == RESOURCE,
        resource=resource,
        terms=_terms(resolved, item) if item.category == RESOURCE else None,
        constant_fields=constant_fields(item),
    )


def _terms(resolved: Resolved, item: ResolvedObject) -> Terms:
    """Where the guide names no default: what runs is tried again, and does not end the resource."""

    def period_ms(key: str) -> int | None:
        value = static_text(resolved, item, key)
        return exact_ms(parse_period(value)) if value else None

    def word(key: str) -> str:
        return (static_text(resolved, item, key) or "").lower()

    return Terms(
        init_timeout_ms=period_ms("initTimeout") or DEFAULT_INIT_TIMEOUT_MS,
        terminate_after_ms=period_ms("terminateAfter"),
        retries=word("actionOnResourceFailure") != "retrynone",
        terminates=word("actionOnTaskFailure") == "terminate",
    )


def _placed(
    resolved: Resolved,
    item: ResolvedObject,
    component: Component,
    schedules: Mapping[str, Schedule],
    producers: Mapping[str, list[str]],
) -> Component:
    """The component of an activity or a data node, with its intervals and what it waits for."""
    schedule = _schedule_object(resolved, item)
    return replace(
        component,
        cron=_style(resolved, item) == "cron",
        schedule=schedules.get(schedule.id) if schedule is not None else None,
        dependencies=(*_dependencies(resolved, item, producers), *_named(component.resource)),
        producers=frozenset(producers.get(item.id, ())),
        nodes=tuple(dict.fromkeys(item.refs("input") + item.refs("output"))),
    )


def _dependencies(
    resolved: Resolved, item: ResolvedObject, producers: Mapping[str, list[str]]
) -> tuple[str, ...]:
    named = item.refs("dependsOn")
    if item.category == ACTIVITY:
        named = item.refs("input") + named
    else:
        named = tuple(producers.get(item.id, ())) + named
    return tuple(
        target for target in dict.fromkeys(named) if resolved.objects[target].category in RUNNABLE
    )


def _named(resource: str) -> tuple[str, ...]:
    return (resource,) if resource else ()


def _integer(object_id: str, key: str, text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        return int(text)
    except ValueError:
        raise DefinitionError(
            f"{object_id}.{key} is {text!r}; a whole number is expected"
        ) from None


def _max_runs(resolved: Resolved) -> int:
    default = resolved.objects.get("Default")
    if default is None:
        return 1
    return _integer(
        "Default", "maxActiveInstances", static_text(resolved, default, "maxActiveInstances"), 1
    )


def _with_dependents(components: dict[str, Component]) -> dict[str, Component]:
    """Fill in the arrows' other direction."""
    dependents: dict[str, list[str]] = {key: [] for key in components}
    users: dict[str, list[str]] = {key: [] for key in components}
    for component in components.values():
        for target in component.dependencies:
            dependents[target].append(component.id)
        for node in component.nodes:
            users[node].append(component.id)
    resources: dict[str, list[str]] = {key: [] for key in components}
    for component in components.values():
        for activity in _activities_of(component, components, users) if component.resource else ():
            if activity not in users[component.resource]:
                users[component.resource].append(activity)
                resources[activity].append(component.resource)
    return {
        key: replace(
            component,
            dependents=tuple(dependents[key]),
            users=tuple(users[key]),
            resources=tuple(resources[key]),
        )
        for key, component in components.items()
    }


def _activities_of(
    component: Component, components: Mapping[str, Component], users: Mapping[str, Sequence[str]]
) -> Sequence[str]:
    """The activities by which it is known how far a component's resource is needed."""
    around = components[component.owner] if component.owner else component
    return (around.id,) if around.category == ACTIVITY else users[around.id]


def _in_order(components: dict[str, Component]) -> dict[str, Component]:
    waiting = {key: c.dependencies for key, c in components.items() if c.category != ACTION}
    try:
        order = [*TopologicalSorter(waiting).static_order()]
    except CycleError as error:
        chain = " -> ".join(error.args[1])
        raise DefinitionError(f"these objects wait for each other: {chain}") from None
    actions = [key for key, c in components.items() if c.category == ACTION]
    return {key: components[key] for key in (*order, *actions)}
