"""Telling a piece of work to stop: asked from one thread, obeyed in another."""

from __future__ import annotations

import threading
from collections.abc import Callable

from penstock.runner.errors import Stopped

CANCELED = "canceled"
"""The service canceled the attempt: no status is set."""

LOST = "lost"
"""The task belongs to someone else, or its pipeline is gone: no status is set."""

RUNNER_STOPPED = "runner stopped"
"""This runner ends and its grace time is over: the attempt is reported FAILED."""


class Stop:
    """A request to stop one attempt, made once; the first reason stays.

    Long work calls `check` between its steps. What cannot look (a child process) leaves a
    callback, which runs in the thread that makes the request.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why the work shall stop, or None while it may go on."""
        return self._reason

    def request(self, reason: str) -> None:
        """Ask the work to stop; only the first request counts."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def on_request(self, callback: Callable[[], None]) -> None:
        """Have `callback` called at the request, or now if it has been made already."""
        with self._lock:
            if self._reason is None:
                self._callbacks.append(callback)
                return
        callback()

    def check(self) -> None:
        """Raise `Stopped` if the work shall stop."""
        if self._reason is not None:
            raise Stopped(self._reason)
