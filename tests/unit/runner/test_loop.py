"""The runner around its tasks: ownership, lost connections, stopping, heartbeats."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from penstock.runner.stop import CANCELED
from penstock.wire.client import ConnectionFailed, ServiceError
from tests.unit.runner.scripted import House, make_task, not_ours


def fifo(house: House, name: str) -> Path:
    path = house.directory / name
    os.mkfifo(path)
    return path


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_task_is_acknowledged_before_it_begins(house: House) -> None:
    def canceled(_parameters: dict[str, Any]) -> dict[str, Any]:
        return {"canceled": True}

    house.service.answers["ReportTaskProgress"] = canceled
    house.start()
    house.service.offer(make_task(command=f"touch {house.directory}/ran"))
    house.service.wait_for("ReportTaskProgress")
    house.close()
    assert not (house.directory / "ran").exists()
    assert house.service.of("SetTaskStatus") == []


def test_a_task_of_someone_else_is_not_begun(house: House) -> None:
    house.service.answers["ReportTaskProgress"] = not_ours
    house.start()
    house.service.offer(make_task(command=f"touch {house.directory}/ran"))
    house.service.wait_for("ReportTaskProgress")
    house.close()
    assert not (house.directory / "ran").exists()


def test_a_status_is_repeated_until_it_is_answered(house: House) -> None:
    failures: list[Exception] = [
        ConnectionFailed("lost", sent=True),
        ServiceError("InternalServiceError", "defect", 500, None),
    ]

    def answer(_parameters: dict[str, Any]) -> dict[str, Any]:
        if failures:
            raise failures.pop()
        return {}

    house.service.answers["SetTaskStatus"] = answer
    house.start()
    house.service.offer(make_task(command="true"))
    house.service.wait_settled()
    assert len(house.service.of("SetTaskStatus")) == 3


def test_a_status_for_a_lost_task_is_dropped_and_the_slot_goes_on(house: House) -> None:
    house.start()
    house.service.answers["SetTaskStatus"] = not_ours
    house.service.offer(make_task("A", command="true"))
    house.service.wait_for("SetTaskStatus")
    house.service.answers.clear()
    house.service.offer(make_task("B", command="true"))
    house.service.wait_settled()
    assert [call["taskId"] for call in house.service.of("SetTaskStatus")] == ["task-A", "task-B"]


def test_cancel_stops_the_whole_process_group_and_sets_no_status(house: House) -> None:
    runner = house.start()
    ready = fifo(house, "ready")
    house.service.offer(make_task(command=f"sleep 600 & echo $! > {ready}; wait"))
    child = int(ready.read_text())
    (stop,) = runner._stops
    stop.request(CANCELED)
    house.close()
    assert gone(child)
    assert house.service.of("SetTaskStatus") == []
    assert list((house.directory / "work").iterdir()) == []


def test_grace_time_over_reports_runner_stopped(house: House) -> None:
    runner = house.start()
    ready = fifo(house, "ready")
    house.service.offer(make_task(command=f"echo go > {ready}; exec sleep 600"))
    ready.read_text()
    runner.stop(0)
    assert house.service.status()["errorId"] == "RunnerStopped"
    assert runner.wait(0)


def test_a_stop_lets_running_tasks_finish(house: House) -> None:
    runner = house.start()
    ready, release = fifo(house, "ready"), fifo(house, "release")
    house.service.offer(make_task(command=f"echo go > {ready}; cat {release}"))
    ready.read_text()
    stopper = threading.Thread(target=runner.stop)
    stopper.start()
    release.write_text("on")
    stopper.join(30)
    assert house.service.status()["taskStatus"] == "FINISHED"


def test_kill_ends_commands_that_ignore_term(house: House) -> None:
    runner = house.start()
    ready = fifo(house, "ready")
    house.service.offer(
        make_task(command=f"trap '' TERM; echo $$ > {ready}; while :; do sleep 1; done")
    )
    pid = int(ready.read_text())
    runner.kill()
    runner.stop()
    assert gone(pid)
    assert house.service.status()["errorId"] == "RunnerStopped"


def test_one_slots_crash_does_not_harm_it_or_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penstock.runner import activities

    def broken(_context: Any) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setitem(activities.ACTIVITIES, "BrokenActivity", broken)
    house.start()
    house.service.offer(make_task("A", type="BrokenActivity"), make_task("B", command="true"))
    house.service.wait_settled(2)
    first, second = house.service.of("SetTaskStatus")
    assert first["errorId"] == "RunnerError"
    assert "a defect" in first["errorMessage"]
    assert "ZeroDivisionError" in first["errorStackTrace"]
    assert len(first["errorStackTrace"]) <= 1_024
    assert second["taskStatus"] == "FINISHED"


def test_polls_that_fail_or_make_no_sense_are_survived(house: House) -> None:
    house.start()
    house.service.offer(
        ConnectionFailed("refused", sent=False),
        RuntimeError("a defect"),
        {"taskId": "t", "attemptId": "@none", "pipelineId": "df-1", "objects": {}},
        make_task(command="true"),
    )
    house.service.wait_settled()
    assert house.service.status()["taskStatus"] == "FINISHED"


def test_slots_work_side_by_side_for_every_group(house: House) -> None:
    one, other = fifo(house, "one"), fifo(house, "other")
    house.start(worker_groups=("a", "b"), tasks=1, preconditions=0)
    # Each waits for the other, so neither ends unless both run at once.
    house.service.offer(
        make_task("A", command=f"echo 1 > {one}; cat {other}"),
        make_task("B", command=f"cat {one}; echo 2 > {other}"),
    )
    house.service.wait_settled(2)
    assert {call["taskStatus"] for call in house.service.of("SetTaskStatus")} == {"FINISHED"}


def test_heartbeats_name_runner_and_group(house: House) -> None:
    house.start(worker_groups=("a", "b"), taskrunner_id="me")
    beats = house.service.wait_for("ReportTaskRunnerHeartbeat", 2)
    assert [(beat["taskrunnerId"], beat["workerGroup"]) for beat in beats] == [
        ("me", "a"),
        ("me", "b"),
    ]


def test_terminate_drains_and_ends(house: House) -> None:
    house.service.answers["ReportTaskRunnerHeartbeat"] = lambda _parameters: {"terminate": True}
    runner = house.start()
    assert runner.wait(30)


def test_a_directory_that_cannot_be_made_fails_the_task(house: House) -> None:
    runner = house.start()
    (house.directory / "logs/df-1").write_text("in the way")
    house.service.offer(make_task(command="true"))
    house.service.wait_settled()
    assert house.service.status()["errorId"] == "RunnerError"
    runner.stop()
