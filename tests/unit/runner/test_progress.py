"""Reports and heartbeats under a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.runner.progress import Progress, Reporter
from penstock.runner.stop import CANCELED, LOST, Stop
from penstock.runner.task import Task, read_task
from penstock.wire.client import ConnectionFailed
from tests.unit.runner.scripted import ScriptedService, make_task, not_ours


class Desk:
    def __init__(self, heartbeats: tuple[dict[str, str], ...] = ()) -> None:
        self.now = 1_000.0
        self.service = ScriptedService()
        self.lines: list[str] = []
        self.terminated = 0
        self.reporter = Reporter(
            self.service, heartbeats, self.lines.append, self._terminate, lambda: self.now
        )

    def _terminate(self) -> None:
        self.terminated += 1

    def reports(self, until: float) -> int:
        before = len(self.service.of("ReportTaskProgress"))
        self.now = until
        self.reporter.tick()
        return len(self.service.of("ReportTaskProgress")) - before


def task(**fields: Any) -> Task:
    found = read_task({"taskObject": make_task(**fields)})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(None, 60), ("2 hours", 60), ("2 minutes", 30), ("1 minute", 15), ("nonsense", 60)],
)
def test_reports_come_each_minute_or_quarter_of_the_timeout(
    timeout: str | None, seconds: int
) -> None:
    desk = Desk()
    one = task() if timeout is None else task(reportProgressTimeout=timeout)
    desk.reporter.watch(one, Progress(), Stop())
    assert desk.reports(1_000 + seconds - 0.1) == 0
    assert desk.reports(1_000 + seconds) == 1
    assert desk.reports(1_000 + 2 * seconds - 0.1) == 0
    assert desk.reports(1_000 + 2 * seconds) == 1


def test_a_report_carries_what_is_known() -> None:
    desk, progress = Desk(), Progress()
    desk.reporter.watch(task(), progress, Stop())
    progress.add("bytesRead", 3)
    progress.add("bytesRead", 4)
    progress.put("percentComplete", "50")
    desk.reports(1_060)
    assert desk.service.of("ReportTaskProgress")[0]["fields"] == [
        {"key": "percentComplete", "stringValue": "50"},
        {"key": "bytesRead", "stringValue": "7"},
    ]


def test_canceled_and_lost_tasks_are_told_to_stop() -> None:
    for answer, reason in ((lambda _p: {"canceled": True}, CANCELED), (not_ours, LOST)):
        desk, stop = Desk(), Stop()
        desk.service.answers["ReportTaskProgress"] = answer
        desk.reporter.watch(task(), Progress(), stop)
        desk.reports(1_060)
        assert stop.reason == reason


def test_a_lost_connection_is_no_reason_to_stop_and_is_tried_again_soon() -> None:
    desk, stop = Desk(), Stop()

    def lost(_parameters: dict[str, Any]) -> dict[str, Any]:
        raise ConnectionFailed("gone", sent=True)

    desk.service.answers["ReportTaskProgress"] = lost
    desk.reporter.watch(task(), Progress(), stop)
    assert desk.reports(1_060) == 1
    assert desk.reports(1_065) == 1
    assert stop.reason is None


def test_a_forgotten_task_is_not_reported() -> None:
    desk, one = Desk(), task()
    desk.reporter.watch(one, Progress(), Stop())
    desk.reporter.forget(one)
    assert desk.reports(2_000) == 0


def test_heartbeats_come_each_minute_and_terminate_is_heard() -> None:
    desk = Desk(({"taskrunnerId": "r", "workerGroup": "g", "hostname": "h"},))
    assert desk.reporter.tick() == 1_060
    desk.now = 1_059
    desk.reporter.tick()
    assert len(desk.service.of("ReportTaskRunnerHeartbeat")) == 1
    desk.now = 1_060
    desk.service.answers["ReportTaskRunnerHeartbeat"] = lambda _parameters: {"terminate": True}
    desk.reporter.tick()
    assert desk.terminated == 1
