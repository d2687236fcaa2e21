"""Live logs: what is sent when, what is cut, struck out and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.runner import livelog
from penstock.runner.livelog import LiveLogs
from penstock.runner.logs import AttemptLogs
from penstock.runner.task import Task, read_task
from penstock.wire.client import ConnectionFailed, ServiceError
from tests.unit.runner.scripted import House, ScriptedService, make_task


class Desk:
    """Live logs with a clock that stands still until told, and one task."""

    def __init__(self, directory: Path) -> None:
        self.now = 1_000.0
        self.service = ScriptedService()
        self.said: list[str] = []
        self.live = LiveLogs(self.service, self.said.append, ["runnersecret"], lambda: self.now)
        objects = {"Base": {"*password": "opensesame"}}
        found = read_task({"taskObject": make_task("Act", objects)})
        assert isinstance(found, Task)
        self.task = found
        self.logs = AttemptLogs(directory, lambda: 0)
        self.live.watch(self.task, self.logs)

    def write(self, content: bytes | str) -> None:
        with self.logs.stdout_path.open("ab") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def later(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.live.tick()

    def pieces(self, stream: str = "stdout") -> list[dict[str, Any]]:
        calls = self.service.of("ReportTaskLogs")
        return [piece for call in calls for piece in call["logs"] if piece["stream"] == stream]

    def text(self, stream: str = "stdout") -> str:
        return "".join(piece["text"] for piece in self.pieces(stream))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "attempt")
    yield made
    made.logs.close()


def test_what_is_new_is_sent_within_a_second(desk: Desk):
    desk.write("one\n")
    desk.later(0.5)
    assert desk.text() == ""
    desk.later(0.5)
    assert desk.text() == "one\n"


def test_nobody_follows_so_what_comes_next_has_time(desk: Desk):
    desk.write("one\n")
    desk.later()
    desk.write("two\n")
    for _ in range(9):
        desk.later()
        assert desk.text() == "one\n"
    desk.later()
    assert desk.text() == "one\ntwo\n"


def test_followed_each_second(desk: Desk):
    desk.service.answers["ReportTaskLogs"] = lambda _: {"followed": [desk.task.task_id]}
    for number in range(30):
        desk.write(f"{number}\n")
        desk.later()
        assert len(desk.pieces()) == number + 1


def test_positions_are_those_of_the_file(desk: Desk):
    desk.write("ünï\n")
    desk.later()
    desk.write(b"\xff\n")
    desk.later(10)
    first, second = desk.pieces()
    assert (first["position"], first["size"], first["text"]) == (0, 6, "ünï\n")
    assert (second["position"], second["size"], second["text"]) == (
        6,
        2,
        "\N{REPLACEMENT CHARACTER}\n",
    )


def test_lines_are_sent_whole_and_the_rest_when_it_stands_still(desk: Desk):
    desk.service.answers["ReportTaskLogs"] = lambda _: {"followed": [desk.task.task_id]}
    desk.write("one\npass")
    desk.later()
    assert desk.text() == "one\n"
    desk.write("word: opense")
    desk.later()
    desk.write("same? ")
    desk.later()
    assert desk.text() == "one\n"
    desk.later()
    assert desk.text() == "one\npassword: ********? "


def test_secrets_are_struck_out(desk: Desk):
    desk.write("opensesame runnersecret\n")
    desk.later()
    assert desk.text() == "******** ********\n"


def test_the_rest_is_sent_at_the_end_with_its_mark_though_the_files_go(desk: Desk):
    desk.write("one\ntwo")
    desk.logs.write("finished")
    desk.live.end(desk.task)
    desk.logs.stdout_path.unlink()
    assert desk.pieces() == []
    desk.later(0.5)
    assert desk.text() == "one\ntwo"
    assert desk.pieces("activity")[-1]["final"] is True
    assert desk.pieces("activity")[-1]["position"] == desk.pieces("activity")[0]["size"]
    desk.later(100)
    assert len(desk.service.of("ReportTaskLogs")) == 1


def test_a_long_stream_is_sent_from_its_end_in_bounded_pieces(desk: Desk):
    line = b"x" * 999 + b"\n"
    desk.write(line * 3_000)
    desk.later()
    pieces = desk.pieces()
    assert pieces[0]["position"] % 1_000 == 0
    assert pieces[0]["position"] > 1_900_000
    assert pieces[-1]["position"] + pieces[-1]["size"] == 3_000_000
    assert all(piece["size"] <= livelog.PIECE_BYTES for piece in pieces)
    assert all(piece["text"].endswith("\n") for piece in pieces)
    for call in desk.service.of("ReportTaskLogs"):
        assert sum(piece["size"] for piece in call["logs"]) <= livelog.BYTES_PER_CALL


def test_a_line_without_end_is_sent_all_the_same(desk: Desk):
    desk.write(b"x" * 3_000_000)
    desk.later()
    assert sum(piece["size"] for piece in desk.pieces()) == livelog.BYTES_AT_A_LOOK


def unreachable(_: object) -> dict[str, Any]:
    raise ConnectionFailed("nobody there", sent=False)


def overloaded(_: object) -> dict[str, Any]:
    raise ServiceError("ThrottlingException", "slow down", 400, None)


@pytest.mark.parametrize("failure", [unreachable, overloaded])
def test_what_could_not_be_delivered_is_sent_again(
    desk: Desk, failure: Callable[[object], dict[str, Any]]
):
    desk.service.answers["ReportTaskLogs"] = failure
    desk.write("one\n")
    desk.later()
    desk.write("two\n")
    desk.live.end(desk.task)
    desk.service.calls.clear()
    desk.service.answers.clear()
    desk.later(livelog.AFTER_A_FAILURE_SECONDS)
    assert desk.text() == "one\ntwo\n"


def test_what_waits_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(livelog, "BYTES_WAITING", 10)
    desk.service.answers["ReportTaskLogs"] = unreachable
    for number in range(5):
        desk.write(f"line {number}\n")
        desk.later(10)
    desk.service.calls.clear()
    desk.service.answers.clear()
    desk.later(10)
    assert desk.text() == "line 4\n"


def test_a_server_that_takes_none_is_asked_once(desk: Desk):
    def unknown(_: object) -> dict[str, Any]:
        raise ServiceError("UnknownOperationException", "no such operation", 400, None)

    desk.service.answers["ReportTaskLogs"] = unknown
    desk.write("one\n")
    for _ in range(20):
        desk.later()
        desk.write("more\n")
    desk.live.watch(desk.task, desk.logs)
    desk.live.end(desk.task)
    desk.later()
    assert len(desk.service.of("ReportTaskLogs")) == 1
    assert [line.partition(":")[0] for line in desk.said] == ["this server takes no live logs"]


def test_a_task_that_is_no_longer_ours_is_sent_no_more(desk: Desk):
    desk.service.answers["ReportTaskLogs"] = lambda _: {"refused": [desk.task.task_id]}
    desk.write("one\n")
    desk.later()
    desk.write("two\n")
    desk.later(60)
    desk.live.end(desk.task)
    desk.later(60)
    assert desk.text() == "one\n"


def test_a_runner_sends_the_logs_of_its_tasks(house: House):
    house.run(make_task("Act", command="echo hello; echo oops >&2; env"))
    calls = house.service.of("ReportTaskLogs")
    written = dict.fromkeys(("activity", "stdout", "stderr"), "")
    for call in calls:
        for piece in call["logs"]:
            written[piece["stream"]] += piece["text"]
    assert written["stdout"].startswith("hello\n")
    assert "AWS_SECRET_ACCESS_KEY=********\n" in written["stdout"]
    assert written["stderr"] == "oops\n"
    assert written["activity"].splitlines()[-1].endswith("finished")
    assert calls[-1]["logs"][-1]["final"] is True


def test_a_runner_ends_though_nobody_takes_its_logs(house: House):
    house.service.answers["ReportTaskLogs"] = unreachable
    assert house.run(make_task("Act", command="echo hello"))["taskStatus"] == "FINISHED"
    assert house.attempt_file("StdOutput") == "hello\n"
