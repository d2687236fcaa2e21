"""Which server a client command speaks to, and with which keys."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from penstock.config import CREDENTIALS_FILE, CREDENTIALS_PROFILE

if TYPE_CHECKING:
    from penstock.wire.client import Client

Command = TypeVar("Command", bound=Callable[..., Any])

KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def connection_options(command: Command) -> Command:
    """`--endpoint URL` and `--profile NAME`."""
    command = click.option(
        "--profile", metavar="NAME", help="Profile of the AWS credentials file to sign with."
    )(command)
    return click.option(
        "--endpoint",
        metavar="URL",
        help="Where the server answers (else AWS_ENDPOINT_URL_DATA_PIPELINE, AWS_ENDPOINT_URL,"
        " or http://127.0.0.1:8780).",
    )(command)


def connect(
    endpoint: str | None, profile: str | None, data: Path, environ: Mapping[str, str]
) -> "Client":
    """A client with the keys of the profile, else of the local server's directory, else the usual.

    The local server's own file goes before the environment because a person who works beside a
    server means that one; a profile that is named goes before both.
    """
    from penstock.runner.credentials import endpoint_url, read_profile, static_keys
    from penstock.runner.options import RunnerOptions
    from penstock.wire.client import Client

    places = _places(profile, data, environ)
    keys = static_keys(places)
    if keys is None:
        raise click.ClickException(
            f"no access key: {data / CREDENTIALS_FILE} is not there, and neither --profile nor"
            " AWS_ACCESS_KEY_ID gives one; name the server's directory with --data"
        )
    named = endpoint or read_profile(places).get("endpoint_url")
    options = RunnerOptions(worker_groups=(), endpoint=named)
    return Client(endpoint_url(options, environ), keys, tries=3)


def _places(profile: str | None, data: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment as the shared files are to be looked up in."""
    local = data / CREDENTIALS_FILE
    bare = {name: value for name, value in environ.items() if name not in KEY_VARIABLES}
    if profile:
        return bare | {"AWS_PROFILE": profile}
    if local.exists():
        return bare | {
            "AWS_SHARED_CREDENTIALS_FILE": str(local),
            "AWS_PROFILE": CREDENTIALS_PROFILE,
        }
    return dict(environ)
