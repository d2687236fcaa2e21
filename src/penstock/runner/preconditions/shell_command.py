"""ShellCommandPrecondition: met if a command or a fetched script ends with status 0.

Source: developer guide, "ShellCommandPrecondition". Any other status means: not yet. What a
command cannot say (it could not be started, a signal ended it, its script could not be fetched) is
a failure, of which there are only so many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.runner.errors import CommandFailed, NotMet

if TYPE_CHECKING:
    from penstock.runner.activities.context import Context


def check_command(context: Context) -> None:
    """Run it; raises `NotMet` for an exit status other than 0, `TaskFailed` for all else."""
    from penstock.runner.activities.shell_command import run_shell_command

    try:
        run_shell_command(context)
    except CommandFailed as failure:
        if failure.status > 0:
            raise NotMet(str(failure)) from failure
        raise
