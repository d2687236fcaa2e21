"""What an activity is given to do one attempt with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.runner.aws import Aws
from penstock.runner.locations import Locations
from penstock.runner.logs import AttemptLogs
from penstock.runner.processes import Processes
from penstock.runner.progress import Progress
from penstock.runner.shell import Shell
from penstock.runner.staging import Mover
from penstock.runner.stop import Stop
from penstock.runner.task import Task


@dataclass(frozen=True)
class Context:
    """One attempt: the task, the means, and a directory of its own that is removed afterwards."""

    task: Task
    stop: Stop
    progress: Progress
    mover: Mover
    logs: AttemptLogs
    directory: Path
    processes: Processes
    shell: Shell
    locations: Locations
    aws: Aws
