"""Snapshots: the small neighbourhood that one event is decided on."""

from msgspec import Struct

from penstock.engine.plan import Component, Needed, Plan
from penstock.model.runtime import Attempt, ComponentRow, Instance, Pipeline, Wait
from penstock.model.times import MINUTE_MS, Instant


class Rules(Struct, frozen=True):
    """What the server's settings let the engine do."""

    acknowledge_timeout_ms: int = 2 * MINUTE_MS
    allow_backfill: bool = False
    backfill_grace_ms: int = 24 * 60 * MINUTE_MS
    revive_finished: bool = True
    on_demand_runs: int | None = None


class Place(Struct, frozen=True):
    """Where an instance lives: its pipeline, the plan of its version, its component's row."""

    pipeline: Pipeline
    plan: Plan
    row: ComponentRow

    @property
    def component(self) -> Component:
        """The instance's component, as its version defines it."""
        return self.plan.components[self.row.id]


class InstanceView(Struct, frozen=True):
    """An instance, its latest attempt, and, for a rerun, those that its failure took down."""

    place: Place
    instance: Instance
    attempt: Attempt | None = None
    cascaded: tuple[Instance, ...] = ()


class NeedState(Struct, frozen=True):
    """How a needed range stands: how many are missing, and one that failed, if any (its id)."""

    needed: Needed
    missing: int
    failed: str | None = None


class CreateView(Struct, frozen=True):
    """For `Create` (with the key that the new instance gets) and `Await` (with the instance)."""

    place: Place
    states: tuple[NeedState, ...]
    new_key: int = 0
    instance: Instance | None = None
    attempt: Attempt | None = None


class Waiting(Struct, frozen=True):
    """An instance that waits, and the wait that is meant."""

    wait: Wait
    view: InstanceView


class SettledView(Struct, frozen=True):
    """An ended instance, and all that wait for it."""

    place: Place
    waiting: tuple[Waiting, ...]


class AdvanceView(Struct, frozen=True):
    """The active plan and the rows of the components that may advance (with `active` counted)."""

    pipeline: Pipeline
    plan: Plan
    rows: dict[str, ComponentRow]


class CheckView(Struct, frozen=True):
    """`open`: some schedule has an interval left; `unfinished`, `running`: some instance is."""

    pipeline: Pipeline
    open: bool
    unfinished: bool
    running: bool


class ActivateView(Struct, frozen=True):
    """The pipeline before, the plan it gets, and what is there already.

    `first_activated_at` is the time that the plan was compiled with as the first activation's.
    `unfinished` holds all unfinished instances, `revivable` those that a deactivation cancelled,
    `active_runs` counts the on-demand runs that can still move. `old_schedules` names the schedules
    of the plan before.
    """

    pipeline: Pipeline
    plan: Plan
    rows: dict[str, ComponentRow]
    first_activated_at: Instant
    unfinished: tuple[Instance, ...] = ()
    revivable: tuple[Instance, ...] = ()
    active_runs: int = 0
    old_schedules: frozenset[str] = frozenset()


class DeactivateView(Struct, frozen=True):
    """`offered` have a task in the queue, `running` a task in a runner's hands."""

    pipeline: Pipeline
    offered: tuple[Instance, ...]
    running: tuple[Instance, ...]
