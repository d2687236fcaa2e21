"""`penstock backup DIR`: a copy of everything that a server keeps, while it runs."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.keys import place_options, refuse_unused
from penstock.cli.showing import byte_bar

if TYPE_CHECKING:
    from penstock.cli.copies import Contents
    from penstock.config import Settings

ON_POSTGRES = (
    "a PostgreSQL database is backed up with its own tools: pg_dump, or a base backup with archived"
    " WAL; copy the key file too. docs/operations.md tells how"
)


@click.command("backup", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "target", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, resolve_path=True)
)
@place_options
def command(settings: "Settings", target: Path) -> None:
    """Save everything that a server keeps to the new directory DIR; the server may be running.

    DIR gets the database as of one moment, checked; the key to the secrets in it; and the
    credentials file. Whoever has DIR can read all secrets: keep it as safe as the server's own
    directory. `penstock restore DIR` brings it back.
    """
    if settings.database is not None:
        raise click.ClickException(ON_POSTGRES)
    refuse_unused(settings)
    if target.exists() and any(target.iterdir()):
        raise click.ClickException(
            f"{target} is not empty, and a backup writes over nothing; name a new directory"
        )
    began = time.monotonic()
    contents, size = save(settings, target)
    seconds = time.monotonic() - began
    click.echo(
        f"Saved {contents.pipelines:,} pipelines and {contents.instances:,} instances to {target}"
        f" ({size / 2**20:,.1f} MiB, {seconds:.1f} s); the copy has been checked."
    )
    click.echo("It holds the key to all secrets: keep it as safe as the server's own directory.")


def save(settings: "Settings", target: Path) -> tuple["Contents", int]:
    """Make a backup, whole or not at all; what is in it, and how many bytes its database has."""
    from penstock.app import DATABASE_FILE
    from penstock.cli import copies
    from penstock.clock import system_clock

    data = settings.data_dir
    source = data / DATABASE_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    copies.refuse_full_disk(target.parent, copies.database_bytes(source))
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        now = system_clock()
        with byte_bar("copying") as tell:
            copies.copy_database(source, draft / DATABASE_FILE, tell)
        copies.copy_companions(data, draft, settings.key_file)
        copies.write_label(draft, now)
        copies.check_key(draft / DATABASE_FILE, draft / "secret.key")
        contents = copies.check_database(draft / DATABASE_FILE)
        copies.sync(draft)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    copies.sync(target.parent)
    return contents, (target / DATABASE_FILE).stat().st_size
