"""Snapshots: the small neighbourhood that one event is decided on."""

from msgspec import Struct

from penstock.engine.plan import ACTION, Component, Needed, Plan
from penstock.engine.scopes import Node
from penstock.model.runtime import Attempt, ComponentRow, Instance, Pipeline, Wait
from penstock.model.status import RUNNING
from penstock.model.times import MINUTE_MS, Instant


class Rules(Struct, frozen=True):
    """What the server's settings let the engine do."""

    acknowledge_timeout_ms: int = 2 * MINUTE_MS
    allow_backfill: bool = False
    backfill_grace_ms: int = 24 * 60 * MINUTE_MS
    revive_finished: bool = True
    on_demand_runs: int | None = None


class Place(Struct, frozen=True):
    """Where an instance lives: its pipeline, the plan of its version, its component's row.

    `resource` is the instance that it runs on, if that is there already.
    """

    pipeline: Pipeline
    plan: Plan
    row: ComponentRow
    resource: Instance | None = None

    @property
    def component(self) -> Component:
        """The instance's component, as its version defines it."""
        return self.plan.components[self.row.id]

    @property
    def serving(self) -> bool:
        """Whether new tasks of the component may be offered, as far as the pipeline goes.

        An alarm tells what has happened, so it is sent from a deactivated pipeline too.
        """
        state = self.pipeline.state
        if state == "SCHEDULED":
            return True
        return self.component.category == ACTION and state in {"DEACTIVATING", "INACTIVE"}

    @property
    def equipped(self) -> bool:
        """Whether a task could run now, as far as its resource goes."""
        if not self.component.resource:
            return True
        return self.resource is not None and self.resource.status == RUNNING


class InstanceView(Struct, frozen=True):
    """An instance and its latest attempt; whose precondition or alarm it is, if it is one.

    For a rerun also those that its failure took down, and its own preconditions that failed.
    """

    place: Place
    instance: Instance
    attempt: Attempt | None = None
    node: Node | None = None
    cascaded: tuple[Instance, ...] = ()
    unmet_conditions: tuple[Instance, ...] = ()


class NeedState(Struct, frozen=True):
    """How a needed range stands: how many are missing, and one that failed, if any (its id)."""

    needed: Needed
    missing: int
    failed: str | None = None


class CreateView(Struct, frozen=True):
    """For `Create` (with the key that the new instance gets) and `Await` (with the instance).

    `held`: it is a precondition whose owner waits for something else first.
    """

    place: Place
    states: tuple[NeedState, ...]
    new_key: int = 0
    instance: Instance | None = None
    attempt: Attempt | None = None
    held: bool = False


class EvaluateView(Struct, frozen=True):
    """An instance, the components it still waits for, and the preconditions that are there.

    The resource that it runs on, if it has one, is in its place.
    """

    place: Place
    instance: Instance
    missing: tuple[str, ...]
    existing: dict[str, Instance]


class TendView(Struct, frozen=True):
    """A resource. `wanted`: some instance waits for nothing else; `needed`: some instance that uses
    it is unfinished, or to come; `stuck`: these all wait for what has failed for good.
    """

    place: Place
    instance: Instance
    attempt: Attempt | None
    wanted: bool
    needed: bool
    stuck: bool = False


class UsersView(Struct, frozen=True):
    """A resource, the unfinished instances that use it, and those of them that wait for it."""

    place: Place
    instance: Instance
    users: tuple[Instance, ...]
    waiting: tuple["Waiting", ...]


class FireView(Struct, frozen=True):
    """An alarm's place, the node that sets it off, and the alarm's instance, or a key for it."""

    place: Place
    node: Node
    new_key: int = 0
    instance: Instance | None = None
    attempt: Attempt | None = None


class Waiting(Struct, frozen=True):
    """An instance that waits, and the wait that is meant."""

    wait: Wait
    view: InstanceView


class SettledView(Struct, frozen=True):
    """An ended instance, all that wait for it, and its own preconditions that are unfinished."""

    place: Place
    waiting: tuple[Waiting, ...]
    conditions: tuple[Instance, ...] = ()


class AdvanceView(Struct, frozen=True):
    """The active plan and the rows of the components that may advance (with `active` counted).

    `resources` are the keys of the unfinished instances of those that are resources.
    """

    pipeline: Pipeline
    plan: Plan
    rows: dict[str, ComponentRow]
    resources: tuple[int, ...] = ()


class CheckView(Struct, frozen=True):
    """`open`: some schedule has an interval left; `unfinished`, `running`: some instance is.

    `resources` are those that a deactivation still has to shut down; `running` speaks of the rest.
    """

    pipeline: Pipeline
    open: bool
    unfinished: bool
    running: bool
    resources: tuple[Instance, ...] = ()


class ActivateView(Struct, frozen=True):
    """The pipeline before, the plan it gets, and what is there already.

    `first_activated_at` is the time that the plan was compiled with as the first activation's.
    `unfinished` holds all unfinished instances, `revivable` those that a deactivation cancelled,
    `active_runs` counts the on-demand runs that can still move, `latest` is the latest start of all
    instances. `old_schedules` names the schedules of the plan before.
    """

    pipeline: Pipeline
    plan: Plan
    rows: dict[str, ComponentRow]
    first_activated_at: Instant
    unfinished: tuple[Instance, ...] = ()
    revivable: tuple[Instance, ...] = ()
    active_runs: int = 0
    latest: Instant | None = None
    old_schedules: frozenset[str] = frozenset()


class DeactivateView(Struct, frozen=True):
    """`offered` have a task in the queue, `running` a task in a runner's hands."""

    pipeline: Pipeline
    offered: tuple[Instance, ...]
    running: tuple[Instance, ...]
