"""`penstock restore BACKUP`: a server's directory as a backup has it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.options import data_option
from penstock.cli.showing import byte_bar

if TYPE_CHECKING:
    from penstock.cli.copies import Contents, Label
    from penstock.model.times import Instant

ON_POSTGRES = (
    "a PostgreSQL database is restored with its own tools: pg_restore, or recovery to a point in"
    " time; docs/operations.md tells how, and what else is to be done"
)
SUFFIX = ".restoring"


@click.command("restore", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "backup",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
)
@data_option
@click.option(
    "--database-url", envvar="PENSTOCK_DATABASE_URL", metavar="URL", hidden=True, default=None
)
@click.option(
    "--force", is_flag=True, help="Also where a database is; that is put aside, not deleted."
)
def command(backup: Path, data: Path, database_url: str | None, force: bool) -> None:
    """Bring back what `penstock backup` has saved to the directory BACKUP.

    The server's directory must not be in use, and must not hold a database unless --force is
    given. The backup is checked before anything is changed, and what has been written afterwards.
    """
    from penstock.app import lock_directory
    from penstock.clock import system_clock

    if database_url is not None:
        raise click.ClickException(ON_POSTGRES)
    present = _present(data)
    if present and not force:
        raise click.ClickException(
            f"{data} holds {present[0].name} already; choose another directory with --data, or put"
            " what is there aside with --force"
        )
    label, contents = _checked(backup)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = system_clock()
    with lock_directory(data):
        aside = bring_back(backup, data, now)
    _tell(backup, data, label, contents, aside)


def _names() -> tuple[str, ...]:
    """The files of a server's directory that a restoration puts in place or aside."""
    from penstock.access.secrets import KEY_FILE
    from penstock.app import DATABASE_FILE
    from penstock.config import CREDENTIALS_FILE

    logs = (f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm")
    return DATABASE_FILE, *logs, KEY_FILE, CREDENTIALS_FILE


def _present(data: Path) -> list[Path]:
    return [data / name for name in _names() if (data / name).exists()]


def _checked(backup: Path) -> tuple["Label", "Contents"]:
    from penstock.cli import copies

    with byte_bar("checking") as tell:
        return copies.read_backup(backup, tell)


def bring_back(backup: Path, data: Path, now: "Instant") -> Path | None:
    """Put a backup in place; where what was there has been put, if there was anything.

    All is written beside what is there and checked before that is touched.
    """
    from penstock.access.secrets import KEY_FILE
    from penstock.app import DATABASE_FILE
    from penstock.cli import copies

    for left in data.glob(f"*{SUFFIX}*"):
        left.unlink()
    copies.refuse_full_disk(data, (backup / DATABASE_FILE).stat().st_size)
    names = [name for name in _names() if (backup / name).exists()]
    for name in names:
        copies.copy_private(backup / name, data / f"{name}{SUFFIX}")
    database = data / f"{DATABASE_FILE}{SUFFIX}"
    _note(database, now)
    copies.check_database(database)
    copies.check_key(database, data / f"{KEY_FILE}{SUFFIX}")
    aside = _put_aside(_present(data), data, now)
    for name in names:
        (data / f"{name}{SUFFIX}").rename(data / name)
    copies.sync(data)
    return aside


def _note(database: Path, now: "Instant") -> None:
    """Bring a copy up to date, and have it remember that it is one."""
    from penstock.cli.copies import sync
    from penstock.store.sqlite import SqliteStore

    store = SqliteStore(database, now)
    try:
        unit = store.begin()
        unit.note_restoration(now)
        unit.commit()
    finally:
        store.close()
    sync(database)


def _put_aside(present: Sequence[Path], data: Path, now: "Instant") -> Path | None:
    from penstock.model.times import format_instant

    if not present:
        return None
    name = format_instant(now).replace(":", "")
    aside = data / f"before-{name}"
    aside.mkdir(mode=0o700)
    for path in present:
        path.rename(aside / path.name)
    return aside


def _tell(
    backup: Path, data: Path, label: "Label", contents: "Contents", aside: Path | None
) -> None:
    click.echo(
        f"Restored {contents.pipelines:,} pipelines and {contents.instances:,} instances, as of"
        f" {label.created}, from {backup} to {data}; what was written has been checked."
    )
    if aside is not None:
        click.echo(f"What was there before is in {aside}; delete it when nothing of it is needed.")
    click.echo(
        "Start the server with the same options as before: penstock serve --data"
        f" {data}\n"
        "Tasks that runners have are lost to them and will be tried again, and what has run since"
        " the backup runs once more. Access keys are those of the backup: revoke again what has"
        " been revoked since."
    )
