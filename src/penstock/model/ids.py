"""How instances and attempts are named, and those names read back."""

import re
from datetime import datetime

from msgspec import Struct

from penstock.model.times import Instant, format_instant, from_datetime

_RUNTIME_ID = re.compile(
    r"@(.+)_(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:_Attempt=([1-9]\d{0,8}))?", re.DOTALL
)

RESOURCE_PREFIX = "resource:"
"""Worker groups that begin so are those of resources: runners on them poll these."""


class ObjectName(Struct, frozen=True):
    """The parts of an object id; a component has no `start`, an instance no `attempt`."""

    component: str
    start: Instant | None = None
    attempt: int | None = None


def instance_id(component: str, start: Instant) -> str:
    """`@<componentId>_<scheduledStartTime>`."""
    return f"@{component}_{format_instant(start)}"


def attempt_id(component: str, start: Instant, number: int) -> str:
    """`@<componentId>_<scheduledStartTime>_Attempt=<n>`, n from 1."""
    return f"@{component}_{format_instant(start)}_Attempt={number}"


def parse_object_id(text: str) -> ObjectName | None:
    """The parts of an id, or None if it begins with `@` but names neither instance nor attempt."""
    if not text.startswith("@"):
        return ObjectName(text)
    match = _RUNTIME_ID.fullmatch(text)
    if match is None:
        return None
    component, moment, number = match.groups()
    try:
        start = from_datetime(datetime.fromisoformat(moment))
    except ValueError:
        return None
    return ObjectName(component, start, int(number) if number else None)


def resource_group(pipeline_id: str, resource: str, start: Instant) -> str:
    """The worker group of a resource's instance: `resource:<pipelineId>_<instanceId>`."""
    return f"{RESOURCE_PREFIX}{pipeline_id}_{instance_id(resource, start)}"


def parse_resource_group(worker_group: str) -> tuple[str, ObjectName] | None:
    """The pipeline's id and the resource's instance that a worker group is of; None: of none."""
    if not worker_group.startswith(RESOURCE_PREFIX):
        return None
    pipeline_id, _, name = worker_group.removeprefix(RESOURCE_PREFIX).partition("_")
    found = parse_object_id(name)
    if found is None or found.start is None or found.attempt is not None:
        return None
    return pipeline_id, found
