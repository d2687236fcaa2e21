"""Instances as a table for a terminal, and as plain lines for everything else."""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.segment import Segment
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
SHORTEST_MESSAGE = 30
"""Columns that a message needs beside its row; else it stands below."""

INDENT = 2
WIDEST = 500


def table(instances: Sequence[InstanceView], now: Instant, title: str | None = None) -> "Instances":
    """The instances, one a row: status, tries, next try, duration, and why."""
    return Instances(instances, now, title)


class Instances:
    """Instances for a terminal of any width: where it is narrow, why stands below its row."""

    def __init__(
        self, instances: Sequence[InstanceView], now: Instant, title: str | None = None
    ) -> None:
        self._instances = instances
        self._now = now
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich asks of whatever can be shown."""
        # In a pipe nothing is folded.
        options = options.update(max_width=WIDEST) if options.no_wrap else options
        told = any(message(each) for each in self._instances)
        retried = any(each.next_try is not None for each in self._instances)
        needed = _width(console, self._grid(retried))
        if options.max_width >= needed + (SHORTEST_MESSAGE if told else 0):
            yield from console.render(self._grid(retried, told), options)
            return
        grid = self._grid()
        width = max(_width(console, grid), 1)
        lines = console.render_lines(grid, options.update(width=width), pad=False)
        above = len(lines) - len(self._instances)
        for number, segments in enumerate(lines):
            yield from segments
            yield Segment.line()
            if number >= above and (text := _below(self._instances[number - above])):
                yield Padding(Text(text), (0, 0, 0, INDENT))

    def _grid(self, retried: bool = False, told: bool = False) -> Table:
        """The rows; with when they are tried again, and with why."""
        grid = Table(title=self._title, title_justify="left", box=None, pad_edge=False)
        for name in ("instance", "interval", "status"):
            grid.add_column(name, no_wrap=True)
        grid.add_column("tries", justify="right", no_wrap=True)
        if retried:
            grid.add_column("next try", no_wrap=True)
        grid.add_column("time", justify="right", no_wrap=True)
        if told:
            grid.add_column("message", overflow="fold")
        for each in self._instances:
            grid.add_row(*self._cells(each, retried), *([Text(message(each))] if told else []))
        return grid

    def _cells(self, each: InstanceView, retried: bool) -> Iterator[Text]:
        yield Text(each.component)
        yield Text(each.start)
        yield Text(each.status, style=COLOURS.get(each.status, ""))
        yield Text(str(each.tries or ""))
        if retried:
            yield Text(format_instant(each.next_try) if each.next_try is not None else "")
        yield Text(duration(each, self._now))


def _width(console: Console, grid: Table) -> int:
    return console.measure(grid, options=console.options.update(max_width=WIDEST)).maximum


def _below(each: InstanceView) -> str:
    """What a narrow row has no room for."""
    at = f"next try at {format_instant(each.next_try)}" if each.next_try is not None else ""
    return "; ".join(part for part in (at, message(each)) if part)


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
