"""`penstock run` follows a pipeline: when it ends, what it says."""

import io
from pathlib import Path

import click
import pytest
from rich.console import Console

from penstock.cli.following import Follower, fitting, heading, summary
from penstock.cli.progress import InstanceView
from penstock.cli.table import line, message, table
from tests.unit.cli.scripted import ScriptedClient, described

NOW = 1_715_677_200_000
LATER = "2024-05-14T10:00:00"


def follower(client: ScriptedClient, output: io.StringIO) -> Follower:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        assert len(naps) < 200, "follows for ever"

    console = Console(file=output, width=200, highlight=False)
    return Follower(client, "df-1", console=console, clock=lambda: NOW, sleep=sleep)


def work(name: str, state: str, **more: str) -> dict[str, object]:
    return described(name, type="ShellCommandActivity", at_status=state, **more)


def test_ends_when_the_pipeline_is_finished_and_prints_changes_once() -> None:
    client = ScriptedClient([work("@A", "WAITING_FOR_RUNNER")])
    client.pipeline = {"@pipelineState": "SCHEDULED"}

    def step(look: int) -> None:
        if look == 2:
            client.objects["@A"] = work("@A", "RUNNING")
        if look == 4:
            client.objects["@A"] = work("@A", "FINISHED")
            client.pipeline = {"@pipelineState": "FINISHED"}

    client.before = step
    output = io.StringIO()
    follower(client, output).follow()
    states = [text.split()[-1] for text in output.getvalue().splitlines()]
    assert states == ["WAITING_FOR_RUNNER", "RUNNING", "FINISHED"]


def test_ends_when_nothing_can_move_any_more() -> None:
    client = ScriptedClient(
        [
            work("@A", "FAILED"),
            described("@B", {"@waitingOn": "@A"}, at_status="WAITING_ON_DEPENDENCIES"),
        ]
    )
    client.pipeline = {"@pipelineState": "SCHEDULED"}
    follower(client, io.StringIO()).follow()


@pytest.mark.parametrize(
    ("state", "next_run"), [("RUNNING", None), ("FAILED", "2024-05-14T09:00:01")]
)
def test_goes_on_while_something_runs_or_is_still_to_come(state: str, next_run: str | None) -> None:
    client = ScriptedClient([work("@A", state)])
    client.pipeline = {"@pipelineState": "SCHEDULED"} | (
        {"@nextRunTime": next_run} if next_run else {}
    )
    with pytest.raises(AssertionError, match="follows for ever"):
        follower(client, io.StringIO()).follow()


def test_data_nodes_are_no_news_unless_they_fail() -> None:
    client = ScriptedClient([described("@D", type="S3DataNode", at_status="FINISHED")])
    client.pipeline = {"@pipelineState": "FINISHED"}
    output = io.StringIO()
    follower(client, output).follow()
    assert output.getvalue() == ""


def an_instance(name: str, state: str, **more: object) -> InstanceView:
    fields: dict[str, object] = {
        "id": f"@{name}_2024-05-14T09:00:00",
        "component": name,
        "type": "ShellCommandActivity",
        "start": "2024-05-14T09:00:00",
        "status": state,
    }
    return InstanceView(**(fields | more))  # type: ignore[arg-type]


def test_the_screen_shows_failures_and_movement_first() -> None:
    crowd = [an_instance(f"done{n}", "FINISHED") for n in range(50)]
    crowd[10:10] = [an_instance("bad", "FAILED"), an_instance("now", "RUNNING")]
    shown = [each.component for each in fitting(crowd, 3)]
    assert shown == ["bad", "now", "done49"]
    assert heading(crowd) == "1 FAILED, 50 FINISHED, 1 RUNNING"


def test_a_row_names_status_tries_and_the_next_try() -> None:
    output = io.StringIO()
    failing = an_instance(
        "A", "WAITING_ON_DEPENDENCIES", tries=2, next_try=NOW, error="exit [bold]3", waiting_on=()
    )
    Console(file=output, width=200).print(table([failing], NOW))
    row = output.getvalue().splitlines()[1].split()
    assert row[:5] == [
        "A",
        "2024-05-14T09:00:00",
        "WAITING_ON_DEPENDENCIES",
        "2",
        LATER[:-9] + "T09:00:00",
    ]
    assert "exit [bold]3" in output.getvalue()
    assert line(failing, NOW).endswith("(try 2) next try at 2024-05-14T09:00:00 - exit [bold]3")


def test_a_message_is_one_bounded_line() -> None:
    long = an_instance("A", "FAILED", error="one\n  two " + "x" * 500)
    assert message(long).startswith("one two x")
    assert len(message(long)) == 200
    assert message(an_instance("A", "FINISHED", error="an earlier try's")) == ""


def test_the_summary_says_what_failed_why_and_where(tmp_path: Path) -> None:
    bad = an_instance(
        "A", "FAILED", tries=3, error="exit status 3: no such table", attempt="@A_Attempt=3"
    )
    held = an_instance("B", "WAITING_ON_DEPENDENCIES", waiting_on=(bad.id,))
    good = an_instance("C", "FINISHED", outputs=("@D_2024-05-14T09:00:00",))
    place = an_instance("D", "FINISHED", type="S3DataNode", location="file:///out")
    read = an_instance("E", "FINISHED", type="S3DataNode", location="file:///in")
    other = tmp_path / "other"
    own = tmp_path / "df-1" / "A" / bad.id / "@A_Attempt=3"
    own.mkdir(parents=True)
    text = click.unstyle(
        "\n".join(summary([bad, held, good, place, read], [other, tmp_path], "df-1", False))
    )
    assert "1 of 3 instances finished." in text
    assert "A 2024-05-14T09:00:00: FAILED after 3 tries" in text
    assert "exit status 3: no such table" in text
    assert f"  logs: {own}\n" in text
    assert f"{held.id} never ran" in text
    assert "  file:///out" in text
    assert "file:///in" not in text
    assert text.endswith(f"Logs: {tmp_path / 'df-1'}")
