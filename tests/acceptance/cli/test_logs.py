"""`penstock logs` as a person types it, ReportTaskLogs and GetLogs as programs call them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.wire.client import ServiceError
from tests.support.definitions import activated, component, ondemand, shell
from tests.support.server import Server, clean_environ, serving
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("logs")
    with serving(directory / "data", "log_bytes_per_stream=64KiB") as found:
        yield found


def arguments(server: Server, *words: str) -> list[str]:
    command = [sys.executable, "-m", "penstock", "logs", *words]
    return [*command, "--data", str(server.data), "--endpoint", server.endpoint]


def logs(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(server, *words),
        capture_output=True,
        text=True,
        env=clean_environ(),
        timeout=60,
        check=False,
    )


class Work:
    """A pipeline of one activity, and its task in the hands of the test."""

    def __init__(self, server: Server, name: str, **fields: str) -> None:
        self.name = name
        self.server = server
        self.client = server.caller()
        boto = server.boto()
        secret = component("Base", **{"*password": "opensesame"})
        self.pipeline = activated(boto, name, ondemand(name), secret, shell("Load", **fields))
        boto.close()
        self.task = self.poll()

    def poll(self) -> str:
        answer = self.client.call("PollForTask", {"workerGroup": self.name})
        task: dict[str, Any] = answer["taskObject"]
        self.attempt = task["attemptId"]
        return str(task["taskId"])

    def say(self, text: str, stream: str = "stdout", position: int = 0, **more: Any) -> Any:
        size = len(text.encode())
        piece = {"taskId": self.task, "stream": stream, "position": position, "size": size}
        return self.client.call("ReportTaskLogs", {"logs": [piece | {"text": text} | more]})

    def end(self, status: str = "FINISHED") -> None:
        self.client.call("SetTaskStatus", {"taskId": self.task, "taskStatus": status})

    def rerun(self) -> None:
        instance = self.attempt.partition("_Attempt=")[0]
        request = {"pipelineId": self.pipeline, "objectIds": [instance], "status": "RERUN"}
        self.client.call("SetStatus", request)
        self.task = self.poll()

    def read(self, object_id: str = "Load", **more: Any) -> Any:
        request = {"pipelineId": self.pipeline, "objectId": object_id}
        return self.client.call("GetLogs", request | more)

    def text(self, **more: Any) -> str:
        return "".join(each["text"] for each in self.read(**more)["logs"])


@pytest.fixture
def work(server: Server, request: pytest.FixtureRequest) -> Iterator[Callable[..., Work]]:
    made: list[Work] = []

    def make(**fields: str) -> Work:
        made.append(Work(server, request.node.name, **fields))
        return made[-1]

    yield make
    for each in made:
        each.client.close()


def test_what_a_task_has_written_is_shown_under_headings(server: Server, work):
    one = work()
    one.say("one\ntwo\n")
    one.say("oops\n", "stderr")
    one.say("three\n", position=8)
    done = logs(server, one.name, "Load")
    assert done.stderr == ""
    assert done.stdout == (
        "==> StdOutput (attempt 1) <==\none\ntwo\n"
        "==> StdError (attempt 1) <==\noops\n"
        "==> StdOutput (attempt 1) <==\nthree\n"
    )
    assert logs(server, one.name, "Load", "--stream", "stdout").stdout == "one\ntwo\nthree\n"
    last = logs(server, one.name, one.attempt, "--stream", "stdout", "--last", "2")
    assert last.stdout == "two\nthree\n"


def test_as_json(server: Server, work):
    one = work()
    one.say("ünï\n")
    (line,) = logs(server, one.pipeline, "Load", "--json").stdout.splitlines()
    found = json.loads(line)
    assert found.pop("time") > "2000-01-01T00:00:00.000"
    assert found == {"attempt": 1, "stream": "stdout", "position": 0, "text": "ünï\n"}


def test_secrets_of_the_definition_are_struck_out(server: Server, work):
    one = work()
    one.say("the password is opensesame!\n")
    assert one.text() == "the password is ********!\n"


def test_the_end_of_a_stream_is_kept_and_the_gap_is_shown(server: Server, work):
    one = work()
    line = "x" * 1023 + "\n"
    for number in range(5):
        one.say(line * 16, position=number * 16 * 1024)
    one.say("end\n", position=100 * 1024)
    found = one.read()["logs"]
    assert [each["position"] for each in found] == [32 * 1024, 48 * 1024, 64 * 1024, 100 * 1024]
    shown = logs(server, one.name, "Load", "--stream", "stdout").stdout.splitlines()
    assert shown[0] == "[32,768 bytes are not kept]"
    assert shown[-2:] == ["[20,480 bytes are not kept]", "end"]


def test_a_piece_that_is_sent_twice_is_there_once(work):
    one = work()
    for _ in range(2):
        assert one.say("once\n") == {}
    assert one.text() == "once\n"


def test_pages_join_to_the_whole(work):
    one = work()
    for number in range(3):
        one.say(f"{number}\n", position=2 * number)
    found, marker = [], ""
    while True:
        page = one.read(limit=2, marker=marker)
        found += [each["text"] for each in page["logs"]]
        marker = page["marker"]
        if not page["hasMoreResults"]:
            break
    assert found == ["0\n", "1\n", "2\n"]
    assert one.read(marker=marker)["logs"] == []


def test_only_the_owner_of_a_task_adds_to_its_log(server: Server, work):
    one = work()
    stranger = server.caller(server.other_account())
    piece = {"taskId": one.task, "stream": "stdout", "position": 0, "size": 2, "text": "no"}
    forged = piece | {"taskId": one.task[:-4] + "AAAA"}
    for client, said in ((stranger, piece), (one.client, forged)):
        answer = client.call("ReportTaskLogs", {"logs": [said]})
        assert answer == {"refused": [said["taskId"]]}
    both = one.client.call("ReportTaskLogs", {"logs": [forged, piece | {"text": "ok"}]})
    assert both == {"refused": [forged["taskId"]]}
    assert one.text() == "ok"
    with pytest.raises(ServiceError, match="PipelineNotFound"):
        stranger.call("GetLogs", {"pipelineId": one.pipeline, "objectId": "Load"})
    stranger.close()


def test_the_owner_may_be_late_but_not_for_a_pipeline_that_is_gone(work):
    one = work(maximumRetries="0")
    one.end("FAILED")
    assert one.say("late\n") == {}
    assert one.text() == "late\n"
    one.client.call("DeletePipeline", {"pipelineId": one.pipeline})
    assert one.say("gone\n", position=5) == {"refused": [one.task]}


def test_whom_a_task_was_taken_from_adds_nothing(tmp_path: Path):
    with serving(tmp_path / "data", "acknowledge_timeout=10ms") as server:
        one = Work(server, "taken")
        first = one.task
        one.task = one.poll()
        one.client.call("ReportTaskProgress", {"taskId": one.task})
        assert one.say("mine\n") == {}
        one.task = first
        assert one.say("not mine\n", "stderr") == {"refused": [first]}
        assert one.text() == "mine\n"
        one.client.close()


def test_each_attempt_has_its_own(server: Server, work):
    one = work(maximumRetries="0")
    one.say("in vain\n", final=True)
    one.end("FAILED")
    one.rerun()
    one.say("at last\n")
    assert logs(server, one.name, "Load", "--stream", "stdout").stdout == "at last\n"
    first = logs(server, one.name, "Load", "--stream", "stdout", "--attempt", "1")
    assert first.stdout == "in vain\n"
    third = logs(server, one.name, "Load", "--attempt", "3")
    assert third.returncode == 1
    assert third.stderr.endswith("has had 2 attempts so far\n")


def test_a_follower_is_told_to_the_runner(work):
    one = work()
    assert one.say("a\n") == {}
    one.read(follow=True)
    assert one.say("b\n", position=2) == {"followed": [one.task]}


def test_following_goes_on_through_tries_to_the_end(server: Server, work):
    one = work(maximumRetries="0")
    following = subprocess.Popen(
        arguments(server, one.name, "Load", "--follow", "--stream", "stdout"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environ(),
    )
    assert following.stdout is not None
    eventually(lambda: one.say("first\n").get("followed"), "it follows")
    assert following.stdout.readline() == "first\n"
    one.end("FAILED")
    one.rerun()
    one.say("second\n")
    assert following.stdout.readline() == "second\n"
    one.end()
    one.say("third\n", position=7, final=True)
    out, err = following.communicate(timeout=60)
    assert (out, err, following.returncode) == ("third\n", "", 0)


def test_it_is_complete_once_the_runner_has_said_so(work):
    one = work()
    one.say("a\n")
    assert not one.read()["complete"]
    one.end()
    assert not one.read()["complete"]
    one.say("b\n", position=2, final=True)
    assert one.read()["complete"]


def test_what_has_written_nothing_says_so(server: Server, work):
    one = work()
    done = logs(server, one.name, "Load")
    assert (done.returncode, done.stdout) == (0, "")
    assert "is RUNNING and has written nothing yet; --follow waits for it." in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nowhere", "Load"), "no pipeline has the name or id 'nowhere'"),
        (("PIPELINE", "Nope"), "the pipeline has no instance of a component with this id"),
        (("PIPELINE", "@Load_2000-01-01T00:00:00"), "names no component, instance or attempt"),
        (("PIPELINE", "@Load"), "names no component, instance or attempt"),
        (("PIPELINE",), "Missing argument 'OBJECT'"),
        (("PIPELINE", "Load", "--stream", "sdtout"), "'sdtout' is not one of"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(server: Server, odd: str, words, text: str):
    done = logs(server, *(odd if word == "PIPELINE" else word for word in words))
    assert done.returncode in (1, 2)
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def odd(server: Server) -> str:
    one = Work(server, "odd")
    one.client.close()
    return "odd"


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"marker": "x"}, "marker 'x'"),
        ({"stream": "sdtout"}, "enum value set: .activity, stdout, stderr"),
    ],
)
def test_what_makes_no_sense_is_refused(work, members: dict[str, object], text: str):
    one = work()
    with pytest.raises(ServiceError, match=text):
        one.read(**members)


@pytest.mark.parametrize("position", [-1, 2**62, 0.5, True, "0"])
def test_a_position_is_a_whole_number(work, position: object):
    one = work()
    with pytest.raises(ServiceError, match="position"):
        one.say("a", position=position)


def test_a_server_may_keep_no_logs(tmp_path: Path):
    with serving(tmp_path / "data", "log_bytes=0") as server:
        client = server.caller()
        piece = {"taskId": "x", "stream": "stdout", "position": 0, "size": 1, "text": "a"}
        with pytest.raises(ServiceError, match="keeps no logs"):
            client.call("ReportTaskLogs", {"logs": [piece]})
        client.close()
