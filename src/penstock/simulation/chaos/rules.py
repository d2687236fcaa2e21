"""What must be true of the rows after every commit; each rule is a sentence of docs/engine.md.

Written from that page, not from the engine: a mistake there is not repeated here. A rule answers
what is wrong, in words.
"""

from collections.abc import Callable, Iterator
from typing import Final

from penstock.model.runtime import Attempt, Instance
from penstock.model.status import (
    CASCADE_FAILED,
    ENDED,
    FAILURES,
    PAUSED,
    RUNNING,
    SATISFIED,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import MINUTE_MS, Instant, format_instant
from penstock.simulation.chaos.blueprint import Part
from penstock.simulation.chaos.book import Scene

ACKNOWLEDGE_MS: Final = 2 * MINUTE_MS
REPORT_MS: Final = 15 * MINUTE_MS
OWN_QUEUE: Final = ("", "@system")
"""Where the tasks stand that the server does itself: an account that is nobody's."""

Faults = Iterator[str]


def attempts_are_numbered(scene: Scene, instance: Instance, part: Part) -> Faults:
    """Attempts are numbered from 1 without a gap; only the last may be unfinished."""
    found = scene.attempts(instance)
    if [each.number for each in found] != list(range(1, instance.attempts + 1)):
        yield f"its attempts are {[each.number for each in found]}, counted {instance.attempts}"
    if any(each.status not in ENDED for each in found[:-1]):
        yield "an earlier attempt has not ended"
    if instance.status in ENDED and found and found[-1].status not in ENDED:
        yield f"it has ended, but its last attempt is {found[-1].status}"
    if part.kind != "alarm" and instance.tries > part.tries:
        yield f"it was tried {instance.tries} times, and {part.tries} are allowed"


def a_runner_is_watched(scene: Scene, instance: Instance, part: Part) -> Faults:
    """What runs has an owner, and a timer that ends the wait for it."""
    last = _last(scene, instance)
    running = last is not None and last.status == RUNNING
    if running != (instance.status == RUNNING):
        yield f"its last attempt is {last.status if last else 'not there'}"
    if not running or last is None:
        return
    timer, deadline = scene.timer("owner", instance), deadline_of(part, last)
    if timer is None:
        yield "no timer watches its owner"
    elif timer > deadline:
        yield f"its owner must be heard by {deadline}, and the timer is at {timer}"
    if scene.at_rest and deadline <= scene.now:
        yield "its owner's time is up"


def deadline_of(part: Part, attempt: Attempt) -> Instant:
    """When an owner must have been heard, or the attempt must have ended."""
    handed = attempt.handed_at or 0
    silence = handed + ACKNOWLEDGE_MS
    if attempt.acknowledged:
        report_ms = part.thing.report_timeout_ms or REPORT_MS
        silence = (attempt.reported_at or handed) + report_ms
    limit = part.thing.attempt_timeout_ms
    return silence if limit is None else min(silence, handed + limit)


def what_is_ready_is_offered(scene: Scene, instance: Instance, part: Part) -> Faults:
    """A task stands in its queue if it is ready, its pipeline runs and nobody has paused it."""
    offered = [each for each in scene.attempts(instance) if each.offered]
    should = (
        instance.status == WAITING_FOR_RUNNER
        and (scene.serving or (part.kind == "alarm" and scene.row.deleted_at is None))
        and not scene.component(instance).paused
    )
    if bool(offered) != should and not (part.kind == "alarm" and scene.row.deleted_at is not None):
        yield f"it is {'' if offered else 'not '}offered"
    queue = OWN_QUEUE
    if not part.by_server:
        queue = (scene.row.account_id, part.group_at(instance.start))
    for each in scene.attempts(instance):
        if (each.account_id, each.worker_group) != queue:
            yield f"it stands in the queue {each.account_id} {each.worker_group}, not in {queue}"
    waiting = instance.status not in ENDED | {RUNNING, PAUSED}
    if waiting and scene.component(instance).paused:
        yield "its component is paused, and it is not"


def waits_tell_the_truth(scene: Scene, instance: Instance, part: Part) -> Faults:
    """An instance waits for as many as are missing, and for nothing that it does not need."""
    waits = scene.waits.get(instance.key, [])
    unmet = sum(1 for wait in waits if wait.missing)
    if instance.unmet != unmet:
        yield f"unmet is {instance.unmet}, but {unmet} waits are not met"
    if waits and instance.status not in {WAITING_ON_DEPENDENCIES, PAUSED}:
        yield "it still has waits"
    needs = scene.plans.needs(instance)
    for wait in waits:
        starts = [each for each in needs.get(wait.target, ()) if wait.first <= each <= wait.last]
        truth = sum(is_missing(scene, wait.target, start) for start in starts)
        if truth != wait.missing:
            yield f"it waits for {wait.missing} of {wait.target}, in truth for {truth}"
    if waits and {wait.target for wait in waits} != needs.keys():
        yield f"it waits for {sorted(wait.target for wait in waits)}, and needs {sorted(needs)}"


def is_missing(scene: Scene, component: str, start: Instant) -> bool:
    """Whether an instance has not finished and is to come, or to be run again."""
    found = scene.named.get((component, start))
    if found is None:
        return scene.is_to_come(component, start)
    return found.status not in SATISFIED


def something_moves_it(scene: Scene, instance: Instance, part: Part) -> Faults:
    """What waits for nothing else waits for a time, or for a person."""
    due = instance.retry_at is not None and instance.retry_at > scene.now
    # What is paused looks at the time when it goes on.
    if due and instance.status != PAUSED:
        timer = scene.timer("retry", instance)
        if timer is None and scene.serving:
            yield "no timer knows when it is tried again"
    if instance.status != WAITING_ON_DEPENDENCIES or not scene.serving or not scene.at_rest:
        return
    if instance.unmet:
        missing = {wait.target for wait in scene.waits.get(instance.key, ()) if wait.missing}
        unmade = [each for each in missing if (each, instance.start) not in scene.named]
        if missing <= set(part.conditions) and unmade:
            yield f"it waits for nothing but {unmade}, which are not there"
    elif instance.retry_at is None and not is_held(scene, instance, part):
        yield "it waits for nothing"
    elif instance.retry_at is not None and instance.retry_at <= scene.now:
        yield f"it was to be tried again at {format_instant(instance.retry_at)}"


def is_held(scene: Scene, instance: Instance, part: Part) -> bool:
    """A precondition waits while its owner waits for something else."""
    if not part.is_condition:
        return False
    owner = scene.named[part.owner, instance.start]
    conditions = scene.part(owner).conditions
    return any(
        wait.missing and wait.target not in conditions for wait in scene.waits.get(owner.key, ())
    )


def failure_cascades(scene: Scene, instance: Instance, part: Part) -> Faults:
    """A consumer in mode cascade does not wait for what has failed; only for such does it fail."""
    if instance.status == CASCADE_FAILED and not instance.cascade_on:
        yield "it does not say what it failed with"
    if instance.status != WAITING_ON_DEPENDENCIES or not instance.unmet or not scene.serving:
        return
    for target, starts in scene.plans.needs(instance).items():
        # The output of an activity in mode cascade fails with it.
        producer = scene.plans.part(instance.version, target)
        if not part.cascade and not (target == part.producer and producer.cascade):
            continue
        for start in starts:
            found = scene.named.get((target, start))
            if found is not None and found.status in FAILURES:
                yield f"it still waits for @{target} {found.status}, in mode cascade"


def conditions_are_watched(scene: Scene, instance: Instance, part: Part) -> Faults:
    """A precondition that is being asked for has a time, and goes with its owner."""
    if not part.is_condition or instance.status in ENDED:
        return
    begun = instance.tries > 0 and not scene.component(instance).paused
    limited = part.thing.condition_timeout_ms is not None and begun and scene.serving
    if limited and scene.timer("condition", instance) is None:
        yield "no timer watches its preconditionTimeout"
    owner = scene.named[part.owner, instance.start]
    if (owner.end, owner.version) != (instance.end, instance.version):
        yield "it has another interval or version than its owner"
    if owner.status in ENDED and not instance.rerun and instance.status != RUNNING:
        yield f"its owner is {owner.status}, but it still waits"


def lateness_is_watched(scene: Scene, instance: Instance, part: Part) -> Faults:
    """What may yet be late has a timer that will tell."""
    late_ms = part.thing.late_after_ms
    if late_ms is None or part.thing.on_late is None or scene.blueprint.style == "ondemand":
        return
    last = _last(scene, instance)
    begun = last is not None and (last.number > 1 or last.handed_at or last.generation)
    if instance.status in ENDED or begun or part.kind not in {"activity", "node"}:
        return
    due = scene.blueprint.due_at((instance.start, instance.end)) + late_ms
    if due > scene.now and not instance.rerun and scene.timer("late", instance) is None:
        yield "no timer knows when it is late"


def _last(scene: Scene, instance: Instance) -> Attempt | None:
    return scene.rows.attempts.get((instance.key, instance.attempts))


OF_INSTANCES: Final[tuple[Callable[[Scene, Instance, Part], Faults], ...]] = (
    attempts_are_numbered,
    a_runner_is_watched,
    what_is_ready_is_offered,
    waits_tell_the_truth,
    something_moves_it,
    failure_cascades,
    conditions_are_watched,
    lateness_is_watched,
)


def there_is_room(scene: Scene) -> Faults:
    """At most maxActiveInstances of an activity are unfinished at once."""
    if scene.blueprint.style == "ondemand":
        return
    for component, most in scene.plans.most_active.items():
        if scene.active(component) > most:
            yield f"{component} has {scene.active(component)} active instances, allowed {most}"


def the_state_is_true(scene: Scene) -> Faults:
    """FINISHED when nothing is left; INACTIVE when nothing runs."""
    state = scene.row.state
    unfinished = [each for each in scene.instances if each.status not in ENDED]
    running = [each for each in unfinished if each.status == RUNNING]
    parts = scene.plans.parts(scene.row.version).values()
    left = any(next(scene.unmade(part), None) is not None for part in parts if not part.owner)
    if state == "FINISHED" and (unfinished or left):
        yield "it is FINISHED, and something is left to do"
    if state == "SCHEDULED" and not unfinished and not left:
        yield "nothing is left to do"
    if state == "DEACTIVATING" and not running:
        yield "nothing runs any more"
    # An alarm tells of what has happened, so it is sent all the same.
    if state == "INACTIVE" and any(scene.part(each).kind != "alarm" for each in running):
        yield "it is INACTIVE, and something runs"


def intervals_are_made_in_order(scene: Scene) -> Faults:
    """No interval is passed over, unless by a startTimestamp; and none has to wait in vain."""
    for part in scene.plans.parts(scene.row.version).values():
        if part.rhythm is None or part.owner:
            continue
        made = scene.made.get(part.id, [])
        unmade = list(scene.unmade(part))
        if made and unmade and unmade[0][0] < made[-1].start:
            yield f"{part.id}: {format_instant(unmade[0][0])} was passed over"
        if part.kind != "activity" or not scene.serving or not scene.at_rest or not unmade:
            continue
        if scene.active(part.id) >= part.max_active:
            # Whatever makes room has the intervals looked at.
            continue
        due = scene.blueprint.due_at(unmade[0])
        if due <= scene.now:
            yield f"{part.id}: {format_instant(unmade[0][0])} is due and has room, and is not made"
        elif ("tick", scene.row.key) not in scene.rows.timers:
            yield f"{part.id} has intervals left, and no timer knows when"


def nodes_come_as_far_as_they_are_used(scene: Scene) -> Faults:
    """What an instance needs of a data node is there as soon as it is due."""
    if not scene.serving or not scene.at_rest or scene.blueprint.style == "ondemand":
        return
    for instance in scene.instances:
        if instance.status in ENDED or scene.part(instance).kind != "activity":
            continue
        for target, starts in scene.plans.needs(instance).items():
            part = scene.plans.parts(scene.row.version)[target]
            if part.kind != "node" or part.rhythm is None:
                continue
            for interval in scene.unmade(part):
                if interval[0] in starts and scene.blueprint.due_at(interval) <= scene.now:
                    yield f"{instance.component} needs {target} of {format_instant(interval[0])}"


OF_PIPELINES: Final[tuple[Callable[[Scene], Faults], ...]] = (
    there_is_room,
    the_state_is_true,
    intervals_are_made_in_order,
    nodes_come_as_far_as_they_are_used,
)
