"""ShellCommandActivity: run a command or a fetched script, with data staged around it.

Source of the rules: developer guide, "ShellCommandActivity" and "Staging Data and Tables with
Pipeline Activities". Wider than the guide: `scriptArgument` works with `scriptUri` too.
"""

from __future__ import annotations

import errno
from pathlib import Path

from penstock.runner.activities.commands import describe, last_lines, tail
from penstock.runner.activities.context import Context
from penstock.runner.errors import COMMAND_FAILED, CommandFailed, LocationError, TaskFailed
from penstock.runner.staging import STAGING_FAILED, Staged, plan, push_outputs, stage_inputs


def run_shell_command(context: Context) -> None:
    """Fetch inputs, run, copy the streams, push outputs; outputs only if the command succeeded."""
    inputs, outputs = _plan_staging(context)
    stage_inputs(context.mover, inputs)
    for staged in outputs:
        staged.directory.mkdir(parents=True)
    environment = context.shell.environment()
    environment.update({staged.variable: str(staged.directory) for staged in inputs + outputs})
    try:
        _run(context, environment)
    except TaskFailed:
        # The failure of the command is what matters, so one of the copies is only noted.
        try:
            _copy_streams(context)
        except TaskFailed as failure:
            context.logs.write(f"{failure.error_id}: {failure}")
        raise
    _copy_streams(context)
    push_outputs(context.mover, outputs)


def _plan_staging(context: Context) -> tuple[list[Staged], list[Staged]]:
    """What is staged: nothing unless `stage` is true.

    An output without `directoryPath` cannot be; that is an error only if the command relies on
    it, since definitions exist that stage their inputs and write such an output by themselves.
    """
    task = context.task
    if not task.flag("stage"):
        return [], []
    nodes = task.referenced("output")
    inputs = plan(task.referenced("input"), "INPUT", context.directory)
    outputs = plan(nodes, "OUTPUT", context.directory)
    planned = {staged.variable for staged in outputs}
    command = task.attempt.string("command") or ""
    for number, node in enumerate(nodes, start=1):
        variable = f"OUTPUT{number}_STAGING_DIR"
        if variable not in planned and variable in command:
            message = f"The command uses {variable}, but {node.name!r} has no directoryPath."
            raise TaskFailed(STAGING_FAILED, message)
    return inputs, outputs


def _run(context: Context, environment: dict[str, str]) -> None:
    work = context.directory / "work"
    work.mkdir()
    streams = (context.logs.stdout_path, context.logs.stderr_path)
    argv = _argv(context)
    try:
        status = context.processes.run(argv, work, environment, streams, context.stop)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            message = f"The command could not be started: {error.strerror}."
            raise TaskFailed(COMMAND_FAILED, message) from error
        # A script without a first line that names its interpreter is the shell's.
        argv = context.shell.script_argv(Path(argv[0]), argv[1:])
        status = context.processes.run(argv, work, environment, streams, context.stop)
    context.logs.write(f"the command {describe(status)}")
    if status:
        end = tail(context.logs.stderr_path)
        colon = f": {last_lines(end)}" if end else "."
        raise CommandFailed(status, f"The command {describe(status)}{colon}", end)


def _argv(context: Context) -> list[str]:
    attempt = context.task.attempt
    arguments = attempt.strings("scriptArgument")
    command, script_uri = attempt.string("command"), attempt.string("scriptUri")
    if command:
        return context.shell.argv(command, arguments, context.directory)
    if not script_uri:
        raise TaskFailed("InvalidActivity", "The activity has neither command nor scriptUri.")
    script = context.directory / (script_uri.rstrip("/").rpartition("/")[2][:100] or "script")
    try:
        context.mover.download(script_uri, script)
    except (LocationError, OSError) as error:
        message = f"The script could not be fetched: {error}"
        raise TaskFailed(STAGING_FAILED, message) from error
    script.chmod(0o700)
    return [str(script), *arguments]


def _copy_streams(context: Context) -> None:
    """Copy stdout and stderr to the locations that the fields of these names give."""
    for key, path in (("stdout", context.logs.stdout_path), ("stderr", context.logs.stderr_path)):
        uri = context.task.attempt.string(key)
        if not uri:
            continue
        try:
            path.touch()
            context.mover.upload(path, uri)
        except (LocationError, OSError) as error:
            message = f"The command's {key} could not be copied: {error}"
            raise TaskFailed(STAGING_FAILED, message) from error
