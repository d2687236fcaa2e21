"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DATA = Path(".penstock")


def data_option(command: Command) -> Command:
    """`--data DIR`: where a server keeps its database, keys and credentials file."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DATA,
        show_default=True,
        metavar="DIR",
        envvar="PENSTOCK_DATA",
        help="The server's directory.",
    )(command)


def definition_argument(command: Command) -> Command:
    """`FILE`: a pipeline definition; `-` is standard input."""
    return click.argument("file", type=click.File("rb"))(command)


def parse_parameters(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Click's callback for `--parameter k=v`; a name given twice makes a list."""
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE", context, option)
        pairs.append((name, value))
    return tuple(pairs)


def parameter_option(command: Command) -> Command:
    """`--parameter NAME=VALUE`, repeatable."""
    return click.option(
        "--parameter",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        callback=parse_parameters,
        help="Value of a parameter; may be repeated, and a name given twice makes a list.",
    )(command)
