"""`penstock prune`: forget what ended long ago, now; the server may be running."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

import click

from penstock.cli.keys import place_options, refuse_unused
from penstock.cli.options import parse_time_ago

if TYPE_CHECKING:
    from penstock.cli.records import Records
    from penstock.config import Settings
    from penstock.model.runtime import Pipeline
    from penstock.model.times import Instant
    from penstock.service.retention import Removed
    from penstock.service.sweeping import Sweep

Outcome = tuple["Pipeline", "Removed"]
"""What went, or would go, of a pipeline."""

PAGE = 1_000
PAUSE_SECONDS = 0.02
"""After each transaction, for a server that works beside."""

PATIENCE_SECONDS = 30.0
"""How long to try when the database is locked."""

PIPE_COLUMNS = 1_000


@click.command("prune", context_settings={"help_option_names": ["-h", "--help"]})
@place_options
@click.option(
    "--older-than",
    "age_ms",
    default="90 days",
    show_default=True,
    metavar="TIME",
    callback=parse_time_ago,
    help="What ended longer ago goes: '12 hours', '30 days', '8 weeks'.",
)
@click.option("--pipeline", "only", metavar="ID", help="Of this pipeline alone.")
@click.option("--dry-run", is_flag=True, help="Remove nothing, show what would go.")
def command(settings: "Settings", age_ms: int, only: str | None, dry_run: bool) -> None:
    """Forget instances that ended long ago, with their attempts and history.

    A server does this by itself (see `penstock serve --retention`). What may still be needed stays,
    however old: whatever is unfinished, what that depends on, and the last interval of everything.

    This command works on the server's directory or database, not through its API; the server may
    be running.
    """
    from penstock.cli.records import open_records
    from penstock.clock import system_clock
    from penstock.service.retention import Rehearsal
    from penstock.service.sweeping import Sweep

    refuse_unused(settings)
    with open_records(settings) as records:
        before = system_clock() - age_ms
        pipelines = _pipelines(records, before, only)
        found: list[Outcome] = []
        with _Bar(len(pipelines)) as bar:
            for pipeline in pipelines:
                way = Sweep(pipeline.key, before, Rehearsal(before) if dry_run else None)
                for _ in _rehearse(records, way) if dry_run else _remove(records, way):
                    bar.show(sum(each.instances for _, each in found) + way.removed.instances)
                bar.advance()
                if way.removed.instances:
                    found.append((pipeline, way.removed))
    _print(found, dry_run)


def _pipelines(records: "Records", before: "Instant", only: str | None) -> list["Pipeline"]:
    """Those that may have something to forget, or the one that is asked for."""
    found: list[Pipeline] = []
    with records.store.reader() as reader:
        if only is not None:
            each = (reader.pipeline_by_id(account, only) for account in records.accounts)
            known = [row for row in each if row is not None and row.deleted_at is None]
            if not known:
                raise click.ClickException(f"there is no pipeline {only!r}")
            return [row for row in known if row.version]
        after = 0
        while keys := reader.pipelines_with_past(after, before, PAGE):
            found += [row for key in keys if (row := reader.pipeline(key)) is not None]
            after = keys[-1]
    return found


def _rehearse(records: "Records", way: "Sweep") -> Iterator[None]:
    while not way.done:
        with records.store.reader() as reader:
            way.rehearse(reader, records.definitions)
        yield


def _remove(records: "Records", way: "Sweep") -> Iterator[None]:
    while not way.done:
        _step(records, way)
        yield
        time.sleep(PAUSE_SECONDS)


def _step(records: "Records", way: "Sweep") -> None:
    """One transaction, under the same locks as the server; tried again while that is in the way."""
    from penstock.store.protocol import StoreUnavailable

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            (outcome,) = records.core.complete([way.step], [way.pipeline]).outcomes
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
            continue
        if outcome.error is not None:
            raise outcome.error
        way.take(outcome.value)
        return


class _Bar:
    """How far it has come, for a person at a terminal."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("pipelines, {task.fields[instances]:,} instances"),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=total, instances=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, instances: int) -> None:
        """So many instances have been removed."""
        self._progress.update(self._task, instances=instances)

    def advance(self) -> None:
        """One more pipeline is done."""
        self._progress.advance(self._task)


def _print(found: Sequence[Outcome], dry_run: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from penstock.model.times import format_instant

    if not found:
        click.echo("Nothing to forget: what is there is younger, or still needed.")
        return
    grid = Table(box=None, pad_edge=False)
    grid.add_column("pipeline", no_wrap=True)
    grid.add_column("name", overflow="fold")
    for name in ("instances", "attempts"):
        grid.add_column(name, justify="right")
    for name in ("first interval", "last interval"):
        grid.add_column(name, no_wrap=True)
    for pipeline, each in found:
        spans = [format_instant(start or 0) for start in (each.first, each.last)]
        numbers = (f"{each.instances:,}", f"{each.attempts:,}")
        grid.add_row(pipeline.id, Text(pipeline.name), *numbers, *spans)
    Console(highlight=False, width=None if os.isatty(1) else PIPE_COLUMNS).print(grid)
    instances = sum(each.instances for _, each in found)
    attempts = sum(each.attempts for _, each in found)
    click.echo(
        f"{'Would remove' if dry_run else 'Removed'} {instances:,} instances"
        f" with {attempts:,} attempts, of {len(found):,} pipelines."
    )
