"""Following a run to its end: a live table on a terminal, plain lines elsewhere, then a summary."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from penstock.cli.progress import (
    Caller,
    InstanceView,
    Watch,
    blocked_ids,
    next_due,
    nothing_moves,
    pipeline_fields,
)
from penstock.cli.table import line, shortened, table
from penstock.clock import Clock, system_clock
from penstock.language.zones import UTC_ZONE
from penstock.model import status

if TYPE_CHECKING:
    from rich.live import Live

LOOK_SECONDS = 0.2
LOOK_SHARE = 5
"""Looking takes at most one part in so many of the time, however many instances there are."""

STILL_LOOKS = 10
"""So many looks without any change, with nothing able to move, and the run is over."""

OVER = frozenset({"FINISHED", "INACTIVE"})


class Follower:
    """Looks at a pipeline again and again and shows what changes."""

    def __init__(
        self,
        client: Caller,
        pipeline_id: str,
        at_start: bool = True,
        zone: str = UTC_ZONE,
        console: Console | None = None,
        clock: Clock = system_clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`at_start` says that work is due at its interval's start, not its end; `zone` is the
        schedule's.
        """
        self._client = client
        self._pipeline_id = pipeline_id
        self._at_start = at_start
        self._zone = zone
        self._console = console or Console(highlight=False)
        self._clock = clock
        self._sleep = sleep
        self._watch = Watch(client, pipeline_id)

    def follow(self, runner_ended: Callable[[], str | None] = lambda: None) -> None:
        """Return when the pipeline is finished, or when nothing in it can move any more.

        `runner_ended` says how the runner ended, if it did: then an error is raised, since nobody
        is left to do the work.
        """
        still = 0
        with self._live() as live:
            while still < STILL_LOOKS:
                began = time.monotonic()
                fields = pipeline_fields(self._client, self._pipeline_id)
                changed = self._show(live)
                if fields.get("@pipelineState") in OVER:
                    return
                if why := runner_ended():
                    raise click.ClickException(why)
                still = 0 if changed or not self._stuck(fields) else still + 1
                self._sleep(max(LOOK_SECONDS, LOOK_SHARE * (time.monotonic() - began)))

    def last_look(self) -> list[InstanceView]:
        """All instances as they stand now."""
        instances, _ = self._watch.look()
        return instances

    def _live(self) -> "Live | nullcontext[None]":
        if not self._console.is_terminal:
            return nullcontext()
        from rich.live import Live

        return Live(console=self._console, auto_refresh=False)

    def _show(self, live: "Live | None") -> bool:
        """Show how it stands; whether anything changed."""
        instances, changed = self._watch.look()
        now = self._clock()
        if live is not None:
            rows = fitting(instances, self._console.height - 4)
            live.update(table(rows, now, heading(instances)), refresh=True)
        else:
            for each in changed:
                if not each.is_data or each.failed:
                    self._console.print(line(each, now), markup=False, soft_wrap=True)
        return bool(changed)

    def _stuck(self, fields: dict[str, str]) -> bool:
        """Whether nothing can move now and no interval is still to come due."""
        if not nothing_moves(self._watch.instances):
            return False
        due = next_due(fields, self._at_start, self._zone)
        return due is None or due <= self._clock()


def fitting(instances: Sequence[InstanceView], rows: int) -> list[InstanceView]:
    """What fits on the screen: what failed or moves first, then the latest of the rest.

    Data nodes are shown only when they failed: a person follows the work.
    """
    worth = [each for each in instances if not each.is_data or each.failed]
    ranked = sorted(range(len(worth)), key=lambda place: (_rank(worth[place]), -place))
    return [worth[place] for place in sorted(ranked[: max(rows, 1)])]


def _rank(each: InstanceView) -> int:
    if each.failed:
        return 0
    if each.status in (status.RUNNING, status.WAITING_FOR_RUNNER) or each.next_try is not None:
        return 1
    return 3 if each.ended else 2


def heading(instances: Sequence[InstanceView]) -> str:
    """How many stand where, in one line."""
    counts = Counter(each.status for each in instances if not each.is_data)
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def summary(
    instances: Sequence[InstanceView], logs: Sequence[Path], pipeline_id: str, interrupted: bool
) -> Iterator[str]:
    """How it went: what failed and why, what that holds back, where outputs and logs are.

    `logs` are the directories of the runners that took part.
    """
    work = [each for each in instances if not each.is_data]
    finished = sum(each.status in status.SATISFIED for each in work)
    yield f"{finished} of {len(work)} instances finished" + (
        ", then interrupted." if interrupted else "."
    )
    for each in instances:
        if each.failed:
            yield from failure(each, logs, pipeline_id)
    for held in sorted(blocked_ids(instances)):
        yield f"{held} never ran: it waits for what failed."
    made = {each for producer in work for each in producer.outputs}
    places = [
        each.location
        for each in instances
        if each.is_data and each.id in made and each.location and each.status == status.FINISHED
    ]
    if places:
        yield "Outputs:"
        yield from (f"  {place}" for place in dict.fromkeys(places))
    yield from (f"Logs: {directory / pipeline_id}" for directory in logs)


def failure(each: InstanceView, logs: Sequence[Path], pipeline_id: str) -> Iterator[str]:
    """One failed instance: the error's own words and the directory of its last attempt's logs."""
    state = click.style(each.status, fg="red")
    tries = f" after {each.tries} tries" if each.tries > 1 else ""
    yield f"{each.component} {each.start}: {state}{tries}"
    if each.error:
        yield f"  {shortened(each.error)}"
    if each.attempt:
        within = Path(pipeline_id, each.component, each.id, each.attempt)
        own = [directory / within for directory in logs if (directory / within).is_dir()]
        if each.logs or own:
            yield f"  logs: {each.logs or own[0]}"
