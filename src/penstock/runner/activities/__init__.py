"""The activities that a runner can do, by the type's name in a definition."""

from __future__ import annotations

from collections.abc import Callable

from penstock.runner.activities.context import Context
from penstock.runner.activities.copy import run_copy
from penstock.runner.activities.emr import run_emr
from penstock.runner.activities.hive import run_hive
from penstock.runner.activities.hive_copy import run_hive_copy
from penstock.runner.activities.redshift_copy import run_redshift_copy
from penstock.runner.activities.shell_command import run_shell_command
from penstock.runner.activities.sql import run_sql
from penstock.runner.errors import TaskFailed
from penstock.runner.preconditions.exists import check_exists
from penstock.runner.preconditions.shell_command import check_command

Activity = Callable[[Context], None]
"""Does one attempt; raises `TaskFailed`, or `Stopped` when told to stop."""

ACTIVITIES: dict[str, Activity] = {
    "CopyActivity": run_copy,
    "EmrActivity": run_emr,
    "HiveActivity": run_hive,
    "HiveCopyActivity": run_hive_copy,
    "RedshiftCopyActivity": run_redshift_copy,
    "ShellCommandActivity": run_shell_command,
    "SqlActivity": run_sql,
    "ShellCommandPrecondition": check_command,
    "Exists": check_exists,
}
"""All activities by type, and the preconditions that are a runner's: these may raise `NotMet`."""


def find(kind: str) -> Activity:
    """The activity of a type; raises `TaskFailed` for one that is not there."""
    activity = ACTIVITIES.get(kind)
    if activity is None:
        known = ", ".join(sorted(ACTIVITIES))
        message = f"This runner cannot run {kind or 'an object without a type'}; it runs {known}."
        raise TaskFailed("UnsupportedActivity", message)
    return activity
