"""The activities that a runner can do, by the type's name in a definition."""

from __future__ import annotations

from collections.abc import Callable

from penstock.runner.activities.context import Context
from penstock.runner.activities.shell_command import run_shell_command
from penstock.runner.errors import TaskFailed

Activity = Callable[[Context], None]
"""Does one attempt; raises `TaskFailed`, or `Stopped` when told to stop."""

ACTIVITIES: dict[str, Activity] = {"ShellCommandActivity": run_shell_command}
"""All activities by type."""


def find(kind: str) -> Activity:
    """The activity of a type; raises `TaskFailed` for one that is not there."""
    activity = ACTIVITIES.get(kind)
    if activity is None:
        known = ", ".join(sorted(ACTIVITIES))
        message = f"This runner cannot run {kind or 'an object without a type'}; it runs {known}."
        raise TaskFailed("UnsupportedActivity", message)
    return activity
