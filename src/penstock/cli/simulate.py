"""`penstock simulate FILE`: what would run, and when, without running anything."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import click

from penstock.cli.options import (
    definition_argument,
    parameter_option,
    parameters_file_option,
    pick_option,
)
from penstock.cli.run import Given, checked, parse_until

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from penstock.engine.plan import Plan
    from penstock.model.definition import Definition, ParameterValue
    from penstock.model.times import Instant
    from penstock.simulation.forecast import Forecast
    from penstock.simulation.whatif import Lived, Scenario

MOST_ROWS = 50
MOST_SINGLE_TERMINAL = 24
MOST_SINGLE_PICTURE = 60
NARROWEST = 60

EXAMPLES = """\b
Examples:
  penstock simulate FILE --until 2026-04-01 --duration 'Load=20m,*=5m' --runners 2
  penstock simulate FILE --until 2026-03-02 --fail Load@2026-03-01 --fail 'Fetch:2'
"""


@click.command("simulate", epilog=EXAMPLES)
@definition_argument
@click.option(
    "--until",
    required=True,
    metavar="DATE",
    callback=parse_until,
    help="Look no further than this (YYYY-MM-DDTHH:MM:SS, UTC).",
)
@click.option(
    "--from",
    "begin",
    metavar="DATE",
    callback=parse_until,
    help="When the pipeline is activated (else where its first schedule starts, or now).",
)
@click.option(
    "--runners",
    type=click.IntRange(1, 100_000),
    default=4,
    show_default=True,
    help="Tasks at a time, for each worker group.",
)
@click.option(
    "--duration",
    "durations",
    multiple=True,
    metavar="NAME=TIME,...",
    help="How long a task takes: 'Load=5m,Report=1h30m,*=30s' (else 1m); may be repeated.",
)
@click.option(
    "--fail",
    "failures",
    multiple=True,
    metavar="NAME[@DATE][:N]",
    help="Let all attempts fail, or those of the intervals that start on DATE, or the first N of"
    " each; * is every name; may be repeated.",
)
@parameter_option
@parameters_file_option
@pick_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
@click.option(
    "--rows",
    type=click.IntRange(0),
    default=MOST_ROWS,
    show_default=True,
    help="Rows of the table at most.",
)
@click.option(
    "--svg",
    "picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the chart as a picture, too.",
)
def command(
    file: BinaryIO,
    until: datetime,
    begin: datetime | None,
    runners: int,
    durations: tuple[str, ...],
    failures: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    parameter_files: tuple[BinaryIO, ...],
    pick: str | None,
    form: Literal["table", "json"],
    rows: int,
    picture: Path | None,
) -> int:
    """Show what would run, and when, in virtual time: nothing is run.

    The service and its rules are the real ones; only runners are imagined. No file or network is
    touched. An on-demand pipeline is activated once.
    """
    from penstock.cli.scenario import read_durations, read_failures
    from penstock.model.times import from_datetime
    from penstock.simulation.forecast import forecast
    from penstock.simulation.whatif import Rehearsal, Scenario

    found = checked(Given(file, pick, parameters, parameter_files))
    if found is None:
        return 1
    definition, values = found
    definition, plan, notes = understood(definition, values)
    names = dict.fromkeys(name for c in plan.components.values() for name in (c.id, c.object_id))
    scenario = Scenario(
        begin=first_moment(plan, begin, until),
        until=from_datetime(until),
        runners=runners,
        takes_ms=read_durations(durations, names),
        failures=read_failures(failures, names),
    )
    name = Path(file.name).stem.strip("<>")
    rehearsal = Rehearsal(definition, values, scenario, name)
    with progress(scenario) as tell:
        lived = rehearsal.live(tell)
    figures = forecast(lived)
    if picture is not None:
        picture.write_text(drawn(lived, name), encoding="utf-8")
    if form == "json":
        from penstock.cli.forecast import as_json

        click.echo(as_json(lived, figures, notes))
    else:
        show(lived, figures, notes, rows)
    return 0


@contextmanager
def progress(scenario: "Scenario") -> "Iterator[Callable[[Instant], None]]":
    """A bar on standard error while time passes; where nobody watches there is none."""
    from penstock.model.times import format_instant

    shown: ProgressBar[Instant] = click.progressbar(
        length=scenario.until - scenario.begin,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
        show_pos=False,
        item_show_func=lambda at: None if at is None else format_instant(at),
        update_min_steps=(scenario.until - scenario.begin) // 200,
    )
    with shown as bar:
        yield lambda at: bar.update(at - scenario.begin - bar.pos, at)


def understood(
    definition: "Definition", values: "tuple[ParameterValue, ...]"
) -> "tuple[Definition, Plan, tuple[str, ...]]":
    """The definition as it is to be lived through, its plan, and what is taken for granted."""
    from penstock.clock import system_clock
    from penstock.engine.compile import compile_plan
    from penstock.simulation.standins import granted

    now = system_clock()
    plan = compile_plan(definition, values, "simulation", 1, now, 0)
    taken = granted(definition, plan)
    return taken.definition, plan, taken.notes


def first_moment(plan: "Plan", begin: datetime | None, until: datetime) -> "Instant":
    """When the pipeline is activated. Raises UsageError if that is not before the end."""
    from penstock.clock import system_clock
    from penstock.model.times import format_instant, from_datetime

    origins = [each.schedule.origin for each in plan.components.values() if each.schedule]
    found = from_datetime(begin) if begin is not None else min(origins, default=system_clock())
    if found >= from_datetime(until):
        raise click.UsageError(
            f"--until {format_instant(from_datetime(until))} is not after {format_instant(found)},"
            " when the pipeline is activated; give a later --until, or an earlier --from"
        )
    return found


def drawn(lived: "Lived", name: str) -> str:
    """The chart as an SVG."""
    from penstock.console.words import moment
    from penstock.simulation.gantt import draw
    from penstock.simulation.picture import svg

    scenario = lived.scenario
    subtitle = (
        f"simulated from {moment(scenario.begin)} to {moment(scenario.until)} UTC, "
        f"{scenario.runners} runners for each worker group"
    )
    return svg(draw(lived, MOST_SINGLE_PICTURE), name, subtitle)


def show(lived: "Lived", figures: "Forecast", notes: tuple[str, ...], rows: int) -> None:
    """Table, chart and figures, for a person."""
    from rich.console import Console

    from penstock.cli.forecast import chart_lines, runs_table, summary
    from penstock.simulation.gantt import draw
    from penstock.simulation.whatif import is_work

    console = Console(highlight=False, soft_wrap=not os.isatty(1))
    work = [run for run in lived.runs if is_work(run)]
    if rows and work:
        console.print(runs_table(work[:rows]))
        if len(work) > rows:
            console.print(f"… and {len(work) - rows:,} more (--rows, or --format json)")
        console.print()
    if work:
        chart = draw(lived, MOST_SINGLE_TERMINAL)
        for line in chart_lines(chart, max(console.width, NARROWEST)):
            console.print(line)
        console.print()
    for note in notes:
        console.print(f"Note: {note}.", markup=False)
    for sentence in summary(lived, figures):
        console.print(sentence, markup=False)
