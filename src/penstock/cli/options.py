"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from penstock.config import DatabaseUrl
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


def database_options(command: Command) -> Command:
    """`--database-url`, `--database-url-file`, `--key-file`: a database that servers share."""
    options = [
        click.option(
            "--database-url",
            metavar="URL",
            envvar="PENSTOCK_DATABASE_URL",
            help="PostgreSQL in place of the directory's database: postgresql://USER@HOST/NAME."
            " The password is better kept in PGPASSWORD, ~/.pgpass or --database-url-file.",
        ),
        click.option(
            "--database-url-file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            metavar="FILE",
            help="A file with that URL, which only its owner can read.",
        ),
        click.option(
            "--key-file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            envvar="PENSTOCK_KEY_FILE",
            help="The key to the secrets in the database, the same for all servers that share it."
            " [default: DIR/secret.key]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def database_of(url: str | None, file: Path | None) -> "DatabaseUrl | None":
    """The database that the options name; None for the directory's own."""
    from penstock.config import parse_database_url

    if file is not None:
        if url is not None:
            raise click.UsageError("give --database-url or --database-url-file, not both")
        if file.stat().st_mode & 0o007:
            raise click.ClickException(f"{file} can be read by everybody; run: chmod 600 {file}")
        url = file.read_text("utf-8").strip()
    if url is None:
        return None
    try:
        return parse_database_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--database-url") from None


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


def parse_time_ago(_context: click.Context, _option: click.Parameter, text: str) -> int:
    """Click's callback for a time such as `90 days`; in milliseconds."""
    from penstock.config import parse_age

    try:
        return parse_age(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def parse_retention(context: click.Context, option: click.Parameter, text: str) -> int | None:
    """Click's callback for `--retention`: as `parse_time_ago`, or `never`."""
    if text == "never":
        return None
    try:
        return parse_time_ago(context, option, text) or None
    except click.BadParameter as error:
        raise click.BadParameter(f"{error.message}; never forgets nothing") from None


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
