"""One task from hand-over to its status: acknowledge, work, set the status, tidy up."""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.clock import Clock
from penstock.runner import activities
from penstock.runner.activities.context import Context
from penstock.runner.aws import Aws
from penstock.runner.errors import (
    ERROR_MESSAGE_CHARACTERS,
    LocationError,
    NotMet,
    Stopped,
    TaskFailed,
)
from penstock.runner.livelog import LiveLogs
from penstock.runner.locations import Locations, join_uri
from penstock.runner.logs import AttemptLogs, RunnerLog, attempt_path, push_attempt
from penstock.runner.options import RunnerOptions
from penstock.runner.processes import Processes
from penstock.runner.progress import GONE_CODES, Progress, Reporter, ServiceClient
from penstock.runner.shell import Shell
from penstock.runner.staging import Mover
from penstock.runner.stop import CANCELED, LOST, RUNNER_STOPPED, Stop
from penstock.runner.task import Task
from penstock.runner.workplace import Workplace
from penstock.wire.client import ConnectionFailed, ServiceError

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0
_RETRIED_STATUSES = (401, 403, 429)


@dataclass(frozen=True)
class Equipment:
    """What all slots of a runner share. `halted` is set when the runner waits no longer."""

    options: RunnerOptions
    client: ServiceClient
    locations: Locations
    aws: Aws
    processes: Processes
    reporter: Reporter
    live_logs: LiveLogs
    shell: Shell
    log: RunnerLog
    workplace: Workplace
    clock: Clock
    halted: threading.Event


Seat = Callable[[bool, Stop], AbstractContextManager[None]]
"""Waits for a slot, of preconditions or of activities, to work in; raises `Stopped`."""


def perform(task: Task, stop: Stop, equipment: Equipment, seat: Seat) -> str | None:
    """Do one task and set its status: which, or None if it was not for us to set.

    Never raises for what the task itself does.
    """
    refusal = _acknowledge(task, equipment)
    if refusal is not None:
        equipment.log.write(f"{task.attempt_id}: not begun: {refusal}")
        return None
    equipment.log.write(f"{task.attempt_id}: {task.type} begins")
    try:
        logs = AttemptLogs(equipment.options.output / attempt_path(task), equipment.clock)
        directory = equipment.workplace.make()
    except OSError as error:
        message = f"The runner could not make the attempt's directories: {error}"
        return _settle(task, stop, TaskFailed("RunnerError", message), equipment)
    equipment.live_logs.watch(task, logs)
    try:
        failure = _work(task, stop, equipment, logs, directory, seat)
        status = _settle(task, stop, failure, equipment)
        equipment.live_logs.end(task)
        _keep_logs(task, logs, directory, equipment)
        return status
    finally:
        logs.close()
        equipment.workplace.remove(directory)


def _acknowledge(task: Task, equipment: Equipment) -> str | None:
    """Tell the service that the work begins; why it shall not, or None.

    Nothing is started before this is answered: a task whose acknowledgement came too late has
    been offered to someone else, and two must not do the same work.
    """
    answer = _insist(equipment, "ReportTaskProgress", {"taskId": task.task_id})
    if isinstance(answer, str):
        return answer
    return CANCELED if answer.get("canceled") else None


def _work(
    task: Task, stop: Stop, equipment: Equipment, logs: AttemptLogs, directory: Path, seat: Seat
) -> TaskFailed | None:
    """Run the activity; its failure, or None. A request to stop stands in `stop`."""
    progress = Progress()
    mover = Mover(equipment.locations, stop, progress)
    context = Context(
        task=task,
        stop=stop,
        progress=progress,
        mover=mover,
        logs=logs,
        directory=directory,
        processes=equipment.processes,
        shell=equipment.shell,
        locations=equipment.locations,
        aws=equipment.aws,
    )
    logs.write(f"{task.attempt_id}: {task.type} begins")
    equipment.reporter.watch(task, progress, stop)
    try:
        activity = activities.find(task.type)
        with seat(task.is_precondition, stop):
            activity(context)
    except Stopped as stopped:
        logs.write(f"{task.attempt_id}: stopped: {stopped}")
        return _runner_stopped(equipment) if stop.reason == RUNNER_STOPPED else None
    except TaskFailed as failure:
        logs.write(f"{task.attempt_id}: {failure.error_id}: {failure}")
        return failure
    except Exception as error:  # noqa: BLE001 - a defect of ours must not cost the task its status
        trace = traceback.format_exc()
        logs.write(trace)
        return TaskFailed("RunnerError", f"The runner failed: {error!r}", trace)
    finally:
        equipment.reporter.forget(task)
    logs.write(f"{task.attempt_id}: finished")
    return None


def _runner_stopped(equipment: Equipment) -> TaskFailed:
    grace = f"{equipment.options.grace_seconds:g} seconds"
    message = f"The runner was stopped, and its grace time of {grace} ended before this attempt."
    return TaskFailed("RunnerStopped", message)


def _settle(task: Task, stop: Stop, failure: TaskFailed | None, equipment: Equipment) -> str | None:
    """Set the status, unless the service has already decided it; which."""
    if stop.reason in (CANCELED, LOST):
        equipment.log.write(f"{task.attempt_id}: {stop.reason}")
        return None
    status = "FINISHED" if failure is None else "FAILED"
    reported = failure
    if isinstance(failure, NotMet):
        # FALSE, not yet: nothing has failed, so nothing is said of an error.
        status, reported = "FALSE", None
    answer = _insist(equipment, "SetTaskStatus", _status_parameters(task, status, reported))
    outcome = status if failure is None else f"{status}: {failure.error_id}: {failure}"
    refused = f"; not recorded: {answer}" if isinstance(answer, str) else ""
    equipment.log.write(f"{task.attempt_id}: {outcome}{refused}")
    return status


def _status_parameters(task: Task, status: str, failure: TaskFailed | None) -> dict[str, Any]:
    parameters: dict[str, Any] = {"taskId": task.task_id, "taskStatus": status}
    if failure is not None:
        parameters["errorId"] = failure.error_id
        parameters["errorMessage"] = str(failure)[:ERROR_MESSAGE_CHARACTERS]
        if failure.stack_trace:
            parameters["errorStackTrace"] = failure.stack_trace
    return parameters


def _insist(
    equipment: Equipment, operation: str, parameters: dict[str, Any]
) -> dict[str, Any] | str:
    """Call until answered, through lost connections and restarts of the service.

    The answer, or why there is none: the task is not ours any more, or the runner ends.
    """
    for pause in _pauses():
        try:
            return equipment.client.call(operation, parameters)
        except ServiceError as error:
            if error.code in GONE_CODES or not _may_heal(error):
                return str(error)
            equipment.log.write(f"{operation} refused, to be repeated: {error}")
        except ConnectionFailed as error:
            equipment.log.write(f"{operation} not answered, to be repeated: {error}")
        if equipment.halted.wait(pause):
            break
    return "the service cannot be reached and the runner ends"


def _may_heal(error: ServiceError) -> bool:
    """Whether the same call may be accepted later: overload, a defect, keys, a clock put right."""
    return error.status >= 500 or error.status in _RETRIED_STATUSES or "Throttl" in error.code


def _pauses() -> Iterator[float]:
    """Seconds to wait between tries, without end: growing, half of each drawn by lot."""
    ceiling = _FIRST_PAUSE_SECONDS
    while True:
        yield ceiling * random.uniform(0.5, 1.0)  # noqa: S311
        ceiling = min(ceiling * 2, _LONGEST_PAUSE_SECONDS)


def _keep_logs(task: Task, logs: AttemptLogs, directory: Path, equipment: Equipment) -> None:
    """Push the attempt's logs to pipelineLogUri.

    The status stands already: a failure to do so is the runner's, not the task's, and the logs
    stay where they are.
    """
    uri = task.attempt.string("pipelineLogUri")
    if not uri:
        return
    logs.close()
    try:
        target = join_uri(uri, attempt_path(task))
        push_attempt(logs, equipment.locations, target, directory / "logs")
    except (LocationError, OSError) as error:
        equipment.log.write(f"{task.attempt_id}: logs stay in {logs.directory}: {error}")
