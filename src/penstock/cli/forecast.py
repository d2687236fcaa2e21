"""A rehearsal as a person reads it in a terminal: table, chart, figures; or as JSON."""

import json
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from penstock.cli.table import COLOURS as STATUS_COLOURS
from penstock.console.words import duration, moment, moment_after
from penstock.model.ids import instance_id
from penstock.model.times import Instant, format_instant
from penstock.simulation.forecast import Crew, Delay, Forecast
from penstock.simulation.gantt import KINDS, RUNNING_KINDS, Cell, Chart, Kind, Lane, cells, ticks
from penstock.simulation.whatif import Held, Lived, Never, Run, is_work

COLOURS: dict[Kind, str] = {
    "finished": "green",
    "failed": "red",
    "cascaded": "red",
    "canceled": "magenta",
    "running": "cyan",
    "retry": "yellow",
    "queued": "blue",
    "waiting": "bright_black",
}
LETTERS: dict[Kind, str] = {
    "finished": "█",
    "failed": "✖",
    "cascaded": "✗",
    "canceled": "▒",
    "running": "▶",
    "retry": "~",
    "queued": "░",
    "waiting": "·",
}
"""Each kind differs by its letter too: colours get lost in a pipe, and to some eyes."""

HEIGHTS = "▁▂▃▄▅▆▇█"
LONGEST_LABEL = 26
TICK_COLUMNS = 9


def runs_table(runs: Sequence[Run]) -> Table:
    """The runs, one a row; times of the interval's own day without their date."""
    grid = Table(box=None, pad_edge=False)
    for name in ("component", "interval", "ready", "started", "ended"):
        grid.add_column(name, no_wrap=name != "component", overflow="fold")
    grid.add_column("tries", justify="right")
    grid.add_column("state", overflow="fold")
    for run in runs:
        grid.add_row(
            Text(run.component),
            moment(run.start),
            *(_time(at, run.start) for at in (run.ready_at, run.started_at, run.ended_at)),
            str(len(run.tries) or ""),
            Text(run.status, style=STATUS_COLOURS.get(run.status, "")),
        )
    return grid


def _time(at: Instant | None, start: Instant) -> str:
    if at is None:
        return ""
    text = moment_after(at, start)
    return text if len(text) == len("00:00:00") else text[5:16]


def chart_lines(chart: Chart, width: int) -> Iterator[Text]:
    """The chart, so many columns wide, with days or hours marked above, and its legend below."""
    label_width = min(max((len(lane.label) for lane in chart.lanes), default=0), LONGEST_LABEL)
    columns = max(width - label_width - 1, 10)
    places = _tick_places(chart, columns)
    yield Text(" " * (label_width + 1) + _axis(places, columns), style="dim", no_wrap=True)
    for lane in chart.lanes:
        line = Text(_cut(lane.label, label_width).ljust(label_width) + " ", no_wrap=True)
        for column, cell in enumerate(cells(lane.bars, chart.begin, chart.end, columns)):
            if cell is None:
                line.append("┊" if column in places else " ", style="dim")
            else:
                line.append(_letter(cell, lane, chart.single), style=COLOURS[cell.kind])
        yield line
    yield from _legend(chart, width)


def _letter(cell: Cell, lane: Lane, single: bool) -> str:
    """Where many runs share a lane, the height says which share of the time one ran."""
    if single or cell.kind not in RUNNING_KINDS or cell.kind == "failed":
        return LETTERS[cell.kind]
    return HEIGHTS[min(int(cell.share * len(HEIGHTS)), len(HEIGHTS) - 1)]


def _tick_places(chart: Chart, columns: int) -> dict[int, str]:
    length = chart.end - chart.begin
    found = ticks(chart.begin, chart.end, columns // TICK_COLUMNS)
    return {(tick.at - chart.begin) * columns // length: tick.label for tick in found}


def _axis(places: dict[int, str], columns: int) -> str:
    axis = [" "] * columns
    for place, label in places.items():
        text = f"┊{label}"
        if place + len(text) <= columns:
            axis[place : place + len(text)] = text
    return "".join(axis).rstrip()


def _legend(chart: Chart, width: int) -> Iterator[Text]:
    line = Text()
    for kind in chart.kinds:
        entry = Text.assemble((LETTERS[kind], COLOURS[kind]), (f" {KINDS[kind]}", "dim"))
        if line and len(line) + 2 + len(entry) > width:
            yield line
            line = Text()
        line.append(Text("  ") if line else Text())
        line.append(entry)
    yield line


def _cut(label: str, width: int) -> str:
    return label if len(label) <= width else label[: width - 1] + "…"


def summary(lived: Lived, figures: Forecast) -> Iterator[str]:
    """How it went, in sentences."""
    states = ", ".join(f"{count:,} {status}" for status, count in figures.statuses.items())
    until = moment(figures.over_at)
    begin = moment(lived.scenario.begin)
    yield f"{figures.runs:,} runs from {begin} to {until}: {states or 'none'}."
    if lived.pipeline.state == "FINISHED":
        yield f"The pipeline is FINISHED at {until}."
    if figures.began is not None:
        yield f"Began after being due: {_delay(figures.began)}."
    if figures.done is not None:
        yield f"Ended after being due: {_delay(figures.done)}."
    for crew in figures.crews:
        yield _crew(crew)
    yield from _never(figures.never)
    yield from _held(lived.held)


def _delay(delay: Delay) -> str:
    worst = ""
    if delay.worst_ms > 0:
        worst = f" ({delay.worst.component} of {moment(delay.worst.start)})"
    average, most = _length(delay.average_ms), _length(delay.worst_ms)
    return f"{average} on average, {most} at worst{worst}"


def _length(milliseconds: int) -> str:
    return "at once" if milliseconds == 0 else duration(milliseconds)


def _crew(crew: Crew) -> str:
    text = (
        f"Runners of {crew.worker_group}: {crew.runners} for {crew.tasks:,} tasks, "
        f"{crew.busy:.0%} busy, {crew.most_at_once} at once at most"
    )
    if crew.queued is None or crew.queued.worst_ms == 0:
        return f"{text}; no task waited for one."
    return f"{text}; tasks waited for one {_delay(crew.queued)}."


def _never(never: Sequence[Never]) -> Iterator[str]:
    for each in never:
        name = instance_id(each.component, each.start)
        which = name if each.count == 1 else f"{each.count:,} of {each.component}, first {name}"
        yield f"Never ran: {which}: {each.why}."


def _held(held: Sequence[Held]) -> Iterator[str]:
    for each in held:
        yield (
            f"{each.component}: {each.count:,} more intervals were due, from {moment(each.first)}; "
            f"{each.max_active} at a time (maxActiveInstances) had not ended."
        )


def as_json(lived: Lived, figures: Forecast, notes: Sequence[str]) -> str:
    """Everything, data nodes too, as one JSON document; times are UTC, lengths in seconds."""
    scenario = lived.scenario
    document = {
        "from": format_instant(scenario.begin),
        "until": format_instant(scenario.until),
        "pipelineState": lived.pipeline.state,
        "notes": list(notes),
        "summary": {
            "runs": figures.runs,
            "tries": figures.tries,
            "statuses": figures.statuses,
            "beganAfterDue": _delay_members(figures.began),
            "endedAfterDue": _delay_members(figures.done),
            "workerGroups": [_crew_members(crew) for crew in figures.crews],
            "neverRan": [
                {
                    "component": each.component,
                    "first": instance_id(each.component, each.start),
                    "count": each.count,
                    "why": each.why,
                }
                for each in figures.never
            ],
            "notBegun": [
                {
                    "component": each.component,
                    "from": format_instant(each.first),
                    "intervals": each.count,
                }
                for each in lived.held
            ],
        },
        "runs": [_run_members(run) for run in lived.runs],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _delay_members(delay: Delay | None) -> dict[str, object] | None:
    if delay is None:
        return None
    return {
        "averageSeconds": delay.average_ms / 1000,
        "worstSeconds": delay.worst_ms / 1000,
        "worst": instance_id(delay.worst.component, delay.worst.start),
    }


def _crew_members(crew: Crew) -> dict[str, object]:
    return {
        "workerGroup": crew.worker_group,
        "runners": crew.runners,
        "tasks": crew.tasks,
        "busy": round(crew.busy, 4),
        "mostAtOnce": crew.most_at_once,
        "queued": _delay_members(crew.queued),
    }


def _run_members(run: Run) -> dict[str, object]:
    return {
        "id": instance_id(run.component, run.start),
        "component": run.component,
        "type": run.type,
        "data": not is_work(run),
        "start": format_instant(run.start),
        "end": format_instant(run.end),
        "due": format_instant(run.due_at),
        "ready": _optional(run.ready_at),
        "started": _optional(run.started_at),
        "ended": _optional(run.ended_at),
        "status": run.status,
        "tries": [
            {
                "status": each.status,
                "ready": format_instant(each.ready_at),
                "started": _optional(each.started_at),
                "ended": _optional(each.ended_at),
            }
            for each in run.tries
        ],
    }


def _optional(at: Instant | None) -> str | None:
    return format_instant(at) if at is not None else None
