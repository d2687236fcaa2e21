"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from penstock.model.limits import Limits

Command = TypeVar("Command", bound=Callable[..., Any])

PROFILES = ("default", "aws")

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


def limits_option(command: Command) -> Command:
    """`--limits PROFILE`: the limits to check against, as `penstock serve` has them."""
    return click.option(
        "--limits",
        type=click.Choice(PROFILES),
        default=PROFILES[0],
        show_default=True,
        callback=_limits,
        help="Limits to check against: our wide ones, or the original service's.",
    )(command)


def _limits(_context: click.Context, _option: click.Parameter, profile: str) -> "Limits":
    from penstock.config import Settings, with_profile

    return with_profile(Settings(), profile).limits


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


def parameters_file_option(command: Command) -> Command:
    """`--parameters-file FILE`, repeatable: parameters and values kept beside a definition."""
    return click.option(
        "--parameters-file",
        "parameter_files",
        multiple=True,
        metavar="FILE",
        type=click.File("rb"),
        help="Parameters or values in a file of their own, as `aws datapipeline` takes them with"
        " --parameter-objects and --parameter-values-uri; may be repeated.",
    )(command)


def pick_option(command: Command) -> Command:
    """`--pick NAME`: one of several pipelines in a file."""
    return click.option("--pick", metavar="NAME", help="Which of several pipelines in the file.")(
        command
    )
