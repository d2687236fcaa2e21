"""Slots: who may poll, who may work, and that checks do not wait for work."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from penstock.runner.errors import Stopped
from penstock.runner.slots import Slots
from penstock.runner.stop import CANCELED, Stop
from tests.unit.runner.scripted import House, make_task

WAIT_SECONDS = 30


def may_poll(slots: Slots) -> bool:
    """Whether a poll would be admitted now; it is made, if so."""
    admitted = threading.Event()

    def ask() -> None:
        if slots.admit():
            admitted.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(0.05)
    return admitted.is_set()


def bring(slots: Slots, precondition: bool) -> Any:
    """A task that a poll brings and that sits down at once; call the result to end it."""
    assert slots.admit()
    slots.answered(True)
    hand = slots.hand()
    seat = hand.__enter__().seat(precondition, Stop())
    seat.__enter__()

    def end() -> None:
        seat.__exit__(None, None, None)
        hand.__exit__(None, None, None)

    return end


def test_there_are_as_many_polls_as_free_slots() -> None:
    slots = Slots(2, 2)
    assert slots.admit()
    assert slots.admit()
    assert not may_poll(slots)
    slots.answered(False)
    slots.close()


def test_when_all_slots_are_taken_one_poll_is_open_for_preconditions() -> None:
    slots = Slots(1, 2)
    seated = [bring(slots, precondition) for precondition in (False, True, True)]
    assert not may_poll(slots)
    seated[1]()
    slots.admit()


def test_without_slots_of_their_own_preconditions_take_those_of_activities() -> None:
    slots = Slots(1, 0)
    end = bring(slots, precondition=True)
    assert not may_poll(slots)
    end()
    slots.admit()


def test_an_activity_in_hand_waits_for_a_slot_and_heeds_a_stop() -> None:
    slots = Slots(1, 1)
    end = bring(slots, precondition=False)
    slots.admit()
    slots.answered(True)
    stop = Stop()
    reached: list[str] = []

    def wait() -> None:
        with slots.hand() as hand:
            try:
                with hand.seat(False, stop):
                    reached.append("seated")
            except Stopped:
                reached.append("stopped")

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert not may_poll(slots)
    stop.request(CANCELED)
    thread.join(WAIT_SECONDS)
    assert reached == ["stopped"]
    end()
    slots.close()


def test_quiet_is_a_poll_that_waits_while_nothing_is_at_work() -> None:
    now = [0.0]
    slots = Slots(1, 1, lambda: now[0])
    assert not slots.quiet_for(0)
    slots.admit()
    now[0] = 4.0
    assert slots.quiet_for(4)
    assert not slots.quiet_for(5)
    slots.answered(True)
    assert not slots.quiet_for(0)


@pytest.mark.parametrize("tasks", [1, 2])
def test_a_check_is_done_while_all_slots_work(house: House, tasks: int) -> None:
    """And an activity that comes instead is acknowledged, waits its turn, and is then done."""
    done = house.directory / "done"
    waits = f"while [ ! -e {done} ]; do sleep 0.02; done"
    house.start(tasks=tasks)
    for number in range(tasks):
        house.service.offer(make_task(f"Long{number}", command=waits))
    house.service.wait_for("ReportTaskProgress", tasks)
    # This runner knows no preconditions yet, or fails this one: what counts is when.
    check = make_task("Check", type="ShellCommandPrecondition", command="false")
    house.service.offer(check)
    house.service.wait_settled()
    assert house.service.of("SetTaskStatus")[0]["taskId"] == "task-Check"
    house.service.offer(make_task("Late", command="true"))
    house.service.wait_for("ReportTaskProgress", tasks + 2)
    assert len(house.service.of("SetTaskStatus")) == 1
    done.touch()
    house.service.wait_settled(tasks + 1)
    assert {status["taskStatus"] for status in house.service.of("SetTaskStatus")[1:]} == {
        "FINISHED"
    }
