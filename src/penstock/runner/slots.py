"""Who may poll, and who may work: the slots of one worker group.

Activities have slots, and preconditions have some of their own, so that a check need not wait for
an hour of copying. PollForTask gives out both alike and cannot be asked for one kind. So while an
activity's slot is free there are as many polls as free slots. When all are taken, one more poll
is kept open for the sake of preconditions; should it bring an activity, that one is held in hand,
acknowledged, until a slot is free, and nothing more is asked for until then. At most one is held,
since another runner might have begun it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.runner.stop import Stop


class Slots:
    """Counts a group's polls, tasks in hand and tasks at work. Safe to use from threads."""

    def __init__(
        self, tasks: int, preconditions: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._tasks = tasks
        self._preconditions = preconditions
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._closed = False
        self._polls = 0
        self._held = 0
        self._activities_at_work = 0
        self._preconditions_at_work = 0
        self._polling_since: float | None = None

    @property
    def threads(self) -> int:
        """How many threads it takes to use all slots."""
        return self._tasks + self._preconditions

    def admit(self) -> bool:
        """Wait until a poll may be made; False when none will be any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._may_poll())
            if self._closed:
                return False
            self._polls += 1
            if self._polling_since is None:
                self._polling_since = self._monotonic()
            return True

    def answered(self, with_task: bool) -> None:
        """A poll is over; what it brought is in hand until it is seated or put down."""
        with self._changed:
            self._polls -= 1
            self._held += with_task
            if with_task or not self._polls:
                self._polling_since = None
            self._changed.notify_all()

    @contextmanager
    def hand(self) -> Iterator[_Hand]:
        """A task that a poll has brought; `_Hand.seat` gives it a slot."""
        hand = _Hand(self)
        try:
            yield hand
        finally:
            with self._changed:
                self._held -= not hand.seated
                self._changed.notify_all()

    def close(self) -> None:
        """Admit no poll any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def quiet_for(self, seconds: float) -> bool:
        """Whether polls have waited that long without a task, and none is in hand or at work."""
        with self._changed:
            since = self._polling_since
            busy = self._held + self._activities_at_work + self._preconditions_at_work
            return since is not None and not busy and self._monotonic() - since >= seconds

    def _may_poll(self) -> bool:
        taken = self._activities_at_work + self._held + self._polls
        spare = not self._held and not self._polls
        return taken < self._tasks or (spare and self._preconditions_at_work < self._preconditions)

    def sit(self, precondition: bool, stop: Stop) -> bool:
        """Wait for a slot; whether it is a precondition's. Raises `Stopped`."""
        stop.on_request(self._wake)
        with self._changed:
            while True:
                stop.check()
                if precondition and self._preconditions_at_work < self._preconditions:
                    self._preconditions_at_work += 1
                    break
                if self._activities_at_work < self._tasks:
                    self._activities_at_work += 1
                    precondition = False
                    break
                self._changed.wait()
            self._held -= 1
            self._changed.notify_all()
            return precondition

    def stand(self, precondition: bool) -> None:
        """Leave the slot."""
        with self._changed:
            if precondition:
                self._preconditions_at_work -= 1
            else:
                self._activities_at_work -= 1
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class _Hand:
    """A task in hand."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.seated = False

    @contextmanager
    def seat(self, precondition: bool, stop: Stop) -> Iterator[None]:
        """A slot to work in, when there is one. Raises `Stopped` if that is over before."""
        own = self._slots.sit(precondition, stop)
        self.seated = True
        try:
            yield
        finally:
            self._slots.stand(own)
