"""What a pipeline has become at run time: the rows that the store keeps."""

from typing import Literal

from msgspec import Struct

from penstock.model.api import LogStream, Tag
from penstock.model.status import PipelineState, Status
from penstock.model.times import Instant


class Pipeline(Struct, frozen=True):
    """A pipeline of an account; `version` is 0 until the first activation."""

    key: int
    id: str
    account_id: str
    user_id: str
    name: str
    unique_id: str
    description: str
    tags: tuple[Tag, ...]
    state: PipelineState
    version: int
    created_at: Instant
    first_activated_at: Instant | None = None
    last_activated_at: Instant | None = None
    last_deactivated_at: Instant | None = None
    finished_at: Instant | None = None
    deleted_at: Instant | None = None


class ComponentRow(Struct, frozen=True):
    """Where a runnable component stands.

    `next_start` is the start of the first interval without an instance (in an on-demand pipeline,
    the earliest time that the next run may take); `open` says whether the schedule has an interval
    left. `active` counts unfinished instances that are not reruns; it is counted when loaded,
    never stored.
    """

    pipeline: int
    id: str
    next_start: Instant
    open: bool
    paused: bool = False
    health: str | None = None
    health_start: Instant | None = None
    health_at: Instant | None = None
    active: int = 0


class Instance(Struct, frozen=True):
    """One component in one interval.

    `unmet` counts waits not yet met; `tries` the attempts since creation or the last rerun,
    `attempts` all attempts ever made; `due_at` is when it became due and began to wait;
    `retry_at` is set between two attempts; `revive` marks what a deactivation cancelled.
    """

    key: int
    pipeline: int
    component: str
    start: Instant
    end: Instant
    version: int
    status: Status
    due_at: Instant
    unmet: int = 0
    tries: int = 0
    attempts: int = 0
    rerun: bool = False
    revive: bool = False
    retry_at: Instant | None = None
    ended_at: Instant | None = None
    cascade_on: str | None = None
    cancel_reason: str | None = None
    error_id: str | None = None
    error_message: str | None = None
    error_stack_trace: str | None = None


class Attempt(Struct, frozen=True):
    """One try at an instance: the task that a runner is handed.

    `generation` grows each time ownership is taken away, so an earlier holder's task id is stale.
    `offered` says whether the task stands in its worker group's queue, since `ready_at`. `fields`
    is the JSON of the fields that the runner reported; of an alarm, of the texts it is to send; of
    a resource, of its `model.compute.Machine`. What a resource's attempt offers, and acknowledges,
    are the single steps of its life.
    """

    instance: int
    number: int
    pipeline: int
    account_id: str
    worker_group: str
    status: Status
    ready_at: Instant
    offered: bool = True
    generation: int = 0
    acknowledged: bool = False
    handed_at: Instant | None = None
    reported_at: Instant | None = None
    ended_at: Instant | None = None
    cancel_reason: str | None = None
    hostname: str | None = None
    fields: str | None = None
    error_id: str | None = None
    error_message: str | None = None
    error_stack_trace: str | None = None


class Wait(Struct, frozen=True):
    """What an instance waits for: `missing` instances of `target` that start in [first, last]."""

    waiter: int
    pipeline: int
    target: str
    first: Instant
    last: Instant
    missing: int


TimerKind = Literal["tick", "owner", "retry", "late", "condition", "machine", "purge"]
"""`tick` and `purge` belong to a pipeline, the others to an instance (by key)."""


PIPELINE_TIMERS: frozenset[TimerKind] = frozenset({"tick", "purge"})
"""Timers whose subject is a pipeline; all others are instances'."""


class Timer(Struct, frozen=True):
    """Something to look at again at `due_at`; one per kind and subject."""

    kind: TimerKind
    subject: int
    due_at: Instant


class HistoryEvent(Struct, frozen=True):
    """One line of an object's history: append-only, for people and for audit.

    A pipeline's own lines have the component ''. `user_name` is who gave the command, if it was
    one; '' for what happened by itself.
    """

    pipeline: int
    component: str
    start: Instant | None
    attempt: int | None
    at: Instant
    what: str
    detail: str = ""
    user_name: str = ""


class LogPiece(Struct, frozen=True):
    """A piece of what an attempt has written.

    It stands for `size` bytes of the stream, from `position` on; `content` is its text, secrets
    struck out, as UTF-8 and compressed; `stored` is what it takes in the store. `final`: the
    attempt writes no more. `key` grows in the order of arrival; a piece to be added has none.
    """

    key: int
    instance: int
    attempt: int
    stream: LogStream
    position: int
    size: int
    final: bool
    at: Instant
    stored: int
    content: bytes


class TaskKey(Struct, frozen=True, array_like=True):
    """What a task id stands for: an attempt in the hands of one owner."""

    account_id: str
    pipeline: int
    instance: int
    attempt: int
    generation: int
