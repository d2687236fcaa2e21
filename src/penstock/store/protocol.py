"""What the service asks of a store; whatever answers it must pass the contract tests.

A `Transaction` is one unit of work of the writer: all of it becomes durable at `commit`, or none.
A `Reader` sees the committed state only. Every statement that depends on time takes it as an
argument; nothing here decides anything.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from typing import Literal, Protocol

from msgspec import Struct

from penstock.model.runtime import (
    Attempt,
    ComponentRow,
    HistoryEvent,
    Instance,
    LogPiece,
    Pipeline,
    TaskKey,
    Timer,
    TimerKind,
    Wait,
)
from penstock.model.status import Status
from penstock.model.times import Instant

Selection = Literal["all", "unfinished", "failed"]
"""Which of a pipeline's instances to page through."""


class UnsuitableDatabase(Exception):
    """The database, or what stands before it, lacks something that servers cannot do without."""


Lock = int | str | TaskKey
"""What a transaction keeps other servers from: a pipeline, by its key or its id, or `lock_of`.

A task stands for its pipeline; a store may read it ahead.
"""


def lock_of(*words: str) -> int:
    """A lock on something that has a name and no key; below zero, where no pipeline's key is."""
    digest = blake2b("\0".join(words).encode(), digest_size=8).digest()
    return -1 - int.from_bytes(digest, "big") // 2


class StoreUnavailable(Exception):
    """The database is gone, full, locked or read-only: nothing of the transaction will be kept.

    What was asked for is at no fault, and may well succeed later.
    """


class Task(Struct, frozen=True):
    """An instance and an attempt of it (None where it has none)."""

    instance: Instance
    attempt: Attempt | None


class Waiter(Struct, frozen=True):
    """A wait and the instance that waits."""

    wait: Wait
    instance: Instance


class RangeState(Struct, frozen=True):
    """Of the instances in a range: how many exist, how many are satisfied, one that failed."""

    count: int
    satisfied: int
    failed_start: Instant | None


class Past(Struct, frozen=True):
    """What it takes to judge whether an instance may be forgotten; fields as in `Instance`."""

    key: int
    start: Instant
    end: Instant
    version: int
    status: Status
    due_at: Instant
    attempts: int
    revive: bool
    ended_at: Instant | None


class HistoryLine(Struct, frozen=True):
    """A line of history and its key; of one pipeline, a later line has a greater key."""

    key: int
    event: HistoryEvent


class Reader(Protocol):
    """Questions that change nothing."""

    def pipeline(self, key: int) -> Pipeline | None: ...
    def pipeline_by_id(self, account_id: str, pipeline_id: str) -> Pipeline | None: ...
    def pipeline_by_unique_id(
        self, account_id: str, name: str, unique_id: str
    ) -> Pipeline | None: ...
    def pipelines_after(self, account_id: str, after: int, limit: int) -> list[Pipeline]: ...
    def definition(self, pipeline: int, version: int) -> bytes | None: ...
    def component(self, pipeline: int, component: str) -> ComponentRow | None: ...
    def components(self, pipeline: int) -> list[ComponentRow]: ...
    def task(self, instance: int, number: int | None = None) -> Task | None:
        """An instance with its latest attempt, or with the numbered one (None if not there)."""
        ...

    def task_by_name(self, pipeline: int, component: str, start: Instant) -> Task | None: ...
    def attempts_of(self, instance: int) -> list[Attempt]: ...
    def waits_of(self, instance: int) -> list[Wait]: ...
    def range_state(
        self, pipeline: int, component: str, first: Instant, last: Instant
    ) -> RangeState: ...
    def unfinished(self, pipeline: int, component: str | None = None) -> list[Instance]: ...
    def instances_after(
        self, pipeline: int, component: str, start: Instant, limit: int
    ) -> list[Instance]: ...
    def attempts_after(
        self, pipeline: int, component: str, start: Instant, number: int, limit: int
    ) -> list[Task]: ...
    def history(
        self, pipeline: int, component: str, start: Instant | None
    ) -> list[HistoryEvent]: ...
    def lines_before(
        self,
        pipeline: int,
        component: str | None,
        start: Instant | None,
        before: int,
        limit: int,
    ) -> list[HistoryLine]:
        """A page of history, the latest line (greatest key) first.

        Of a whole pipeline, of a component with its instances, or, with `start`, of one instance.
        """
        ...

    def latest_run(self, pipeline: int) -> Instant | None:
        """The latest interval start of all instances."""
        ...

    def latest_completed_run(self, pipeline: int, component: str) -> Instant | None:
        """The latest interval start of a component's instances that are FINISHED."""
        ...

    def pipelines_before(self, account_id: str, before: int, limit: int) -> list[Pipeline]:
        """A page of an account's living pipelines, the newest (greatest key) first."""
        ...

    def status_counts(self, pipeline: int, most: int) -> dict[str, int]:
        """How many unfinished instances stand how, and how many failed; counting stops at `most`.

        FAILED stands for all that failed, cascaded and timed out ones too.
        """
        ...

    def recent_starts(self, pipeline: int, limit: int) -> list[Instant]:
        """The latest interval starts of all instances, each once, the latest first."""
        ...

    def latest_of_component(self, pipeline: int, component: str, limit: int) -> list[Instance]: ...
    def tasks_before(
        self, pipeline: int, selection: Selection, start: Instant, key: int, limit: int
    ) -> list[Task]:
        """A page of instances with their latest attempts, the latest (start, key) first."""
        ...

    def last_poll(self, account_id: str, worker_group: str) -> Instant | None:
        """When a runner last asked for a worker group's tasks, to the minute; None: long ago."""
        ...

    def polled(self, account_id: str, since: Instant) -> frozenset[str]:
        """The account's worker groups that runners have asked for since a time."""
        ...

    def pipelines_with_past(self, after: int, before: Instant, limit: int) -> list[int]:
        """Keys of living pipelines with ended instances of intervals that start before a time.

        Those of which only the last interval is left, which stays, are not among them.
        """
        ...

    def past(
        self, pipeline: int, component: str, first: Instant, last: Instant, limit: int
    ) -> list[Past]:
        """A component's instances that start in [first, last], the earliest first."""
        ...

    def logs_after(
        self, instance: int, attempt: int | None, stream: str | None, after: int, limit: int
    ) -> list[LogPiece]:
        """Pieces of what an instance's attempts have written, of keys after one, in their order.

        Of one attempt or of all, of one stream or of all.
        """
        ...

    def last_logs(self, instance: int, attempt: int, limit: int) -> list[LogPiece]:
        """The latest pieces of what an attempt has written, the latest first."""
        ...

    def is_log_complete(self, instance: int, attempt: int) -> bool:
        """Whether an attempt's runner has said that it writes no more."""
        ...

    def log_followed_until(self, instance: int) -> Instant | None: ...
    def stored_log_bytes(self) -> int:
        """How much the logs of all instances take."""
        ...

    def oldest_logs(self, limit: int) -> list[tuple[int, int]]:
        """The keys of the oldest pieces, and what each takes."""
        ...

    def restored_at(self) -> Instant | None:
        """When the database was last brought back from a backup."""
        ...


class Transaction(Reader, Protocol):
    """A unit of work: reads see its own writes."""

    def insert_pipeline(self, row: Pipeline) -> int:
        """Add a pipeline; answers its key (the row's own is ignored)."""
        ...

    def update_pipeline(self, row: Pipeline) -> None: ...
    def put_definition(self, pipeline: int, version: int, content: bytes) -> None: ...
    def put_component(self, row: ComponentRow) -> None: ...
    def component_with_active(self, pipeline: int, component: str) -> ComponentRow | None: ...
    def components_with_active(self, pipeline: int) -> list[ComponentRow]: ...
    def has_open_component(self, pipeline: int) -> bool: ...
    def has_unfinished(self, pipeline: int) -> bool: ...
    def under_way(self, pipeline: int) -> list[Instance]:
        """What is in a runner's hands, and the resources that are there or on their way."""
        ...

    def active_runs(self, pipeline: int) -> int: ...
    def revivable(self, pipeline: int) -> list[Instance]: ...
    def cascaded(self, pipeline: int, failed_id: str) -> list[Instance]: ...
    def reserve_instance_key(self) -> int: ...
    def insert_instance(self, row: Instance) -> None: ...
    def update_instance(self, row: Instance) -> None: ...
    def insert_attempt(self, row: Attempt) -> None: ...
    def update_attempt(self, row: Attempt) -> None: ...
    def touch_attempt(self, row: Attempt) -> None: ...
    def offered(self, account_id: str, worker_group: str, limit: int) -> list[Task]:
        """The first tasks of a queue, of pipelines that no other server is busy with.

        Those are kept from other servers then, as if they had been named at the beginning.
        """
        ...

    def announce(self, account_id: str, worker_group: str) -> None:
        """Tell other servers, at the commit, that a queue has tasks which nobody here waits for."""
        ...

    def passed_over(self) -> Collection[int]:
        """The pipelines whose tasks were left out because another server was busy with them.

        Answers once. Who looks again names them as locks, and so waits for his turn: trying alone
        might fail for ever beside a server that always has something to do.
        """
        ...

    def put_wait(self, row: Wait) -> None: ...
    def drop_waits(self, waiter: int) -> None: ...
    def waits_for(self, pipeline: int, target: str, start: Instant) -> list[Waiter]: ...
    def set_timer(self, row: Timer) -> None: ...
    def hasten_timer(self, row: Timer) -> None: ...
    def clear_timer(self, kind: TimerKind, subject: int) -> None: ...
    def due_timers(self, now: Instant, limit: int) -> list[Timer]:
        """The earliest of those that are due, of pipelines as in `offered`."""
        ...

    def next_due(self) -> Instant | None:
        """When the first timer is due; after the commit, as it was then."""
        ...

    def record(self, row: HistoryEvent) -> None: ...
    def put_heartbeat(
        self, account_id: str, taskrunner_id: str, worker_group: str, hostname: str, at: Instant
    ) -> None: ...
    def put_poll(self, account_id: str, worker_group: str, at: Instant) -> None: ...
    def append_log(self, pipeline: int, row: LogPiece) -> None:
        """Add a piece (its key is ignored), unless it or what comes after it is there already."""
        ...

    def trim_log(
        self, pipeline: int, instance: int, attempt: int, stream: str, before: int
    ) -> None:
        """Remove the pieces of a stream that end at or before a position."""
        ...

    def drop_logs(self, through: int) -> None:
        """Remove all pieces up to a key, whosever they are."""
        ...

    def follow_log(self, instance: int, until: Instant) -> None:
        """Remember that somebody follows an instance's logs."""
        ...

    def followed_logs(self, instances: Sequence[int], now: Instant) -> set[int]:
        """Those of some instances whose logs somebody follows."""
        ...

    def purge(self, pipeline: int, limit: int) -> bool:
        """Remove some of a deleted pipeline's rows; answers whether any are left."""
        ...

    def prune(self, pipeline: int, component: str, rows: Sequence[Past]) -> None:
        """Remove instances with all that is theirs: attempts, waits, timers, history, logs."""
        ...

    def drop_definitions(self, pipeline: int, before: int) -> None:
        """Remove the definition versions before one; the draft stays."""
        ...

    def forget_runners(self, before: Instant) -> None:
        """Remove heartbeats and polls from before a time."""
        ...

    def claim_sweep(self, now: Instant, until: Instant) -> bool:
        """Whether the next sweep of old instances is due; if so it is the caller's, until then."""
        ...

    def note_restoration(self, at: Instant) -> None: ...
    def savepoint(self) -> AbstractContextManager[None]:
        """What is done inside is undone alone if it raises."""
        ...

    def changes(self) -> int:
        """A number that grows with every row written; equal numbers mean nothing was."""
        ...

    def flush(self) -> None:
        """Have the database look at all that was written so far; raises what it refuses.

        Without it a store may keep changes to itself until it next has to ask something.
        """
        ...

    def commit(self) -> None:
        """Make all of it durable; may be called from another thread. Ends the transaction."""
        ...

    def rollback(self) -> None:
        """Undo all of it. Ends the transaction."""
        ...


class Ear(Protocol):
    """Hears what other servers announce; belongs to the thread of an event loop."""

    def fileno(self) -> int:
        """A socket that can be read when there is something to hear."""
        ...

    def hear(self) -> list[tuple[str, str]]:
        """The queues (account, worker group) that were announced since. Never waits.

        Raises `StoreUnavailable` if nothing will ever be heard again.
        """
        ...

    def close(self) -> None: ...


class Store(Protocol):
    """A database: any number of readers, and transactions one after the other."""

    @property
    def distant(self) -> bool:
        """Whether each statement is a journey, during which others could have their turn."""
        ...

    def begin(self, locks: Collection[Lock] = ()) -> Transaction:
        """A unit of work; the one before must have ended.

        Until it ends no other server changes what is named, and what others have changed before is
        seen. Where there are no other servers the names mean nothing.
        """
        ...

    def listen(self) -> Ear | None:
        """A new ear; None where there are no other servers. Raises `StoreUnavailable`."""
        ...

    def reader(self) -> AbstractContextManager[Reader]:
        """A view of the last commit, the same throughout the block; from any thread."""
        ...

    def close(self) -> None: ...
