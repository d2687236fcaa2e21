"""The table of instances, in terminals wide and narrow."""

from msgspec import structs
from rich.console import Console

from penstock.cli.progress import InstanceView
from penstock.cli.table import table

NOW = 1_700_006_400_000
HOUR = "2026-11-23T00:00:00"
KIND = "ShellCommandActivity"
WAITING = InstanceView(
    f"@Load_{HOUR}",
    "Load",
    KIND,
    HOUR,
    "WAITING_ON_DEPENDENCIES",
    waiting_on=("@Fetch_2026-11-23",),
)
DONE = InstanceView(f"@Fetch_{HOUR}", "Fetch", KIND, HOUR, "FINISHED", tries=1)


def shown(width: int, *instances: InstanceView) -> list[str]:
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(table(instances, NOW))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_where_there_is_room_a_message_ends_its_row():
    lines = shown(120, WAITING, DONE)
    assert lines[0].split() == ["instance", "interval", "status", "tries", "time", "message"]
    assert lines[1].endswith("waits on @Fetch_2026-11-23")
    assert len(lines) == 3


def test_in_a_narrow_terminal_it_stands_below_its_row():
    lines = shown(80, WAITING, DONE)
    assert lines[1].split() == ["Load", "2026-11-23T00:00:00", "WAITING_ON_DEPENDENCIES"]
    assert lines[2] == "  waits on @Fetch_2026-11-23"
    assert lines[3].split()[:3] == ["Fetch", "2026-11-23T00:00:00", "FINISHED"]


def test_so_does_the_next_try():
    lines = shown(80, structs.replace(WAITING, next_try=NOW), DONE)
    assert lines[2] == "  next try at 2023-11-15T00:00:00; waits on @Fetch_2026-11-23"
    assert all(len(line) <= 80 for line in lines)


def test_in_a_pipe_nothing_is_cut_or_folded():
    long = structs.replace(WAITING, error="a" * 150, status="FAILED")
    console = Console(width=80, color_system=None, soft_wrap=True)
    with console.capture() as capture:
        console.print(table([long], NOW))
    row = capture.get().splitlines()[1]
    assert row.startswith("Load ")
    assert row.endswith(" " + "a" * 150)


def test_what_nobody_has_takes_no_room():
    assert "message" not in shown(120, DONE)[0]
    assert "next try" not in shown(120, DONE)[0]
