"""QueryObjects: ids of components, instances or attempts that match all selectors."""

from collections.abc import Callable, Iterator, Mapping

from penstock.engine.plan import Plan
from penstock.language.periods import parse_datetime
from penstock.model.api import Query, QueryObjectsAnswer, QueryObjectsRequest, Selector
from penstock.model.caller import Caller
from penstock.model.errors import DefinitionError, InvalidRequest
from penstock.model.ids import ObjectName, attempt_id, instance_id, parse_object_id
from penstock.model.runtime import Instance, Pipeline
from penstock.model.times import Instant, format_instant, from_datetime
from penstock.service.context import Context, find_pipeline
from penstock.service.operations.objects import current_plan
from penstock.store.protocol import Reader, Task

DEFAULT_LIMIT = 100
MOST_SELECTORS = 10
_CHUNK = 500

_EQUAL_FIELDS = frozenset(
    {"name", "@sphere", "parent", "@componentParent", "@instanceParent", "@status", "type"}
)
_TIME_FIELDS = frozenset(
    {"@scheduledStartTime", "@scheduledEndTime", "@actualStartTime", "@actualEndTime"}
)
_OTHER_SPELLINGS = {"CANCELLED": "CANCELED"}
"""`aws datapipeline list-runs --status cancelled` knows no other."""

_VALUES_TAKEN = {"EQ": None, "REF_EQ": None, "GE": 1, "LE": 1, "BETWEEN": 2}

Candidate = tuple[str, Mapping[str, str | None]]
"""An object's id, and the fields that selectors look at."""

Test = Callable[[Mapping[str, str | None]], bool]


async def query_objects(
    context: Context, caller: Caller, request: QueryObjectsRequest
) -> QueryObjectsAnswer:
    """A page of matching ids; the marker is the last id of the page."""
    sphere = request.sphere.upper()
    if sphere not in _CANDIDATES:
        raise InvalidRequest(
            f"sphere is {request.sphere!r}; it must be COMPONENT, INSTANCE or ATTEMPT"
        )
    limit = DEFAULT_LIMIT if request.limit is None else request.limit
    if limit < 1:
        raise InvalidRequest(f"limit is {limit}; it must be at least 1")
    tests = _tests(request.query)
    after = request.marker or None

    def ask(store: Reader) -> list[str]:
        pipeline = find_pipeline(store, caller, request.pipeline_id)
        plan = current_plan(context, store, pipeline)
        found: list[str] = []
        for object_id, fields in _CANDIDATES[sphere](store, pipeline, plan, after):
            if all(test(fields) for test in tests):
                found.append(object_id)
                if len(found) > limit:
                    break
        return found

    found = await context.read(ask)
    more = len(found) > limit
    page = found[:limit]
    return QueryObjectsAnswer(page, more, page[-1] if more else None)


def _tests(query: Query) -> list[Test]:
    if len(query.selectors) > MOST_SELECTORS:
        raise InvalidRequest(
            f"the query has {len(query.selectors)} selectors; at most {MOST_SELECTORS} are allowed"
        )
    return [_test(selector) for selector in query.selectors]


def _test(selector: Selector) -> Test:
    key, operator, values = selector.field_name, selector.operator.type, selector.operator.values
    if operator not in _VALUES_TAKEN:
        raise InvalidRequest(
            f"operator {operator!r} is not known; use EQ, REF_EQ, LE, GE or BETWEEN"
        )
    taken = _VALUES_TAKEN[operator]
    if not values or (taken is not None and len(values) != taken):
        raise InvalidRequest(
            f"{operator} on {key!r} takes {taken or 'one or more'} value(s); {len(values)} given"
        )
    if operator in {"EQ", "REF_EQ"}:
        if key not in _EQUAL_FIELDS | _TIME_FIELDS:
            raise InvalidRequest(
                f"{operator} cannot select by {key!r}; use one of "
                f"{', '.join(sorted(_EQUAL_FIELDS | _TIME_FIELDS))}"
            )
        wanted = frozenset(_normal(key, value) for value in values)
        return lambda fields: fields.get(key) in wanted
    if key not in _TIME_FIELDS:
        raise InvalidRequest(
            f"{operator} cannot select by {key!r}; use one of {', '.join(sorted(_TIME_FIELDS))}"
        )
    bounds = [_normal(key, value) for value in values]
    return _between(
        key,
        bounds[0] if operator != "LE" else None,
        bounds[-1] if operator != "GE" else None,
    )


def _between(key: str, low: str | None, high: str | None) -> Test:
    def test(fields: Mapping[str, str | None]) -> bool:
        value = fields.get(key)
        return (
            value is not None and (low is None or value >= low) and (high is None or value <= high)
        )

    return test


def _normal(key: str, value: str) -> str:
    """Times are compared as the API spells them, which sorts as they do."""
    if key == "@status":
        return _OTHER_SPELLINGS.get(value, value)
    if key not in _TIME_FIELDS:
        return value
    try:
        return format_instant(from_datetime(parse_datetime(value)))
    except DefinitionError as error:
        raise InvalidRequest(f"the value of {key} is no time: {error}") from None


def _components(
    store: Reader, pipeline: Pipeline, plan: Plan, after: str | None
) -> Iterator[Candidate]:
    rows = {row.id: row for row in store.components(pipeline.key)} if pipeline.version else {}
    names = list(plan.resolved.objects)
    start = names.index(after) + 1 if after in plan.resolved.objects else 0
    for name in names[start:]:
        item = plan.resolved.objects[name]
        own = [rows[key] for key in (plan.attached_to(name) or [name]) if key in rows]
        paused = all(row.paused for row in own)
        status = None if not own else "PAUSED" if paused else "SCHEDULED"
        yield (
            name,
            {
                "name": item.name,
                "@sphere": "COMPONENT",
                "type": item.type,
                "parent": item.ref("parent"),
                "@status": status,
            },
        )


def _marker(after: str | None) -> ObjectName:
    if after is None:
        return ObjectName("", 0, 0)
    name = parse_object_id(after)
    if name is None or name.start is None:
        raise InvalidRequest(f"marker {after!r} is not one that QueryObjects gave")
    return name


def _instances(
    store: Reader, pipeline: Pipeline, plan: Plan, after: str | None
) -> Iterator[Candidate]:
    mark = _marker(after)
    component, start = mark.component, mark.start or 0
    while chunk := store.instances_after(pipeline.key, component, start, _CHUNK):
        for instance in chunk:
            name = instance_id(instance.component, instance.start)
            yield name, _instance_fields(plan, name, instance, "INSTANCE", instance.status)
        component, start = chunk[-1].component, chunk[-1].start


def _attempts(
    store: Reader, pipeline: Pipeline, plan: Plan, after: str | None
) -> Iterator[Candidate]:
    mark = _marker(after)
    component, start, number = mark.component, mark.start or 0, mark.attempt or 0
    while chunk := store.attempts_after(pipeline.key, component, start, number, _CHUNK):
        for task in chunk:
            yield _attempt(plan, task)
        last = chunk[-1]
        component, start = last.instance.component, last.instance.start
        number = last.attempt.number if last.attempt is not None else 0


def _attempt(plan: Plan, task: Task) -> Candidate:
    instance, attempt = task.instance, task.attempt
    if attempt is None:
        raise LookupError("a page of attempts holds attempts")
    name = attempt_id(instance.component, instance.start, attempt.number)
    fields = _instance_fields(plan, name, instance, "ATTEMPT", attempt.status)
    return name, {
        **fields,
        "@instanceParent": instance_id(instance.component, instance.start),
        "@actualStartTime": format_instant(attempt.handed_at or attempt.ready_at),
        "@actualEndTime": _time(attempt.ended_at),
    }


def _instance_fields(
    plan: Plan, name: str, instance: Instance, sphere: str, status: str
) -> dict[str, str | None]:
    component = plan.components.get(instance.component)
    parent = component.object_id if component is not None else instance.component
    return {
        "name": name,
        "@sphere": sphere,
        "parent": parent,
        "@componentParent": parent,
        "@status": status,
        "@scheduledStartTime": format_instant(instance.start),
        "@scheduledEndTime": format_instant(instance.end),
        "@actualStartTime": format_instant(instance.due_at),
        "@actualEndTime": _time(instance.ended_at),
    }


def _time(instant: Instant | None) -> str | None:
    return format_instant(instant) if instant is not None else None


_CANDIDATES: dict[str, Callable[[Reader, Pipeline, Plan, str | None], Iterator[Candidate]]] = {
    "COMPONENT": _components,
    "INSTANCE": _instances,
    "ATTEMPT": _attempts,
}
