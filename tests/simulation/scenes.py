"""Small definitions, and short ways to look at what became of them."""

from penstock.engine.plan import SYSTEM_GROUP
from penstock.model.api import (
    PollForTaskAnswer,
    ReportTaskProgressRequest,
    SetTaskStatusRequest,
    TaskObject,
)
from penstock.model.caller import Caller
from penstock.model.ids import instance_id
from penstock.model.runtime import Instance
from penstock.model.times import HOUR_MS, MINUTE_MS, Instant, format_instant
from penstock.service.dispatcher import Poll
from penstock.service.system import SYSTEM
from penstock.simulation.world import CALLER, World

T0: Instant = 1_700_006_400_000
"""2023-11-15T00:00:00, a Wednesday."""

END_OF_TIME = T0 + 1_000 * 24 * HOUR_MS

Thing = dict[str, object]


def refs(*ids: str) -> list[Thing]:
    return [{"ref": each} for each in ids]


def schedule(period: str = "1 hour", start: Instant = T0, name: str = "Hourly", **fields) -> Thing:
    given = {"startDateTime": format_instant(start)} | fields
    return {"id": name, "type": "Schedule", "period": period, **given}


def default(style: str = "cron", when: str | None = "Hourly", **fields) -> Thing:
    found: Thing = {"id": "Default", "scheduleType": style, "workerGroup": "workers", **fields}
    if when is not None:
        found["schedule"] = {"ref": when}
    return found


def activity(name: str, *after: str, **fields) -> Thing:
    """An activity that depends on others; fields by their names, references as lists of ids."""
    found: Thing = {"id": name, "type": "ShellCommandActivity", "command": "true"}
    for key, value in fields.items():
        found[key] = refs(*value) if isinstance(value, tuple) else value
    if after:
        found["dependsOn"] = refs(*after)
    return found


def node(name: str, **fields) -> Thing:
    found: Thing = {"id": name, "type": "S3DataNode", "directoryPath": f"s3://bucket/{name}"}
    for key, value in fields.items():
        found[key] = refs(*value) if isinstance(value, tuple) else value
    return found


def thing(name: str, kind: str, **fields) -> Thing:
    """An object of any type; references as lists of ids."""
    found: Thing = {"id": name, "type": kind}
    for key, value in fields.items():
        found[key] = refs(*value) if isinstance(value, tuple) else value
    return found


def condition(name: str, **fields) -> Thing:
    """A precondition that a runner evaluates."""
    return thing(name, "ShellCommandPrecondition", **({"command": "test -e x"} | fields))


def key_exists(name: str, **fields) -> Thing:
    """A precondition that the server evaluates."""
    return thing(name, "S3KeyExists", **({"role": "r", "s3Key": "s3://bucket/key"} | fields))


def machine(name: str, **fields) -> Thing:
    """A resource."""
    return thing(name, "Ec2Resource", **({"role": "r", "resourceRole": "r"} | fields))


def alarm(name: str, **fields) -> Thing:
    given = {"role": "r", "topicArn": "arn:aws:sns:x", "subject": "s", "message": "m"}
    return thing(name, "SnsAlarm", **(given | fields))


def hourly(*objects: Thing, occurrences: int | None = None, style: str = "cron", **fields):
    """Objects on one hourly schedule from T0; `fields` go to the Default object."""
    ends = {} if occurrences is None else {"occurrences": str(occurrences)}
    return [default(style, **fields), schedule(**ends), *objects]


def on_demand(*objects: Thing, **fields):
    return [default("ondemand", None, **fields), *objects]


def statuses(world: World, pipeline: str, component: str | None = None) -> list[str]:
    return [each.status for each in world.instances(pipeline, component)]


def instance(world: World, pipeline: str, component: str, hour: float = 0) -> Instance:
    start = T0 + int(hour * HOUR_MS)
    return next(i for i in world.instances(pipeline, component) if i.start == start)


def name_of(component: str, hour: float = 0) -> str:
    return instance_id(component, T0 + int(hour * HOUR_MS))


def starts(world: World, pipeline: str, component: str) -> list[float]:
    """The starts of a component's instances, in hours after T0."""
    return [(each.start - T0) / HOUR_MS for each in world.instances(pipeline, component)]


def state(world: World, pipeline: str) -> str:
    return world.pipeline(pipeline).state


def wait(world: World, hours: float = 0, minutes: float = 0) -> None:
    world.advance_to(world.now + int(hours * HOUR_MS) + int(minutes * MINUTE_MS))


class Hand:
    """A runner worked by hand: each step is the test's to make."""

    def __init__(
        self, world: World, worker_group: str = "workers", caller: Caller = CALLER
    ) -> None:
        self.world = world
        self.caller = caller
        self.queue = (caller.account_id, worker_group)
        self.got: list[TaskObject] = []

    def poll(self) -> TaskObject | None:
        """A task, or None: then the poll waits, and what it gets is put to `got`."""

        def delivered(answer: PollForTaskAnswer) -> None:
            assert answer.task_object is not None
            self.got.append(answer.task_object)

        poll = Poll(self.queue, "hand", delivered)
        answer = self.world.execute(lambda unit: self.world.dispatcher.arrive(unit, poll))
        return answer.task_object if answer is not None else None

    def poll_once(self) -> TaskObject | None:
        """A task, or None; the poll does not wait."""
        poll = Poll(self.queue, "hand", lambda answer: None)
        answer = self.world.execute(lambda unit: self.world.dispatcher.arrive(unit, poll))
        self.world.dispatcher.leave(poll)
        return answer.task_object if answer is not None else None

    def take(self) -> TaskObject:
        task = self.poll_once()
        assert task is not None, "no task is offered"
        return task

    def report(self, task: TaskObject) -> bool:
        """Acknowledge or report; whether to stop."""
        return self.world.call(
            "ReportTaskProgress", ReportTaskProgressRequest(task.task_id), self.caller
        ).canceled

    def end(self, task: TaskObject, status: str = "FINISHED", error: str | None = None) -> None:
        request = SetTaskStatusRequest(task.task_id, status, error, error, error)
        self.world.call("SetTaskStatus", request, self.caller)


class Server(Hand):
    """The server's own runner, worked by hand: system-managed preconditions and alarms."""

    def __init__(self, world: World) -> None:
        super().__init__(world, SYSTEM_GROUP, SYSTEM)
