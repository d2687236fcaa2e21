"""New instances: which are due and have room, and what each waits for."""

from msgspec.structs import replace

from penstock.engine.events import (
    Advance,
    Await,
    Change,
    CheckPipeline,
    Create,
    Decision,
    DropWaits,
    Evaluate,
    Event,
    HastenTimer,
    InsertInstance,
    PutComponent,
    PutWait,
    SetTimer,
    Settled,
    TendResource,
    UpdateInstance,
)
from penstock.engine.intervals import Schedule
from penstock.engine.lifecycle import end_instance, move, ready, record
from penstock.engine.plan import ACTIVITY, DATA_NODE, RESOURCE, Component, Plan
from penstock.engine.views import AdvanceView, CreateView, Rules
from penstock.model.runtime import ComponentRow, Instance, Timer, Wait
from penstock.model.status import (
    CANCELED,
    CASCADE_FAILED,
    ENDED,
    PAUSED,
    WAITING_ON_DEPENDENCIES,
    Status,
)
from penstock.model.times import Instant

_AS_USED = frozenset({DATA_NODE, RESOURCE})
"""What is made as far as the activities that use it have come."""

NODES_PER_ADVANCE = 1_000
"""How many instances of one data node are made in one step; a longer row takes several."""


def advance(view: AdvanceView, event: Advance, now: Instant, rules: Rules) -> Decision:
    """Make what is due: activities as far as they have room, data nodes as far as they are used.

    A data node often has nothing to wait for, so it would never be held back by
    `maxActiveInstances`; it goes no further than the activities that use it (ours: a backfill of
    a million intervals must not make a million rows at activation).
    """
    if view.pipeline.state != "SCHEDULED" or view.plan.on_demand:
        return Decision()
    steps = _Steps(view, now)
    for component in view.plan.components.values():
        if component.category == ACTIVITY and component.id in view.rows:
            steps.advance_activity(component)
    for component in view.plan.components.values():
        if component.category in _AS_USED and component.id in view.rows:
            steps.advance_node(component)
    return steps.decision()


def due_at(component: Component, schedule: Schedule, k: int) -> Instant:
    """When the k-th interval is due: its start (cron) or its end (timeseries)."""
    return schedule.start(k) if component.cron else schedule.start(k + 1)


class _Steps:
    """Collects the steps of one `advance`; rows are replaced as they move on."""

    def __init__(self, view: AdvanceView, now: Instant) -> None:
        self.plan = view.plan
        self.pipeline = view.pipeline
        self.rows = dict(view.rows)
        self.before = view.rows
        self.resources = view.resources
        self.now = now
        self.creates: dict[str, list[Create]] = {}
        self.next_due: Instant | None = None
        self.more = False

    def advance_activity(self, component: Component) -> None:
        row = self.rows[component.id]
        schedule = component.schedule
        if schedule is None or not row.open:
            return
        k = schedule.first_from(row.next_start)
        made = 0
        while schedule.has(k) and due_at(component, schedule, k) <= self.now:
            if row.active + made >= component.max_active:
                break
            self._create(component, schedule, k)
            made += 1
            k += 1
        # Full or not: room may come before the next interval is due, and nothing else would look.
        if schedule.has(k) and due_at(component, schedule, k) > self.now:
            self._look_again(due_at(component, schedule, k))
        self._store(row, schedule, k, schedule.has(k), row.active + made)

    def advance_node(self, component: Component) -> None:
        row = self.rows[component.id]
        schedule = component.schedule
        if schedule is None or not row.open:
            return
        horizon, users_open = self._horizon(component)
        k = schedule.first_from(row.next_start)
        made = 0
        while schedule.has(k) and schedule.start(k) < horizon:
            if due_at(component, schedule, k) > self.now:
                self._look_again(due_at(component, schedule, k))
                break
            if made == NODES_PER_ADVANCE:
                self.more = True
                break
            self._create(component, schedule, k)
            made += 1
            k += 1
        still_open = schedule.has(k) and (users_open or schedule.start(k) < horizon)
        self._store(row, schedule, k, still_open, 0)

    def _horizon(self, node: Component) -> tuple[Instant, bool]:
        """How far the node's users need it, and whether any of them will need more."""
        users = node.users or [
            c.id for c in self.plan.components.values() if c.category == ACTIVITY
        ]
        rows = [(self.plan.components[user], self.rows[user]) for user in users]
        reach = [self._reach(component, row) for component, row in rows]
        if not reach:
            return self.now, False
        return max(reach), any(row.open for _, row in rows)

    def _reach(self, component: Component, row: ComponentRow) -> Instant:
        """The end of what an activity has begun, and of its next interval if only time lacks."""
        schedule = component.schedule
        if schedule is None:
            return self.now
        k = schedule.first_from(row.next_start)
        if row.open and due_at(component, schedule, k) > self.now:
            k += 1
        # A startTimestamp may have led it beyond its schedule's end, where nothing is needed.
        return schedule.start(k if schedule.count is None else min(k, schedule.count))

    def _create(self, component: Component, schedule: Schedule, k: int) -> None:
        self.creates.setdefault(component.id, []).append(
            Create(
                self.pipeline.key,
                component.id,
                schedule.start(k),
                schedule.start(k + 1),
                self.plan.version,
            )
        )

    def _store(
        self, row: ComponentRow, schedule: Schedule, k: int, still_open: bool, active: int
    ) -> None:
        self.rows[row.id] = replace(
            row, next_start=schedule.start(k), open=still_open, active=active
        )

    def _look_again(self, at: Instant) -> None:
        self.next_due = at if self.next_due is None else min(at, self.next_due)

    def decision(self) -> Decision:
        changes: list[Change] = [
            PutComponent(row) for key, row in self.rows.items() if row != self.before[key]
        ]
        if self.next_due is not None:
            changes.append(HastenTimer(Timer("tick", self.pipeline.key, self.next_due)))
        follow: list[Event] = [
            create for key in self.plan.components for create in self.creates.get(key, ())
        ]
        if self.more:
            follow.append(Advance(self.pipeline.key))
        if changes:
            # Those who were still to come may come no more.
            follow.extend(TendResource(key) for key in self.resources)
        closed = any(not row.open and self.before[key].open for key, row in self.rows.items())
        if closed:
            follow.append(CheckPipeline(self.pipeline.key))
        return Decision(tuple(changes), tuple(follow))


def create(view: CreateView, event: Create, now: Instant, rules: Rules) -> Decision:
    """Make an instance and find out what it waits for."""
    instance = Instance(
        key=view.new_key,
        pipeline=event.pipeline,
        component=event.component,
        start=event.start,
        end=event.end,
        version=event.version,
        status=WAITING_ON_DEPENDENCIES,
        due_at=now,
        rerun=event.rerun,
    )
    after, changes, follow = _begin_to_wait(view, instance, now)
    late_after_ms = view.place.component.late_after_ms
    if late_after_ms is not None and after.status not in ENDED:
        due = event.start if view.place.component.cron else event.end
        changes = (*changes, SetTimer(Timer("late", after.key, due + late_after_ms)))
    return Decision((InsertInstance(after), *changes), follow)


def await_anew(view: CreateView, event: Await, now: Instant, rules: Rules) -> Decision:
    """Find out anew what a stored instance waits for: after a rerun, or under a new definition."""
    instance = view.instance
    if instance is None or instance.status not in {WAITING_ON_DEPENDENCIES, PAUSED}:
        return Decision()
    if instance.retry_at is not None and instance.retry_at > now:
        return Decision()
    if view.held:
        paused = move(instance, PAUSED if view.place.row.paused else instance.status)
        return Decision((UpdateInstance(paused),) if paused != instance else ())
    after, changes, follow = _begin_to_wait(view, instance, now, event.fresh)
    return Decision((DropWaits(instance.key), UpdateInstance(after), *changes), follow)


def _begin_to_wait(
    view: CreateView, instance: Instance, now: Instant, fresh: bool = False
) -> tuple[Instance, tuple[Change, ...], tuple[Event, ...]]:
    """How an instance begins to wait; `fresh`: its failed preconditions are to run again too."""
    conditions = view.place.component.preconditions
    resource = view.place.component.resource
    failed = next(
        (
            s.failed
            for s in view.states
            if s.failed
            and s.needed.target != resource
            and not (fresh and s.needed.target in conditions)
        ),
        None,
    )
    if failed is not None and cascades(view.place.plan, view.place.component, failed):
        ended = end_instance(instance, CASCADE_FAILED, now, cascade_on=failed)
        return ended, (record(ended, now, CASCADE_FAILED, failed),), (Settled(ended),)
    gone = next((s.failed for s in view.states if s.failed and s.needed.target == resource), None)
    if gone is not None and not instance.rerun:
        return _without(instance, gone, now)
    missing = [state for state in view.states if state.missing]
    if not missing:
        return ready(view.place, instance, now, view.attempt)
    status: Status = PAUSED if view.place.row.paused else WAITING_ON_DEPENDENCIES
    waits = tuple(
        _wait(instance, state.needed.target, state.needed.first, state.needed.last, state.missing)
        for state in view.states
    )
    last = all(state.needed.target in {*conditions, resource} for state in missing)
    follow = (Evaluate(instance.key),) if last else ()
    return move(instance, status, unmet=len(missing)), waits, follow


def _without(
    instance: Instance, resource: str, now: Instant
) -> tuple[Instance, tuple[Change, ...], tuple[Event, ...]]:
    """The resource has failed for good already; only what is told to run again starts it anew."""
    why = f"its resource {resource} has failed or was cancelled"
    ended = end_instance(instance, CANCELED, now, cancel_reason=why, cascade_on=resource)
    return ended, (record(ended, now, CANCELED, why),), (Settled(ended),)


def _wait(instance: Instance, target: str, first: Instant, last: Instant, missing: int) -> PutWait:
    return PutWait(Wait(instance.key, instance.pipeline, target, first, last, missing))


def cascades(plan: Plan, consumer: Component, failed: str) -> bool:
    """Whether a failure reaches the consumer: by its own mode; an output, by its producer's too."""
    component_id = failed[1:].rpartition("_")[0]
    producer = plan.components.get(component_id)
    by_producer = component_id in consumer.producers and producer is not None and producer.cascade
    return consumer.cascade or by_producer
