"""A scripted service and a way to run one task, for the tests of the runner."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.runner.loop import Runner
from penstock.runner.options import RunnerOptions
from penstock.wire.client import Aborted, ServiceError


class ScriptedService:
    """Stands where the client stands: hands out queued tasks, records calls, answers by script."""

    def __init__(self) -> None:
        self.tasks: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        self.settled = threading.Semaphore(0)
        self.changed = threading.Condition()
        self._aborted = False

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "PollForTask":
            return self._poll()
        with self.changed:
            self.calls.append((operation, parameters))
            self.changed.notify_all()
        script = self.answers.get(operation)
        answer = {} if script is None else script(parameters)
        if operation == "SetTaskStatus":
            self.settled.release()
        return answer

    def abort(self) -> None:
        self._aborted = True
        for _ in range(32):
            self.tasks.put(None)

    def offer(self, *tasks: dict[str, Any] | Exception) -> None:
        for task in tasks:
            self.tasks.put(task)

    def wait_settled(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.settled.acquire(timeout=30), self.calls

    def wait_for(self, operation: str, count: int = 1) -> list[dict[str, Any]]:
        """The parameters of an operation's calls, once there are that many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.of(operation)) >= count, 30), self.calls
        return self.of(operation)

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in list(self.calls) if name == operation]

    def status(self) -> dict[str, Any]:
        (only,) = self.of("SetTaskStatus")
        return only

    def _poll(self) -> dict[str, Any]:
        task = self.tasks.get()
        if self._aborted and task is None:
            raise Aborted("the client no longer polls", sent=False)
        if isinstance(task, Exception):
            raise task
        return {"taskObject": task}


def not_ours(_parameters: dict[str, Any]) -> dict[str, Any]:
    raise ServiceError("TaskNotFoundException", "no longer yours", 400, None)


def make_task(name: str = "Act", objects: dict[str, Any] | None = None, **fields: Any) -> Any:
    """A taskObject; a field's value is text, a list of texts, or a list of ("ref", id)."""
    attempt = f"@{name}_2014-05-01T00:00:00_Attempt=1"
    fields.setdefault("type", "ShellCommandActivity")
    found = {attempt: wire_object(attempt, name, fields)}
    for identity, values in (objects or {}).items():
        found[identity] = wire_object(identity, identity, values)
    return {"taskId": f"task-{name}", "pipelineId": "df-1", "attemptId": attempt, "objects": found}


def wire_object(identity: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    listed = []
    for key, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, tuple):
                listed.append({"key": key, "refValue": one[1]})
            else:
                listed.append({"key": key, "stringValue": one})
    return {"id": identity, "name": name, "fields": listed}


class House:
    """A runner under test, its scripted service and its directories."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.service = ScriptedService()
        self.runner: Runner | None = None
        self.environ = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(directory),
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "verysecret",
        }

    def start(self, **changes: Any) -> Runner:
        settings: dict[str, Any] = {
            "worker_groups": ("wg",),
            "tasks": 1,
            "output": self.directory / "logs",
            "work": self.directory / "work",
            "shell": "/bin/sh",
            "grace_seconds": 20.0,
        }
        options = RunnerOptions(**(settings | changes))
        self.runner = Runner(options, self.service, self.environ)
        self.runner.start()
        return self.runner

    def run(self, task: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Run one task to its end; what SetTaskStatus was told."""
        self.start(**changes)
        self.service.offer(task)
        self.service.wait_settled()
        self.close()
        return self.service.status()

    def close(self) -> None:
        if self.runner is not None:
            self.runner.stop()

    def attempt_file(self, name: str, activity: str = "Act") -> str:
        instance = f"@{activity}_2014-05-01T00:00:00"
        place = self.directory / "logs/df-1" / activity / instance / f"{instance}_Attempt=1"
        return (place / name).read_text()
