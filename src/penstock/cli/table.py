"""Instances as a table for a terminal, and as plain lines for everything else."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from penstock.cli.progress import InstanceView, duration
from penstock.model import status
from penstock.model.times import Instant, format_instant

COLOURS = {
    status.FINISHED: "green",
    status.SKIPPED: "dim",
    status.RUNNING: "cyan",
    status.WAITING_FOR_RUNNER: "blue",
    status.FAILED: "red",
    status.CASCADE_FAILED: "red",
    status.TIMEDOUT: "red",
    status.CANCELED: "magenta",
    status.PAUSED: "yellow",
}
MESSAGE_LENGTH = 200


def table(instances: Sequence[InstanceView], now: Instant, title: str | None = None) -> Table:
    """The instances, one a row: status, tries, next try, duration, and why."""
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("instance", "interval", "status"):
        grid.add_column(name, no_wrap=True)
    grid.add_column("tries", justify="right")
    grid.add_column("next try", no_wrap=True)
    grid.add_column("time", justify="right", no_wrap=True)
    grid.add_column("message", overflow="fold")
    for each in instances:
        grid.add_row(
            Text(each.component),
            Text(each.start),
            Text(each.status, style=COLOURS.get(each.status, "")),
            str(each.tries or ""),
            format_instant(each.next_try) if each.next_try is not None else "",
            duration(each, now),
            Text(message(each)),
        )
    return grid


def message(each: InstanceView) -> str:
    """Why it failed, or what it waits on."""
    if each.error and each.status != status.FINISHED:
        return shortened(each.error)
    if each.status == status.WAITING_ON_DEPENDENCIES and each.waiting_on:
        return shortened("waits on " + ", ".join(each.waiting_on))
    return ""


def shortened(text: str) -> str:
    """One line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"


def line(each: InstanceView, now: Instant) -> str:
    """A change of one instance, for a log or a pipe."""
    parts = [format_instant(now), each.component, each.start, each.status]
    if each.tries > 1:
        parts.append(f"(try {each.tries})")
    if each.next_try is not None:
        parts.append(f"next try at {format_instant(each.next_try)}")
    if text := message(each):
        parts.append(f"- {text}")
    return " ".join(parts)
