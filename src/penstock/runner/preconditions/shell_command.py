"""ShellCommandPrecondition: met if a command or a fetched script ends with status 0.

Source: developer guide, "ShellCommandPrecondition". Any other status means: not yet. What a
command cannot say (it could not be started, a signal ended it, its script could not be fetched) is
a failure, of which there are only so many.
"""

from __future__ import annotations

from penstock.runner.activities.context import Context
from penstock.runner.activities.shell_command import CommandFailed, run_shell_command
from penstock.runner.errors import NotMet


def check_command(context: Context) -> None:
    """Run it; raises `NotMet` for an exit status other than 0, `TaskFailed` for all else."""
    try:
        run_shell_command(context)
    except CommandFailed as failure:
        if failure.status > 0:
            raise NotMet(str(failure)) from failure
        raise
