"""Why an instance does not go on, or did not end well: one sentence, and what to do about it.

`explain` is a pure function over a *situation*: the instance, what it waits for, what that waits
for, and so on to the cause at the end of the chain. `Explainer` gathers situations from the store.
"""

from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.creation import due_at
from penstock.engine.plan import PRECONDITIONS, RESOURCE, SERVICE_PREFIX, Component, Plan
from penstock.model.compute import Machine, machine_of
from penstock.model.ids import instance_id, parse_object_id, resource_group
from penstock.model.runtime import Attempt, Instance, Pipeline
from penstock.model.status import (
    ACTIVATING,
    CANCELED,
    CASCADE_FAILED,
    CREATING,
    ENDED,
    FAILED,
    FINISHED,
    PAUSED,
    RUNNING,
    SATISFIED,
    SHUTTING_DOWN,
    SKIPPED,
    TIMEDOUT,
    VALIDATING,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import Instant, format_instant
from penstock.service.audit import SET_STATUS
from penstock.service.context import Context
from penstock.service.dispatcher import LATELY_MS, RUNNERS_KEPT_DAYS
from penstock.service.masking import Masker
from penstock.store.protocol import Reader, Task

LONGEST_CHAIN = 40
"""Links that are followed; a longer chain is cut before its end."""

LONGEST_MESSAGE = 300

PAUSE = "PAUSE"
FALSE = "FALSE"
"""The history line of a precondition that was asked and not met."""

Tie = Literal["waits", "room", "cascade", "serves"]
"""How a link hangs on the next: it waits for it, has no room beside it, failed with it, or is the
resource that it runs on.
"""


class Link(Struct, frozen=True):
    """An instance in a chain; `instance` is None if it is not made yet, `due_at` when it will be.

    `tie` says how it hangs on the next link, `others` how many more it waits for besides;
    `falses` how often a precondition was not met.
    """

    name: str
    component: Component
    instance: Instance | None = None
    attempt: Attempt | None = None
    due_at: Instant | None = None
    tie: Tie | None = None
    others: int = 0
    falses: int = 0
    paused_at: Instant | None = None
    paused_by: str = ""


class Asked(Struct, frozen=True):
    """When runners last asked for tasks of a worker group; None: not for RUNNERS_KEPT_DAYS."""

    last_at: Instant | None


class Situation(Struct, frozen=True):
    """A pipeline, a chain from an instance to what holds it up, and who asks for its tasks."""

    pipeline: Pipeline
    chain: tuple[Link, ...]
    asked: Asked
    now: Instant


class Told(Struct, frozen=True):
    """What is the matter (a phrase that follows a name), and what a person can do, if anything."""

    cause: str
    remedy: str = ""


def explain(situation: Situation) -> str | None:
    """The explanation of the chain's first link; None if there is nothing to explain."""
    told = tell(situation)
    return None if told is None else _sentences(told)


def tell(situation: Situation) -> Told | None:
    """The same in its two parts."""
    first = situation.chain[0]
    instance = first.instance
    if instance is None or instance.status in SATISFIED:
        return None
    if situation.pipeline.state != "SCHEDULED" and _would_go_on(instance):
        return _held(situation.pipeline, first)
    *way, last = situation.chain
    told = _TELL[last.instance.status](last, situation) if last.instance else _not_made(last)
    for link in reversed(way):
        told = replace(told, cause=_tied(link, told.cause, situation))
    return told


def _would_go_on(instance: Instance) -> bool:
    return instance.status in {WAITING_ON_DEPENDENCIES, WAITING_FOR_RUNNER, PAUSED}


def _sentences(told: Told) -> str:
    cause = told.cause[0].upper() + told.cause[1:]
    end = "" if cause.endswith((".", "!", "?")) else "."
    return f"{cause}{end} {told.remedy}" if told.remedy else f"{cause}{end}"


def _tied(link: Link, cause: str, situation: Situation) -> str:
    """The cause seen from one link earlier in the chain."""
    follower = situation.chain[situation.chain.index(link) + 1]
    if link.tie == "room":
        most = link.component.max_active
        return (
            f"is not made yet, because {most} of {link.component.id} are unfinished "
            f"(maxActiveInstances), the oldest of them {follower.name}, which {cause}"
        )
    if link.tie == "serves":
        return f"{_serving(link)}: {follower.name}, which runs on it, {cause}"
    if link.tie == "cascade":
        return f"failed because of {follower.name}, which {cause}"
    more = f" (and {link.others} more)" if link.others else ""
    return f"waits for {follower.name}{more}, which {cause}"


def _held(pipeline: Pipeline, link: Link) -> Told:
    if pipeline.state == "DEACTIVATING":
        return Told(
            "is held: the pipeline is being deactivated", "Activate it again, once INACTIVE."
        )
    since = ""
    if pipeline.state == "INACTIVE" and pipeline.last_deactivated_at is not None:
        since = f" since it was deactivated at {format_instant(pipeline.last_deactivated_at)}"
    paused = link.instance is not None and link.instance.status == PAUSED
    also = f" It is paused besides: set RESUME on {link.component.id}." if paused else ""
    why = f"is held: the pipeline is {pipeline.state}{since}"
    return Told(why, f"Activate it to go on.{also}")


def _not_made(link: Link) -> Told:
    if link.due_at is None:
        return Told("is not made yet")
    return Told(f"is due at {format_instant(link.due_at)}")


def _waiting(link: Link, situation: Situation) -> Told:
    instance = link.instance
    assert instance is not None
    if instance.retry_at is not None and link.falses:
        times = "once" if link.falses == 1 else f"{link.falses} times"
        return Told(
            f"was not met when it was asked ({times}); it is asked again at "
            f"{format_instant(instance.retry_at)}"
        )
    if instance.retry_at is not None:
        number = link.attempt.number if link.attempt is not None else instance.attempts
        return Told(
            f"failed in attempt {number}{_with(instance)} and is tried again at "
            f"{format_instant(instance.retry_at)}"
        )
    if instance.unmet:
        return Told("waits for others")
    if link.component.category == RESOURCE:
        return Told(_serving(link))
    return Told("waits for nothing any more, and is about to go on")


def _for_runner(link: Link, situation: Situation) -> Told:
    attempt, asked = link.attempt, situation.asked
    group = attempt.worker_group if attempt is not None else link.component.worker_group
    since = f" since {format_instant(attempt.ready_at)}" if attempt is not None else ""
    if not group:
        return Told(
            "has no worker group, so no runner will ever get it",
            f"Give {link.component.id} a workerGroup and activate the pipeline again.",
        )
    if group.startswith(SERVICE_PREFIX):
        return Told(f"has been ready{since} for the server itself to do it")
    waiting = f"has been ready{since}, and"
    if asked.last_at is None:
        return Told(
            f"{waiting} no runner has asked for tasks of worker group {group!r} in the last "
            f"{RUNNERS_KEPT_DAYS} days",
            f"Start one: penstock runner --workerGroup {group}",
        )
    last = format_instant(asked.last_at)
    long_ago = situation.now - asked.last_at > LATELY_MS
    if long_ago or (attempt is not None and asked.last_at < attempt.ready_at):
        return Told(
            f"{waiting} no runner has asked for tasks of worker group {group!r} since {last}",
            "If its runners are not busy with other tasks, start one: "
            f"penstock runner --workerGroup {group}",
        )
    return Told(
        f"{waiting} waits for its turn: runners of worker group {group!r} last asked at {last}"
    )


def _running(link: Link, situation: Situation) -> Told:
    instance, attempt = link.instance, link.attempt
    assert instance is not None
    if link.component.category == RESOURCE:
        return Told(_serving(link))
    since = ""
    if attempt is not None and attempt.handed_at is not None:
        where = f" on {attempt.hostname}" if attempt.hostname else ""
        since = f"{where} since {format_instant(attempt.handed_at)} (attempt {attempt.number})"
    if instance.cancel_reason is not None:
        return Told(
            f"runs{since} and is to stop ({instance.cancel_reason}), which its runner learns with "
            "its next report"
        )
    if attempt is not None and not attempt.acknowledged:
        return Told(f"was handed to a runner{since}, which has not acknowledged it yet")
    heard = attempt.reported_at if attempt is not None else None
    last = f", last heard of at {format_instant(heard)}" if heard is not None else ""
    return Told(f"runs{since}{last}")


def _serving(link: Link) -> str:
    """How a resource stands that is there, or is not started yet."""
    instance, attempt = link.instance, link.attempt
    if instance is None or instance.status != RUNNING:
        return "is not started before something that runs on it waits for nothing else"
    heard = attempt.reported_at if attempt is not None else None
    last = f" (its runner was last heard at {format_instant(heard)})" if heard else ""
    return f"is there{last}, and stays while something may need it"


def _paused(link: Link, situation: Situation) -> Told:
    at = f" at {format_instant(link.paused_at)}" if link.paused_at is not None else ""
    by = f" by {link.paused_by}" if link.paused_by else ""
    return Told(f"was paused{by}{at}", f"To go on, set RESUME on {link.component.id}.")


def _failed(link: Link, situation: Situation) -> Told:
    instance = link.instance
    assert instance is not None
    at = f" at {format_instant(instance.ended_at)}" if instance.ended_at is not None else ""
    if not instance.attempts:
        how = f"failed{at}, before a runner could get it,{_with(instance)}"
    elif instance.tries > link.component.max_retries:
        how = f"failed{at} in attempt {instance.attempts}, its last,{_with(instance)}"
    else:
        how = f"failed for good{at} in attempt {instance.attempts}{_with(instance)}"
    return Told(how.rstrip(","), _again(link, "Mend that, then set"))


def _again(link: Link, begin: str) -> str:
    return f"{begin} RERUN on {link.name}, or MARK_FINISHED to go on without it."


def _with(instance: Instance) -> str:
    """` with <errorId>: <message>`, on one line of bounded length."""
    message = " ".join((instance.error_message or "").split()).removesuffix(".")
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    parts = [part for part in (instance.error_id, message) if part]
    return f" with {': '.join(parts)}" if parts else ""


def _cascaded(link: Link, situation: Situation) -> Told:
    instance = link.instance
    assert instance is not None
    culprit = instance.cascade_on or "something that it depends on"
    return Told(f"failed because of {culprit}", _again(link, "Once that is mended, set"))


def _canceled(link: Link, situation: Situation) -> Told:
    instance = link.instance
    assert instance is not None
    at = f" at {format_instant(instance.ended_at)}" if instance.ended_at is not None else ""
    reason = f" ({instance.cancel_reason})" if instance.cancel_reason else ""
    if instance.revive:
        return Told(f"was cancelled{at}{reason}", "Activating the pipeline again reruns it.")
    return Told(f"was cancelled{at}{reason}", _again(link, "Set"))


def _timed_out(link: Link, situation: Situation) -> Told:
    instance = link.instance
    assert instance is not None
    at = f" at {format_instant(instance.ended_at)}" if instance.ended_at is not None else ""
    return Told(
        f"ran out of time{at}{_with(instance)}",
        "A longer terminateAfter holds for intervals that are made after it is activated; to try "
        f"this one again as it is, set RERUN on {link.name}.",
    )


def _resource(link: Link, situation: Situation) -> Told:
    """A resource on its way up or down."""
    instance, attempt = link.instance, link.attempt
    assert instance is not None
    machine = machine_of(attempt.fields if attempt is not None else None)
    number = f" (attempt {instance.attempts})" if instance.attempts > 1 else ""
    if instance.status == SHUTTING_DOWN:
        stubborn = _with(instance) if machine.faults else ""
        return Told(f"is being shut down{number}{stubborn}")
    fault = ""
    if machine.faults:
        times = "once" if machine.faults == 1 else f"{machine.faults} times"
        fault = (
            f", which met a fault {times}; it is tried again at {format_instant(machine.step_at)}"
        )
    if instance.status == VALIDATING:
        return Told(f"is being checked by its provider{number}{fault}")
    if instance.status == CREATING:
        return Told(f"is being created{number}{_since(machine)}{fault}")
    group = resource_group(situation.pipeline.id, instance.component, instance.start)
    return Told(
        f"is up{number}{_since(machine)}, and no runner on it has asked for tasks of worker group "
        f"{group!r} yet"
    )


def _since(machine: Machine) -> str:
    return "" if machine.began_at is None else f" since {format_instant(machine.began_at)}"


def _ended(link: Link, situation: Situation) -> Told:
    return Told("has just ended")


_TELL: Final[dict[str, Callable[[Link, Situation], Told]]] = {
    WAITING_ON_DEPENDENCIES: _waiting,
    WAITING_FOR_RUNNER: _for_runner,
    RUNNING: _running,
    PAUSED: _paused,
    FAILED: _failed,
    CASCADE_FAILED: _cascaded,
    CANCELED: _canceled,
    TIMEDOUT: _timed_out,
    FINISHED: _ended,
    SKIPPED: _ended,
    VALIDATING: _resource,
    CREATING: _resource,
    ACTIVATING: _resource,
    SHUTTING_DOWN: _resource,
}


class Explainer:
    """Explains instances of one pipeline, on one view of the store.

    `plan_of` gives the plan of a version, `asked` when a task's worker group was last asked for,
    `masked` strikes secrets out of a version's texts.
    """

    def __init__(
        self,
        store: Reader,
        pipeline: Pipeline,
        plan_of: Callable[[int], Plan],
        asked: Callable[[Attempt | None], Asked],
        masked: Callable[[int, str], str],
        now: Instant,
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._plan_of = plan_of
        self._asked = asked
        self._masked = masked
        self._now = now
        self._next: dict[int, tuple[Link, Task | Link | None]] = {}
        """What an instance hangs on: many hang on the same."""

    def explain(self, task: Task) -> str | None:
        """One sentence and a remedy; None if the instance has finished or was skipped."""
        if task.instance.status in SATISFIED:
            return None
        situation = self.situation(task)
        text = explain(situation)
        versions = {link.instance.version for link in situation.chain if link.instance}
        for version in versions if text is not None else ():
            text = self._masked(version, text or "")
        return text

    def situation(self, task: Task) -> Situation:
        """The chain from an instance to what holds it up."""
        chain: list[Link] = []
        current: Task | Link | None = task
        while current is not None and len(chain) < LONGEST_CHAIN:
            if isinstance(current, Link):
                chain.append(current)
                current = self._oldest_unfinished(current) if current.tie == "room" else None
                continue
            link, current = self._follow(current)
            chain.append(link)
        if chain[-1].tie is not None:
            chain[-1] = replace(chain[-1], tie=None)
        asked = self._asked(chain[-1].attempt)
        return Situation(self._pipeline, tuple(chain), asked, self._now)

    def _follow(self, task: Task) -> tuple[Link, Task | Link | None]:
        key = task.instance.key
        if key not in self._next:
            self._next[key] = self._look(task)
        return self._next[key]

    def _look(self, task: Task) -> tuple[Link, Task | Link | None]:
        """An instance as a link, and what it hangs on."""
        instance = task.instance
        component = self._component(instance)
        name = instance_id(instance.component, instance.start)
        link = Link(name, component, instance, task.attempt)
        if instance.status == CASCADE_FAILED and instance.cascade_on:
            culprit = self._by_name(instance.cascade_on)
            return replace(link, tie="cascade" if culprit else None), culprit
        if instance.status == PAUSED:
            return self._with_pause(link, instance), None
        if component.category in PRECONDITIONS:
            owner = self._held_by(instance, component)
            if owner is not None:
                return replace(link, tie="waits"), owner
            link = replace(link, falses=self._falses(task))
        if component.category == RESOURCE and instance.retry_at is None:
            user = self._user_held_up(instance)
            return replace(link, tie="serves" if user else None), user
        if instance.status == WAITING_ON_DEPENDENCIES and instance.unmet:
            obstacle, others = self._obstacle(instance)
            return replace(link, tie="waits" if obstacle else None, others=others), obstacle
        return link, None

    def _user_held_up(self, resource: Instance) -> Task | None:
        """The first that runs on a resource and is held up by something else."""
        if resource.status not in {WAITING_ON_DEPENDENCIES, RUNNING}:
            return None
        plan = self._plan_of(self._pipeline.version)
        for name in plan.components[resource.component].dependents:
            for user in self._store.unfinished(resource.pipeline, name):
                if plan.resource_start(plan.components[name], user.start) != resource.start:
                    continue
                waits = self._store.waits_of(user.key)
                if any(wait.missing and wait.target != resource.component for wait in waits):
                    return self._store.task(user.key)
        return None

    def _held_by(self, instance: Instance, component: Component) -> Task | None:
        """The owner of a precondition that is not asked yet, as its owner waits for others too."""
        if instance.status != WAITING_ON_DEPENDENCIES or instance.tries:
            return None
        owner = self._store.task_by_name(instance.pipeline, component.owner, instance.start)
        if owner is None:
            return None
        around = self._component(owner.instance)
        last = {*around.preconditions, around.resource}
        waits = self._store.waits_of(owner.instance.key)
        others = any(wait.missing and wait.target not in last for wait in waits)
        return owner if others else None

    def _component(self, instance: Instance) -> Component:
        return self._plan_of(instance.version).components[instance.component]

    def _by_name(self, object_id: str) -> Task | None:
        name = parse_object_id(object_id)
        if name is None or name.start is None:
            return None
        return self._store.task_by_name(self._pipeline.key, name.component, name.start)

    def _with_pause(self, link: Link, instance: Instance) -> Link:
        """Who paused it: the component's history knows, the instance's own says when."""
        lines = self._store.history(instance.pipeline, instance.component, None)
        commands = (line for line in reversed(lines) if line.what == SET_STATUS)
        last = next((line for line in commands if line.detail == PAUSE), None)
        if last is not None:
            return replace(link, paused_at=last.at, paused_by=last.user_name)
        own = self._store.history(instance.pipeline, instance.component, instance.start)
        at = next((line.at for line in reversed(own) if line.what == PAUSED), None)
        return replace(link, paused_at=at)

    def _falses(self, task: Task) -> int:
        """How often the precondition said FALSE in its latest attempt."""
        instance, attempt = task.instance, task.attempt
        if attempt is None or instance.retry_at is None or attempt.ended_at is not None:
            return 0
        lines = self._store.history(instance.pipeline, instance.component, instance.start)
        return sum(line.what == FALSE and line.attempt == attempt.number for line in lines)

    def _obstacle(self, instance: Instance) -> tuple[Task | Link | None, int]:
        """What an instance waits for: what has failed before what may still come.

        Also how many more it waits for.
        """
        own = self._component(instance)
        waits = [wait for wait in self._store.waits_of(instance.key) if wait.missing]
        others = max(sum(wait.missing for wait in waits) - 1, 0)
        for wait in waits:
            if wait.target == own.resource and instance.rerun:
                # It will be started anew.
                continue
            state = self._store.range_state(wait.pipeline, wait.target, wait.first, wait.last)
            if state.failed_start is not None:
                failed = self._store.task_by_name(wait.pipeline, wait.target, state.failed_start)
                return failed, others
        # Preconditions and the resource come last: they are made when nothing else is missing.
        last = [*own.preconditions, own.resource]
        for wait in sorted(
            waits, key=lambda wait: last.index(wait.target) if wait.target in last else -1
        ):
            found = self._first_missing(instance, wait.target)
            if found is not None:
                return found, others
        return None, others

    def _first_missing(self, instance: Instance, target: str) -> Task | Link | None:
        plan = self._plan_of(instance.version)
        needed = plan.range_of(self._component(instance), instance.start, instance.end, target)
        for start in plan.starts_in(needed) if needed is not None else []:
            task = self._store.task_by_name(instance.pipeline, target, start)
            if task is None and self._will_come(plan.components[target], start):
                return self._to_come(plan.components[target], start)
            if task is not None and plan.components[target].category == RESOURCE:
                return self._resource(task)
            if task is not None and task.instance.status not in SATISFIED:
                return task
        return None

    def _resource(self, task: Task) -> Task | Link:
        """A resource that is waited for. One that had ended comes back, unless it is paused."""
        instance = task.instance
        row = self._store.component(instance.pipeline, instance.component)
        if instance.status not in ENDED or row is None or not row.paused:
            return task
        held = replace(instance, status=PAUSED)
        name = instance_id(instance.component, instance.start)
        return self._with_pause(Link(name, self._component(instance), held), held)

    def _will_come(self, component: Component, start: Instant) -> bool:
        """Whether an interval without an instance gets one: some are passed over, or cut off."""
        if component.schedule is None or component.owner:
            return True
        row = self._store.component(self._pipeline.key, component.id)
        schedule = self._plan_of(self._pipeline.version).components[component.id].schedule
        if row is None or schedule is None or not row.open or start < row.next_start:
            return False
        return schedule.has(schedule.index(start))

    def _to_come(self, component: Component, start: Instant) -> Link:
        """An instance that is not made yet: it is not due, or it has no room."""
        name, schedule = instance_id(component.id, start), component.schedule
        if schedule is None or component.owner:
            return Link(name, component)
        due = due_at(component, schedule, schedule.index(start))
        return Link(name, component, due_at=due, tie="room" if due <= self._now else None)

    def _oldest_unfinished(self, link: Link) -> Task | None:
        unfinished = self._store.unfinished(self._pipeline.key, link.component.id)
        if not unfinished:
            return None
        return self._store.task(min(unfinished, key=lambda each: each.start).key)


def explainer(
    context: Context, store: Reader, pipeline: Pipeline, masker: Callable[[Plan], Masker]
) -> Explainer:
    """An explainer with the server's parts; `masker` strikes out the secrets of a plan."""

    def plan_of(version: int) -> Plan:
        return context.definitions.plan(store, pipeline, version)

    def asked(attempt: Attempt | None) -> Asked:
        if attempt is None:
            return Asked(None)
        queue = (attempt.account_id, attempt.worker_group)
        # This server knows it to the second, the store, for all of them, to the minute.
        known = (context.dispatcher.last_poll(queue), store.last_poll(*queue))
        return Asked(max((at for at in known if at is not None), default=None))

    def masked(version: int, text: str) -> str:
        return masker(plan_of(version)).text(text)

    return Explainer(store, pipeline, plan_of, asked, masked, context.clock())
