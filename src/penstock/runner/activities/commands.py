"""Programs that activities run on the runner's own host, and what is said of those that fail."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.errors import COMMAND_FAILED, CommandFailed, LocationError, TaskFailed
from penstock.runner.staging import STAGING_FAILED

MISSING_PROGRAM = "MissingProgram"
"""errorId when the host lacks a program that the work needs."""

_TAIL_BYTES = 4_096
_TAIL_LINES = 5
_TAIL_CHARACTERS = 1_000


def find_program(context: Context, name: str) -> str | None:
    """The path of a program as commands would find it, or None."""
    return shutil.which(name, path=context.shell.environment().get("PATH"))


def need_program(context: Context, name: str, purpose: str) -> str:
    """The path of a program; raises `TaskFailed` (MissingProgram).

    `purpose` is the subject of the sentence, such as `PigActivity`.
    """
    found = find_program(context, name)
    if found is None:
        message = (
            f"{purpose} needs the program {name!r}, which is not on the PATH of this runner's host."
        )
        raise TaskFailed(MISSING_PROGRAM, message)
    return found


def run_program(
    context: Context,
    argv: Sequence[str],
    what: str,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program to its good end, in the attempt's directory; its streams go to the logs.

    Raises `CommandFailed` with the last lines of its stderr, and `Stopped`. `what` begins the
    sentence, such as `Step 2 of 3`.
    """
    work = context.directory / "work"
    work.mkdir(exist_ok=True)
    start = _size(context.logs.stderr_path)
    streams = (context.logs.stdout_path, context.logs.stderr_path)
    given = context.shell.environment() if environment is None else environment
    try:
        status = context.processes.run(argv, work, given, streams, context.stop)
    except OSError as error:
        message = f"{what} could not be started: {argv[0]}: {error.strerror}."
        raise TaskFailed(COMMAND_FAILED, message) from error
    context.logs.write(f"{what} {describe(status)}")
    if status:
        end = tail(context.logs.stderr_path, start)
        colon = f": {last_lines(end)}" if end else "."
        raise CommandFailed(status, f"{what} {describe(status)}{colon}", end)


def run_shell(context: Context, command: str, what: str) -> None:
    """Run a command line by the runner's shell; raises as `run_program`."""
    run_program(context, context.shell.argv(command, (), context.directory), what)


def run_script(context: Context, uri: str, arguments: Sequence[str], what: str) -> None:
    """Fetch a script and run it, by the shell if it names no interpreter; as `run_program`."""
    script = fetch(context, uri, what)
    script.chmod(0o700)
    with script.open("rb") as file:
        interpreted = file.read(2) == b"#!"
    argv = [str(script), *arguments]
    run_program(
        context, argv if interpreted else context.shell.script_argv(script, arguments), what
    )


def fetch(context: Context, uri: str, what: str) -> Path:
    """A file as a local one, in a directory of its own; raises `TaskFailed` (StagingFailed)."""
    place = context.directory / "fetched"
    place.mkdir(exist_ok=True)
    place /= str(sum(1 for _ in place.iterdir()))
    place.mkdir()
    target = place / (uri.rstrip("/").rpartition("/")[2][:100] or "file")
    try:
        context.mover.download(uri, target)
    except (LocationError, OSError) as error:
        raise TaskFailed(STAGING_FAILED, f"{what}: {uri} could not be fetched: {error}") from error
    return target


def run_config(context: Context, key: str) -> None:
    """Run the scripts of a `preActivityTaskConfig` or `postActivityTaskConfig`, if there are any.

    Source: developer guide, "ShellScriptConfig".
    """
    for config in context.task.referenced(key):
        uri = config.string("scriptUri")
        if not uri:
            message = f"{config.name!r}, the {key}, has no scriptUri."
            raise TaskFailed("InvalidActivity", message)
        run_script(context, uri, _arguments(config), f"The script of {key}")


def _arguments(config: PipelineObject) -> tuple[str, ...]:
    return tuple(config.strings("scriptArgument"))


def describe(status: int) -> str:
    """How a process ended, as a sentence goes on; minus a signal's number if one ended it."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by signal {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def tail(path: Path, start: int = 0) -> str:
    """The end of a stream, of what was written after `start`; the path may be missing."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(start, stream.tell() - _TAIL_BYTES))
            return stream.read().decode(errors="replace").strip()
    except OSError:
        return ""


def last_lines(text: str) -> str:
    """As much of a stream's end as fits an error's message."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
