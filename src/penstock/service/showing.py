"""Components, instances and attempts as DescribeObjects shows them: definition and state.

Secrets are masked in all of them; see `masking`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from penstock.engine.conditions import SOONEST_MS
from penstock.engine.objects import (
    attempt_object,
    component_object,
    instance_object,
    ref_field,
    text_field,
)
from penstock.engine.plan import ACTION, DATA_NODE, RESOURCE, Component, Plan
from penstock.language.expressions import Value, evaluate, has_expression, to_text
from penstock.language.scope import ObjectScope
from penstock.model.compute import machine_of
from penstock.model.definition import Field, PipelineObject
from penstock.model.errors import DefinitionError, InvalidRequest
from penstock.model.ids import attempt_id, instance_id
from penstock.model.runtime import Attempt, ComponentRow, Instance, Pipeline
from penstock.model.status import WAITING_ON_DEPENDENCIES
from penstock.model.times import Instant, format_instant
from penstock.service.load import node_of
from penstock.service.masking import Masker
from penstock.store.protocol import Reader

MOST_NAMES = 100
"""How many instances a field that names others has at most."""


MOST_SHOWN = 100
"""References of one kind that an instance is shown with."""


def show_component(
    store: Reader,
    pipeline: Pipeline,
    plan: Plan,
    object_id: str,
    evaluated: bool,
    masker: Masker,
) -> PipelineObject:
    """A component: how it stands, then its fields with the inherited ones."""
    names = plan.attached_to(object_id) or [object_id]
    rows = [
        row for name in names if pipeline.version and (row := store.component(pipeline.key, name))
    ]
    shown = component_object(plan, object_id, evaluated)
    fields = [
        text_field("@sphere", "COMPONENT"),
        text_field("@pipelineId", pipeline.id),
        text_field("@id", object_id),
    ]
    if pipeline.version:
        fields.append(text_field("@version", str(pipeline.version)))
    if rows:
        fields += _component_state(store, pipeline, rows, _is_over(store, pipeline, plan, names))
        if not plan.components[names[0]].owner:
            fields += _component_runs(store, pipeline, rows[0])
    written = plan.resolved.objects[object_id]
    if written.type == "Schedule":
        fields += _times({"@firstActivationTime": pipeline.first_activated_at})
    own = masker.fields(shown.fields, written)
    return PipelineObject(shown.id, shown.name, (*fields, *own))


def _is_over(store: Reader, pipeline: Pipeline, plan: Plan, names: list[str]) -> bool:
    """Whether nothing is left to come; for what is attached that depends on its owners."""
    for name in names:
        component = plan.components[name]
        if component.owner and not _is_over(store, pipeline, plan, [component.owner]):
            return False
        row = store.component(pipeline.key, name)
        if (row is not None and row.open) or store.unfinished(pipeline.key, name):
            return False
    return True


def _component_state(
    store: Reader, pipeline: Pipeline, rows: list[ComponentRow], over: bool
) -> list[Field]:
    """How a component stands; a precondition or an alarm has a row for each of its owners."""
    row = rows[0]
    unfinished = [i for each in rows for i in store.unfinished(pipeline.key, each.id)]
    paused = all(each.paused for each in rows)
    fields = [
        text_field("@status", "PAUSED" if paused else "FINISHED" if over else "SCHEDULED"),
        *(ref_field("@activeInstances", instance_id(i.component, i.start)) for i in unfinished),
    ]
    if row.health is not None and row.health_start is not None:
        fields.append(text_field("@healthStatus", row.health))
        name = instance_id(row.id, row.health_start)
        # A text, though it names an object: stock scripts read it as one.
        fields.append(text_field("@healthStatusFromInstanceId", name))
        fields.append(text_field("@healthStatusUpdatedTime", format_instant(row.health_at or 0)))
    return fields


def _component_runs(store: Reader, pipeline: Pipeline, row: ComponentRow) -> Iterable[Field]:
    """The runs of an activity, a data node or a resource, by the starts of their intervals."""
    latest = store.latest_of_component(pipeline.key, row.id, 1)
    return _times(
        {
            "@latestRunTime": latest[0].start if latest else None,
            "@latestCompletedRunTime": store.latest_completed_run(pipeline.key, row.id),
            "@nextRunTime": row.next_start if row.open and row.next_start else None,
            "@lastDeactivatedTime": pipeline.last_deactivated_at,
        }
    )


def _times(found: Mapping[str, Instant | None]) -> Iterable[Field]:
    """Those that are known."""
    for key, instant in found.items():
        if instant is not None:
            yield text_field(key, format_instant(instant))


def show_instance(
    store: Reader,
    plan: Plan,
    instance: Instance,
    attempt: Attempt | None,
    evaluated: bool,
    masker: Masker,
) -> PipelineObject:
    """An instance: state, attempts, what it waits on, then its evaluated fields."""
    extra: list[Field] = []
    component = plan.components[instance.component]
    if component.category != DATA_NODE:
        left = max(component.max_retries + 1 - instance.tries, 0)
        extra.append(text_field("@attemptCount", str(instance.attempts)))
        extra.append(text_field("@triesLeft", str(left)))
    if attempt is not None:
        name = attempt_id(instance.component, instance.start, attempt.number)
        extra.append(ref_field("@headAttempt", name))
        extra += _attempt_reports(plan, instance, attempt)
        extra += _asked(component, instance, attempt)
    if instance.retry_at is not None:
        extra.append(text_field("@nextRetryTime", format_instant(instance.retry_at)))
    if instance.status in {WAITING_ON_DEPENDENCIES, "PAUSED"}:
        extra += [ref_field("@waitingOn", name) for name in waiting_on(store, plan, instance)]
    extra += _usage(store, plan, instance)
    extra += _log_location(plan, instance)
    if component.category == DATA_NODE:
        extra += _neighbours(store, plan, instance)
    node = node_of(store, component, instance)
    shown = _evaluate_if_possible(
        lambda wish: instance_object(plan, instance, attempt, extra, wish, node), evaluated
    )
    written = plan.written(instance.component)
    return PipelineObject(shown.id, shown.name, tuple(masker.fields(shown.fields, written)))


def show_attempt(
    store: Reader,
    plan: Plan,
    instance: Instance,
    attempt: Attempt,
    evaluated: bool,
    masker: Masker,
) -> PipelineObject:
    """An attempt: state, who has it, what its runner reported, then its evaluated fields."""
    component = plan.components[instance.component]
    extra = [*_attempt_reports(plan, instance, attempt), *_asked(component, instance, attempt)]
    optional = {
        "hostname": attempt.hostname,
        "cancellationReason": attempt.cancel_reason,
        "errorId": attempt.error_id,
        "errorMessage": attempt.error_message,
        "errorStackTrace": attempt.error_stack_trace,
        "@actualEndTime": _time(attempt.ended_at),
        "reportProgressTime": _time(attempt.reported_at),
    }
    extra += [text_field(key, value) for key, value in optional.items() if value]
    node = node_of(store, component, instance)
    shown = _evaluate_if_possible(
        lambda wish: attempt_object(
            plan, instance, attempt, extra=extra, evaluated=wish, node=node
        ),
        evaluated,
    )
    written = plan.written(instance.component)
    return PipelineObject(shown.id, shown.name, tuple(masker.fields(shown.fields, written)))


def _asked(component: Component, instance: Instance, attempt: Attempt) -> Iterable[Field]:
    """How often a system-managed precondition was asked in this attempt, and when last."""
    if component.category != "system_precondition":
        return
    times = attempt.generation + (attempt.handed_at is not None)
    yield text_field("currentRetryCount", str(times))
    last = attempt.handed_at
    if last is None and instance.retry_at is not None:
        # What was said FALSE to is asked again so much later.
        last = instance.retry_at - max(component.retry_delay_ms, SOONEST_MS)
    if last is not None and times:
        yield text_field("lastRetryTime", format_instant(last))


def _neighbours(store: Reader, plan: Plan, instance: Instance) -> list[Field]:
    """A data node's producers as its `input`, its consumers as its `output`.

    At most 100 of each component; those that are not there yet are left out.
    """
    own = plan.components[instance.component]
    consumers = [user for user in own.users if user not in own.producers]
    named = [("input", each) for each in sorted(own.producers)]
    named += [("output", each) for each in consumers]
    return [
        ref_field(key, instance_id(component, start))
        for key, component in named
        for start in _tied(plan, instance, component)
        if store.task_by_name(instance.pipeline, component, start) is not None
    ]


def _tied(plan: Plan, instance: Instance, component: str) -> list[Instant]:
    """The starts of a component's instances that belong to one of another."""
    own = plan.components[instance.component]
    needed = plan.range_of(own, instance.start, instance.end, component)
    return plan.starts_in(needed)[:MOST_NAMES] if needed is not None else []


def _evaluate_if_possible(
    make: Callable[[bool], PipelineObject], evaluated: bool
) -> PipelineObject:
    """A description must not fail because an expression does: then the text itself is shown."""
    try:
        return make(evaluated)
    except DefinitionError:
        return make(False)


def _time(instant: Instant | None) -> str | None:
    return format_instant(instant) if instant is not None else None


def _attempt_reports(plan: Plan, instance: Instance, attempt: Attempt) -> list[Field]:
    """The fields that the runner reported; only while they say something of what runs or ran."""
    category = plan.components[instance.component].category
    if category == RESOURCE:
        return _machine_reports(attempt)
    if attempt.fields is None or category == ACTION:
        return []
    reported: dict[str, str] = json.loads(attempt.fields)
    return [text_field(key, value) for key, value in reported.items()]


def _machine_reports(attempt: Attempt) -> list[Field]:
    """What is known of a resource's machine, and why it failed, if it did."""
    fields = [text_field(key, value) for key, value in machine_of(attempt.fields).facts.items()]
    if attempt.error_message:
        fields.append(text_field("@failureReason", attempt.error_message))
    return fields


def _usage(store: Reader, plan: Plan, instance: Instance) -> list[Field]:
    """What an instance runs on; of a resource, the activities on it (observed: as `input`)."""
    component = plan.components[instance.component]
    start = plan.resource_start(component, instance.start)
    if start is not None:
        return [ref_field("@resource", instance_id(component.resource, start))]
    if component.category != RESOURCE:
        return []
    users = (plan.components[name] for name in component.users)
    names = (
        instance_id(user.id, each)
        for user in users
        for each in _starts_on(plan, user, instance)
        if store.task_by_name(instance.pipeline, user.id, each) is not None
    )
    return [ref_field("input", name) for name in islice(names, MOST_SHOWN)]


def _starts_on(plan: Plan, user: Component, resource: Instance) -> Iterator[Instant]:
    """The starts of a component's intervals that a resource's instance serves, oldest first."""
    schedule = user.schedule
    if schedule is None:
        yield resource.start
        return
    first = schedule.first_from(resource.start)
    for k in range(first, first + MOST_SHOWN):
        if not schedule.has(k) or schedule.start(k) >= resource.end:
            return
        yield schedule.start(k)


def _log_location(plan: Plan, instance: Instance) -> list[Field]:
    item = plan.written(instance.component)
    uri = item.string("pipelineLogUri")
    if not uri or has_expression(uri) or plan.components[instance.component].category != "activity":
        return []
    name = instance_id(instance.component, instance.start)
    location = f"{uri.rstrip('/')}/{plan.pipeline_id}/{instance.component}/{name}/"
    return [text_field("@logLocation", location)]


def waiting_on(store: Reader, plan: Plan, instance: Instance) -> list[str]:
    """The ids of the instances that an instance still waits for, oldest first; only so many."""
    names: list[str] = []
    for wait in store.waits_of(instance.key):
        if not wait.missing:
            continue
        needed = plan.range_of(
            plan.components[instance.component], instance.start, instance.end, wait.target
        )
        for start in plan.starts_in(needed) if needed is not None else []:
            task = store.task_by_name(instance.pipeline, wait.target, start)
            if task is None or task.instance.status not in {"FINISHED", "SKIPPED"}:
                names.append(instance_id(wait.target, start))
            if len(names) == MOST_NAMES:
                return names
    return names


def evaluate_text(scope: ObjectScope, expression: str, masker: Masker) -> str:
    """A text with its expressions evaluated, several results joined by commas."""
    try:
        values = evaluate_masked(scope, expression, masker)
    except DefinitionError as error:
        raise InvalidRequest(str(error)) from None
    return ",".join(to_text(value) for value in values)


def evaluate_masked(scope: ObjectScope, expression: str, masker: Masker) -> list[Value]:
    """The values of a text, no secret in them. Raises DefinitionError."""
    values = evaluate(expression, scope)
    hidden = masker.hidden(expression)
    if hidden != expression:
        values = evaluate(hidden, scope)
    return [masker.text(value) if isinstance(value, str) else value for value in values]
