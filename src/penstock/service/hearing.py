"""Runners on resources: whoever polls a resource's own worker group, or speaks of it, is there."""

from penstock.engine.events import Heard
from penstock.model.ids import parse_resource_group
from penstock.model.runtime import Instance
from penstock.model.status import ENDED, SHUTTING_DOWN
from penstock.service.unit import Unit


def resource_of(unit: Unit, account_id: str, worker_group: str) -> Instance | None:
    """The resource that a worker group of an account belongs to; None: to none that is there."""
    named = parse_resource_group(worker_group)
    if named is None:
        return None
    pipeline_id, name = named
    pipeline = unit.store.pipeline_by_id(account_id, pipeline_id)
    if pipeline is None:
        return None
    task = unit.store.task_by_name(pipeline.key, name.component, name.start or 0)
    return task.instance if task is not None else None


def lock_for(worker_group: str) -> tuple[str, ...]:
    """What hearing a runner of a worker group may change: its pipeline, by id."""
    named = parse_resource_group(worker_group)
    return (named[0],) if named is not None else ()


def hear(unit: Unit, account_id: str, worker_group: str, hostname: str | None) -> None:
    """A runner of the worker group was heard; of other groups than resources' that says nothing."""
    resource = resource_of(unit, account_id, worker_group)
    if resource is not None:
        unit.run(Heard(resource.key, hostname))


def is_over(unit: Unit, account_id: str, worker_group: str) -> bool:
    """Whether a runner's resource is being shut down, so that the runner is to end."""
    resource = resource_of(unit, account_id, worker_group)
    return resource is not None and resource.status in {*ENDED, SHUTTING_DOWN}
