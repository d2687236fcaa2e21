"""`penstock logs PIPELINE OBJECT`: what tasks write, while they run and afterwards."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from penstock.cli.connection import connect, connection_options
from penstock.cli.options import data_option

if TYPE_CHECKING:
    from penstock.cli.progress import Caller

STREAMS = {"activity": "Activity.log", "stdout": "StdOutput", "stderr": "StdError"}
"""The streams, and the names of the files that the runner keeps them in."""

PER_CALL = 1_000
FOLLOW_SECONDS = 1.0


class Written(Struct, frozen=True, rename="camel"):
    """A piece of GetLogs."""

    time: str
    attempt: int
    stream: str
    text: str = ""
    position: int = 0
    size: int = 0


class Page(Struct, frozen=True, rename="camel"):
    """An answer of GetLogs."""

    object_id: str
    status: str
    marker: str
    attempts: int = 0
    logs: tuple[Written, ...] = ()
    complete: bool = False
    has_more_results: bool = False


@click.command("logs")
@click.argument("pipeline")
@click.argument("object_id", metavar="OBJECT")
@connection_options
@data_option
@click.option("--follow", "-f", is_flag=True, help="Go on until it has ended, tries anew included.")
@click.option(
    "--stream",
    type=click.Choice(list(STREAMS)),
    help="Only this: the runner's account, or a stream of the command.",
)
@click.option("--attempt", type=click.IntRange(1), help="This one; else the latest.")
@click.option("--last", type=click.IntRange(1), metavar="LINES", help="Begin with the last LINES.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, a piece to a line.")
def command(
    pipeline: str,
    object_id: str,
    endpoint: str | None,
    profile: str | None,
    data: Path,
    follow: bool,
    stream: str | None,
    attempt: int | None,
    last: int | None,
    as_json: bool,
) -> None:
    """Show what an activity has written, or follow it while it runs.

    PIPELINE is an id or a name. OBJECT is a component's id, which stands for its latest instance
    that was tried, or an instance's or an attempt's. Of each stream the server keeps the end.
    """
    from penstock.cli.status import find_pipeline

    client = connect(endpoint, profile, data, os.environ)
    request: dict[str, object] = {"pipelineId": find_pipeline(client, pipeline)}
    request["objectId"] = _attempt_of(client, request, object_id, attempt)
    if stream:
        request["stream"] = stream
    show = _show_json if as_json else Printer(stream is None, last is None).show
    shown = _whole(client, request | {"follow": follow}, show, last)
    if follow and not shown.complete:
        shown = _follow(client, request, shown, show, time.sleep)
    if not shown.logs and not as_json:
        click.echo(_nothing(shown), err=True)


def _attempt_of(
    client: "Caller", request: dict[str, object], object_id: str, attempt: int | None
) -> str:
    """The id to ask for; where a component is meant, its instance's, which must not change."""
    if attempt is None and object_id.startswith("@"):
        return object_id
    found = _page(client, request | {"objectId": object_id, "limit": 1})
    if attempt is None:
        return found.object_id
    if attempt > found.attempts:
        tries = {0: "no attempt", 1: "one attempt"}.get(
            found.attempts, f"{found.attempts} attempts"
        )
        raise click.ClickException(f"{found.object_id} has had {tries} so far")
    return f"{found.object_id.partition('_Attempt=')[0]}_Attempt={attempt}"


def _page(client: "Caller", request: dict[str, object]) -> Page:
    import msgspec

    return msgspec.convert(client.call("GetLogs", request), Page)


def _pages(client: "Caller", request: dict[str, object]) -> Iterator[Page]:
    """All that is there by now."""
    while True:
        page = _page(client, request | {"limit": PER_CALL})
        yield page
        if not page.has_more_results:
            return
        request = request | {"marker": page.marker}


Show = Callable[[Written], None]


def _whole(client: "Caller", request: dict[str, object], show: Show, last: int | None) -> Page:
    """Show what there is; the last page, with all that was shown."""
    found: list[Written] = []
    for page in _pages(client, request):
        found += page.logs
        if last is None:
            for piece in page.logs:
                show(piece)
    for piece in _last_lines(found, last) if last is not None else ():
        show(piece)
    import msgspec

    return msgspec.structs.replace(page, logs=tuple(found))


def _follow(
    client: "Caller",
    request: dict[str, object],
    shown: Page,
    show: Show,
    sleep: Callable[[float], None],
) -> Page:
    """Show what is added, until nothing will be."""
    from msgspec.structs import replace

    seen = shown.logs
    while not shown.complete:
        sleep(FOLLOW_SECONDS)
        # Without a piece there is nothing to go on from; the latest attempt may be a new one.
        asked = request | ({"marker": shown.marker} if shown.marker != "0" else {})
        for shown in _pages(client, asked | {"follow": True}):
            for piece in shown.logs:
                show(piece)
            seen = shown.logs or seen
    return replace(shown, logs=seen)


def _last_lines(found: list[Written], last: int) -> list[Written]:
    """The last lines of all that was written, piece by piece."""
    from msgspec.structs import replace

    kept: list[Written] = []
    for piece in reversed(found):
        lines = piece.text.splitlines(keepends=True)
        if len(lines) > last:
            text = "".join(lines[len(lines) - last :])
            skipped = piece.size - len(text.encode())
            return [replace(piece, text=text, position=piece.position + skipped), *kept]
        kept.insert(0, piece)
        last -= len(lines)
        if not last:
            break
    return kept


def _nothing(shown: Page) -> str:
    name = shown.object_id
    if shown.complete and shown.attempts:
        return f"{name} is {shown.status} and has written nothing that is kept."
    if shown.complete:
        return f"{name} is {shown.status} and was never tried."
    return f"{name} is {shown.status} and has written nothing yet; --follow waits for it."


def _show_json(piece: Written) -> None:
    members = {
        "time": piece.time,
        "attempt": piece.attempt,
        "stream": piece.stream,
        "position": piece.position,
        "text": piece.text,
    }
    click.echo(json.dumps(members, ensure_ascii=False))


class Printer:
    """Prints pieces as they come; a heading where the stream or the attempt changes."""

    def __init__(self, headings: bool, whole: bool) -> None:
        """`whole`: it begins at the beginning, so what is missing there is told, too."""
        self._headings = headings
        self._whole = whole
        self._under: tuple[int, str] | None = None
        self._ends: dict[tuple[int, str], int] = {}
        self._open_line = False

    def show(self, piece: Written) -> None:
        """Print a piece, and that something before it was not kept."""
        place = (piece.attempt, piece.stream)
        expected = self._ends.get(place, 0 if self._whole else piece.position)
        self._ends[place] = piece.position + piece.size
        if not piece.text:
            return
        if self._headings and place != self._under:
            self._line(f"==> {STREAMS[piece.stream]} (attempt {piece.attempt}) <==")
        self._under = place
        if piece.position > expected:
            self._line(f"[{piece.position - expected:,} bytes are not kept]")
        click.echo(piece.text, nl=False)
        self._open_line = not piece.text.endswith("\n")

    def _line(self, text: str) -> None:
        if self._open_line:
            click.echo()
        click.secho(text, bold=True)
        self._open_line = False
