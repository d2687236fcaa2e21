"""`penstock keys`: the access keys of a server, in its directory; the server may be running."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.options import data_option, database_of, database_options
from penstock.config import CREDENTIALS_PROFILE

if TYPE_CHECKING:
    from penstock.access.identity import Directory
    from penstock.config import Settings
    from penstock.store.identity import KeyRecord, UserRecord

FIRST_USER = "admin"
"""The name of an account's first user, unless another is given."""


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where the keys are, as `penstock serve` is told it; the command is given `settings`."""

    @data_option
    @database_options
    @wraps(command)
    def with_settings(
        data: Path,
        database_url: str | None,
        database_url_file: Path | None,
        key_file: Path | None,
        **others: str | None,
    ) -> None:
        from penstock.config import Settings

        database = database_of(database_url, database_url_file)
        command(Settings(data_dir=data, database=database, key_file=key_file), **others)

    return with_settings


@click.group("keys", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, create and revoke access keys.

    These commands work on the server's directory or database, not through its API; a running
    server notices within a second.
    """


@command.command("list")
@place_options
def list_keys(settings: "Settings") -> None:
    """Show all keys, oldest first; never a secret."""
    with directory(settings) as identities:
        for line in listing(identities.keys()):
            click.echo(line)


@command.command("create")
@place_options
@click.option("--user", metavar="NAME", help="Whose key; made if there is none of that name.")
@click.option(
    "--account", metavar="NAME", help="The user's account; made if there is none of that name."
)
def create(settings: "Settings", user: str | None, account: str | None) -> None:
    """Make a key and print it, in the form of an AWS credentials file.

    This is the only time that its secret is shown. Without --account it is of the first account,
    without --user of its first user. Accounts see nothing of each other.
    """
    with directory(settings) as identities:
        credential = identities.create_key(owner(identities, user, account))
        click.echo(credential.as_profile(CREDENTIALS_PROFILE))


@command.command("revoke")
@place_options
@click.argument("access_key_id")
def revoke(settings: "Settings", access_key_id: str) -> None:
    """End a key for good."""
    with directory(settings) as identities:
        if not identities.revoke_key(access_key_id):
            raise click.ClickException(
                f"no active key {access_key_id!r}; `penstock keys list` shows those there are"
            )
        click.echo(f"Revoked {access_key_id}.")
        left = identities.keys()
        if not any(key.active for key in left):
            click.echo("No active key is left; `penstock keys create` makes one.", err=True)


@contextmanager
def directory(settings: "Settings") -> Iterator["Directory"]:
    """The identities of a server's database; one that no server has used is an error."""
    from penstock.app import open_directory

    refuse_unused(settings)
    with open_directory(settings) as identities:
        yield identities


def refuse_unused(settings: "Settings") -> None:
    """Raise if no server has used the directory: a command must not make it look as if one had."""
    from penstock.access.secrets import KEY_FILE

    data = settings.data_dir
    if settings.database is None and not (settings.key_file or data / KEY_FILE).exists():
        raise click.ClickException(
            f"no server has used {data}; name its directory with --data, or start one with"
            f" `penstock serve --data {data}`"
        )


def owner(identities: "Directory", name: str | None, account: str | None = None) -> "UserRecord":
    """A user by name, or the first, of an account by name, or the first; made if need be."""
    account_id = _account_id(identities, account)
    users = [user for user in identities.users() if user.account_id == account_id]
    for user in users:
        if name in {None, user.user_name}:
            return user
    return identities.create_user(account_id, name or FIRST_USER)


def _account_id(identities: "Directory", name: str | None) -> str:
    accounts = identities.accounts()
    if not accounts:
        raise click.ClickException("there is no account yet; start the server once")
    for account in accounts:
        if name in {None, account.name}:
            return account.account_id
    return identities.create_account(name or "").account_id


def listing(keys: Sequence["KeyRecord"]) -> Iterator[str]:
    """Keys in columns: id, user, account, when made, and whether active or since when not."""
    from penstock.model.times import format_instant

    heads = ("access key", "user", "account", "created", "state")
    rows = [heads]
    for key in keys:
        state = "active" if key.revoked_at is None else f"revoked {format_instant(key.revoked_at)}"
        created = format_instant(key.created_at)
        rows.append((key.access_key_id, key.user_name, key.account_id, created, state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
