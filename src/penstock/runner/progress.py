"""Telling the service that work goes on: acknowledgement, reports, heartbeats.

One thread reports for all slots of a runner: a thread for each task would cost more than most
tasks do. What it learns (canceled; no longer ours) it hands to the task's `Stop`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from penstock.runner.stop import CANCELED, LOST, Stop
from penstock.runner.task import Task
from penstock.wire.client import ConnectionFailed, ServiceError

HEARTBEAT_SECONDS = 60.0
"""Time between two heartbeats; the service wants one at least every 15 minutes."""

_RETRY_SECONDS = 5.0
_IDLE_SECONDS = 3_600.0

GONE_CODES = frozenset(
    {"TaskNotFoundException", "PipelineDeletedException", "PipelineNotFoundException"}
)
"""Errors that say a task is no longer ours."""


class ServiceClient(Protocol):
    """What the runner needs of `wire.client.Client`."""

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Call an operation; raises `ServiceError` or `ConnectionFailed`."""
        ...

    def abort(self) -> None:
        """Break off the polls that wait, and refuse those to come."""
        ...


class Progress:
    """What is known of how far a task is; sent with each report. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def add(self, key: str, count: int) -> None:
        """Count on: bytes or rows."""
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + count

    def put(self, key: str, value: str) -> None:
        """Set a value, such as percentComplete."""
        with self._lock:
            self._values[key] = value

    def fields(self) -> list[dict[str, str]]:
        """The fields of a report."""
        with self._lock:
            values = self._values | {key: str(count) for key, count in self._counts.items()}
        return [{"key": key, "stringValue": value} for key, value in values.items()]


class _Watched:
    """A task in hand, and when its next report is due (monotonic seconds)."""

    def __init__(self, task: Task, progress: Progress, stop: Stop, due: float) -> None:
        self.task_id = task.task_id
        self.attempt_id = task.attempt_id
        self.every_seconds = task.report_every_ms / 1000
        self.progress = progress
        self.stop = stop
        self.due = due


class Reporter:
    """Reports the progress of all tasks in hand, and sends heartbeats, from one thread.

    `on_terminate` is called when a heartbeat is answered `terminate: true`.
    """

    def __init__(
        self,
        client: ServiceClient,
        heartbeats: Iterable[dict[str, str]],
        log: Callable[[str], None],
        on_terminate: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._heartbeats = list(heartbeats)
        self._log = log
        self._on_terminate = on_terminate
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._watched: dict[str, _Watched] = {}
        self._heartbeat_due = monotonic()
        self._wakes_at = 0.0
        self._closed = threading.Event()

    def watch(self, task: Task, progress: Progress, stop: Stop) -> None:
        """Report this task until it is forgotten; the acknowledgement was its first report."""
        watched = _Watched(task, progress, stop, 0)
        watched.due = self._monotonic() + watched.every_seconds
        with self._changed:
            self._watched[task.task_id] = watched
            # Most tasks end before their first report: the thread is woken only if it would
            # sleep past it.
            if watched.due < self._wakes_at:
                self._changed.notify()

    def forget(self, task: Task) -> None:
        """Report this task no more."""
        with self._changed:
            self._watched.pop(task.task_id, None)

    def run(self) -> None:
        """The thread's work: report what is due, sleep until the next is, until closed."""
        while not self._closed.is_set():
            next_due = self.tick()
            with self._changed:
                if self._closed.is_set():
                    return
                next_due = min([next_due, *(one.due for one in self._watched.values())])
                self._wakes_at = next_due
                self._changed.wait(max(0.0, next_due - self._monotonic()))
                self._wakes_at = 0.0

    def close(self) -> None:
        """End the thread after what it is at."""
        with self._changed:
            self._closed.set()
            self._changed.notify()

    def tick(self) -> float:
        """Do what is due now; when the next is due, in monotonic seconds."""
        now = self._monotonic()
        if self._heartbeats and now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_SECONDS
            for heartbeat in self._heartbeats:
                self._beat(heartbeat)
        with self._changed:
            due = [one for one in self._watched.values() if one.due <= now]
        for one in due:
            one.due = self._monotonic() + self._report(one)
        with self._changed:
            dues = [one.due for one in self._watched.values()]
        return min([now + _IDLE_SECONDS, *dues, *([self._heartbeat_due] * bool(self._heartbeats))])

    def _report(self, one: _Watched) -> float:
        """Report one task; seconds until its next report."""
        parameters: dict[str, Any] = {"taskId": one.task_id, "fields": one.progress.fields()}
        try:
            answer = self._client.call("ReportTaskProgress", parameters)
        except ServiceError as error:
            if error.code in GONE_CODES:
                self._log(f"{one.attempt_id}: no longer ours ({error}); stopping it")
                one.stop.request(LOST)
            else:
                self._log(f"{one.attempt_id}: report refused: {error}")
        except ConnectionFailed as error:
            self._log(f"{one.attempt_id}: report not delivered: {error}")
            return min(_RETRY_SECONDS, one.every_seconds)
        else:
            if answer.get("canceled"):
                self._log(f"{one.attempt_id}: canceled; stopping it")
                one.stop.request(CANCELED)
        return one.every_seconds

    def _beat(self, heartbeat: dict[str, str]) -> None:
        try:
            answer = self._client.call("ReportTaskRunnerHeartbeat", dict(heartbeat))
        except (ServiceError, ConnectionFailed) as error:
            self._log(f"heartbeat not delivered: {error}")
            return
        if answer.get("terminate"):
            self._log("the service asks this runner to end")
            self._on_terminate()
