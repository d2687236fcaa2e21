"""The runner as a process of its own, against a real server: signals, exit status, real calls."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.clock import system_clock
from penstock.config import Settings
from penstock.model.api import (
    Answer,
    EmptyAnswer,
    PollForTaskAnswer,
    ReportTaskProgressAnswer,
    ReportTaskRunnerHeartbeatAnswer,
    Request,
    SetTaskStatusRequest,
    TaskObject,
)
from penstock.model.caller import Caller
from penstock.wire.app import Application
from penstock.wire.serve import endpoint, listen, make_server
from tests.unit.runner.scripted import make_task
from tests.unit.wire.tiny import CREDENTIALS, lookup


class OneTaskService:
    """Hands out one task; every other poll waits until its caller hangs up."""

    def __init__(self) -> None:
        self.task: Any = None
        self.statuses: queue.Queue[SetTaskStatusRequest] = queue.Queue()

    async def call(
        self,
        operation: str,
        caller: Caller,
        request: Request,
        gone: asyncio.Future[None] | None,
    ) -> Answer | None:
        if operation == "PollForTask":
            task, self.task = self.task, None
            if task is None:
                assert gone is not None
                await gone
                return PollForTaskAnswer()
            return PollForTaskAnswer(msgspec.convert(task, TaskObject))
        if operation == "ReportTaskProgress":
            return ReportTaskProgressAnswer(canceled=False)
        if operation == "ReportTaskRunnerHeartbeat":
            return ReportTaskRunnerHeartbeatAnswer(terminate=False)
        if isinstance(request, SetTaskStatusRequest):
            self.statuses.put(request)
        return EmptyAnswer()

    async def undelivered(self, caller: Caller, answer: PollForTaskAnswer) -> None:
        raise AssertionError("every task is taken")


class Process:
    """`penstock runner` started by a test, and the server that it talks to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.service = OneTaskService()
        application = Application(self.service, lookup, system_clock, Settings())
        listener = listen("127.0.0.1", 0)
        self.endpoint = endpoint(listener)
        self._server = make_server(application)
        self._thread = threading.Thread(target=self._server.run, args=([listener],))
        self._thread.start()
        self._process: subprocess.Popen[str] | None = None

    def start(self, task: Any, *options: str) -> subprocess.Popen[str]:
        self.service.task = task
        argv = [sys.executable, "-m", "penstock", "runner", "--workerGroup=wg", "--shell=sh"]
        argv += [f"--endpoint={self.endpoint}", f"--output={self.directory}/logs", *options]
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key_id,
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_access_key,
        }
        self._process = subprocess.Popen(
            argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return self._process

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._server.should_exit = True
        self._thread.join(20)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    made.close()


def test_sigterm_lets_the_task_finish_and_ends_with_0(process: Process, tmp_path: Path) -> None:
    for name in ("ready", "release"):
        os.mkfifo(tmp_path / name)
    command = f"echo > {tmp_path}/ready; cat {tmp_path}/release"
    runner = process.start(make_task(command=command))
    (tmp_path / "ready").read_text()
    runner.send_signal(signal.SIGTERM)
    (tmp_path / "release").write_text("done\n")
    assert process.service.statuses.get(timeout=30).task_status == "FINISHED"
    output, _ = runner.communicate(timeout=30)
    assert runner.returncode == 0
    assert str(tmp_path / "logs") in output


def test_a_second_sigterm_kills(process: Process, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    command = f"trap '' TERM; echo $$ > {tmp_path}/ready; while :; do sleep 0.1; done"
    runner = process.start(make_task(command=command), "--grace=1000")
    pid = int((tmp_path / "ready").read_text())
    runner.send_signal(signal.SIGTERM)
    # The first signal has arrived when the slots are no longer polling, which the log tells last;
    # a signal that is pending twice would count once.
    log = next((tmp_path / "logs").glob("TaskRunner.log.*"))
    with subprocess.Popen(
        ["tail", "-n", "+1", "-F", log], stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        assert any("takes no more tasks" in line for line in tail.stdout)
        tail.kill()
    runner.send_signal(signal.SIGTERM)
    assert process.service.statuses.get(timeout=30).error_id == "RunnerStopped"
    runner.communicate(timeout=30)
    assert runner.returncode == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_once_ends_when_nothing_more_comes_and_tells_how_it_went(process: Process) -> None:
    runner = process.start(make_task(command="false"), "--once")
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 1, output
    assert output.splitlines()[-1] == "Nothing more to do: 1 FAILED"


def test_errors_of_the_user_are_one_line(process: Process) -> None:
    runner = process.start(None, "--tasks=none")
    output, _ = runner.communicate(timeout=30)
    assert runner.returncode == 1
    assert output.startswith("penstock: --tasks 'none'")
    assert output.count("\n") == 1
