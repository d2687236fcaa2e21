"""The group of commands, and how any error becomes one line with a remedy."""

import importlib
import os
import sys
from typing import NoReturn

import click

from penstock import __version__

COMMANDS = {
    "serve": "penstock.cli.serve",
    "runner": "penstock.cli.runner",
    "run": "penstock.cli.run",
    "validate": "penstock.cli.validate",
    "schema": "penstock.cli.schema",
    "convert": "penstock.cli.convert",
    "templates": "penstock.cli.templates",
    "eval": "penstock.cli.evaluate",
    "diff": "penstock.cli.diff",
    "simulate": "penstock.cli.simulate",
    "status": "penstock.cli.status",
    "explain": "penstock.cli.explain",
    "history": "penstock.cli.history",
    "logs": "penstock.cli.logs",
    "keys": "penstock.cli.keys",
    "prune": "penstock.cli.prune",
    "backup": "penstock.cli.backup",
    "restore": "penstock.cli.restore",
}
"""Command and the module whose `command` it is, in the order that `--help` lists them."""

DEBUG_VARIABLE = "PENSTOCK_DEBUG"
INTERRUPTED_STATUS = 130


class LazyGroup(click.Group):
    """Imports a command's module only when that command, or the list of all, is asked for.

    The modules in turn import the rest of the package inside their functions, so that
    `penstock --help` answers at once.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, most wanted first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="penstock")
def group() -> None:
    """Penstock runs AWS Data Pipeline definitions on your own machines."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line (`sys.argv` unless given) and exit.

    Status 0 is success, 1 a failure, 2 a command line that makes no sense, 130 Ctrl-C. With
    PENSTOCK_DEBUG set, errors keep their traceback.
    """
    try:
        status = group.main(arguments, prog_name="penstock", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED_STATUS)
    except BrokenPipeError:
        # The reader of our output left (`penstock status X | head`); nothing is wrong. Python would
        # complain once more when it flushes at exit, so the stream is pointed elsewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        # Every error of every command ends here, as one line.
        if os.environ.get(DEBUG_VARIABLE):
            raise
        click.echo(f"penstock: {explain(error)}", err=True)
        sys.exit(2 if isinstance(error, click.UsageError) else 1)
    sys.exit(status if isinstance(status, int) else 0)


def explain(error: Exception) -> str:
    """What went wrong and what to do about it, for a person, on one line where one will do."""
    if isinstance(error, click.UsageError):
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return _one_line(error.format_message()) + hint
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message())
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if type(error).__module__.startswith("penstock."):
        problem, marked = getattr(error, "problem", str(error)), getattr(error, "marked", None)
        # An expression's error shows it on two lines more, with the place marked.
        return f"{_one_line(problem)}\n{marked}" if marked else _one_line(problem)
    return (
        f"unexpected {type(error).__name__}: {_one_line(str(error))};"
        f" set {DEBUG_VARIABLE}=1 to see where"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
