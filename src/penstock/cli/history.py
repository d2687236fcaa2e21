"""`penstock history PIPELINE [OBJECT]`: what happened, and who asked for it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from penstock.cli.connection import connect, connection_options
from penstock.cli.options import data_option

if TYPE_CHECKING:
    from rich.table import Table

    from penstock.cli.progress import Caller

LAST = 50
PER_CALL = 1_000
PIPE_COLUMNS = 1_000
ATTEMPT = "_Attempt="


class Happened(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A line of GetHistory."""

    time: str
    object_id: str = ""
    event: str = ""
    detail: str = ""
    user_name: str = ""


@click.command("history")
@click.argument("pipeline")
@click.argument("object_id", metavar="[OBJECT]", required=False)
@connection_options
@data_option
@click.option(
    "--last",
    type=click.IntRange(1),
    default=LAST,
    show_default=True,
    help="So many lines, the latest.",
)
@click.option("--all", "everything", is_flag=True, help="All lines.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(
    pipeline: str,
    object_id: str | None,
    endpoint: str | None,
    profile: str | None,
    data: Path,
    last: int,
    everything: bool,
    as_json: bool,
) -> None:
    """Show what happened in a pipeline, and who gave which command; the latest comes last.

    PIPELINE is an id or a name. OBJECT is a component's id, which stands for its instances too, or
    an instance's.
    """
    from penstock.cli.status import find_pipeline

    client = connect(endpoint, profile, data, os.environ)
    pipeline_id = find_pipeline(client, pipeline)
    wanted = None if everything else last
    lines, more = latest(client, pipeline_id, object_id, wanted)
    if as_json:
        click.echo(json.dumps([_members(each) for each in lines], indent=2, ensure_ascii=False))
        return
    if not lines:
        click.echo("Nothing is recorded.")
        return
    if more:
        click.echo(f"The latest {len(lines):,} lines (--last, --all):")
    _print(lines)


def latest(
    client: "Caller", pipeline_id: str, object_id: str | None, wanted: int | None
) -> tuple[list[Happened], bool]:
    """The latest lines, the oldest of them first, and whether there are older ones."""
    import msgspec

    request: dict[str, object] = {"pipelineId": pipeline_id}
    if object_id is not None:
        request["objectId"] = object_id
    found: list[Happened] = []
    while True:
        left = PER_CALL if wanted is None else wanted - len(found)
        answer = client.call("GetHistory", request | {"limit": min(left, PER_CALL)})
        found += msgspec.convert(answer["events"], list[Happened])
        more = bool(answer.get("hasMoreResults"))
        if not more or len(found) == wanted:
            return found[::-1], more
        request["marker"] = answer["marker"]


def _members(each: Happened) -> dict[str, str | None]:
    return {
        "time": each.time,
        "object": each.object_id or None,
        "event": each.event,
        "detail": each.detail or None,
        "user": each.user_name or None,
    }


def _print(lines: Sequence[Happened]) -> None:
    from rich.console import Console

    # Nobody folds lines in a pipe.
    console = Console(highlight=False, width=None if os.isatty(1) else PIPE_COLUMNS)
    console.print(_table(lines))


def _table(lines: Sequence[Happened]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from penstock.cli.table import COLOURS, shortened

    grid = Table(box=None, pad_edge=False)
    grid.add_column("time", no_wrap=True)
    grid.add_column("object", overflow="fold")
    grid.add_column("event", overflow="fold")
    grid.add_column("by", overflow="fold")
    grid.add_column("detail", overflow="fold")
    for each in lines:
        name, _, attempt = each.object_id.partition(ATTEMPT)
        event = f"{each.event} (attempt {attempt})" if attempt else each.event
        grid.add_row(
            each.time[:19].replace("T", " "),
            Text(name or "(the pipeline)", style="" if name else "dim"),
            Text(event, style=COLOURS.get(each.event, "bold" if each.user_name else "")),
            Text(each.user_name),
            Text(shortened(each.detail)),
        )
    return grid
