"""Who owns a task, at every moment: stale owners, silence, hang-ups, cancelling, other accounts."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from penstock.app import Embedded
from penstock.clock import system_clock
from penstock.config import Settings
from penstock.wire.client import Client, ServiceError
from tests.support.definitions import (
    Ref,
    activated,
    described,
    field_values,
    instances,
    ondemand,
    shell,
)
from tests.support.server import Server, serving
from tests.support.waiting import eventually
from tests.support.wire import RawConnection

# Long enough that a slow machine does not miss it, short enough to be waited for.
HASTY = "acknowledge_timeout=2s"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def take(client: Any, group: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.poll_for_task(workerGroup=group)
    task: dict[str, Any] = answer["taskObject"]
    return task


def code_of(call: Callable[..., Any], **how: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**how)
    return str(caught.value.response["Error"]["Code"])


def settle(client: Any) -> None:
    """What was sent to the server before, on whatever connection, has been taken up by it.

    A heartbeat is written after whatever came before it; the second is sure to be.
    """
    for _ in range(2):
        client.report_task_runner_heartbeat(taskrunnerId="nobody")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(tmp_path_factory.mktemp("hasty") / "data", HASTY) as server:
        client = server.boto()
        yield client
        client.close()


def test_of_two_runners_the_stale_one_changes_nothing(hasty: Any, name: str) -> None:
    pipeline = activated(hasty, name, ondemand(name), shell("A"))
    stale = take(hasty, name)
    # The second runner's poll waits until the first has missed its acknowledgement.
    owner = take(hasty, name)
    assert owner["attemptId"] == stale["attemptId"]
    assert owner["taskId"] != stale["taskId"]
    hasty.report_task_progress(taskId=owner["taskId"])
    before = described(hasty, pipeline, owner["attemptId"])
    lie = [{"key": "percentComplete", "stringValue": "99"}]
    assert code_of(hasty.report_task_progress, taskId=stale["taskId"], fields=lie) == (
        "TaskNotFoundException"
    )
    for status in ("FINISHED", "FAILED"):
        assert code_of(hasty.set_task_status, taskId=stale["taskId"], taskStatus=status) == (
            "TaskNotFoundException"
        )
    assert described(hasty, pipeline, owner["attemptId"]) == before
    hasty.set_task_status(taskId=owner["taskId"], taskStatus="FINISHED")
    assert code_of(hasty.set_task_status, taskId=stale["taskId"], taskStatus="FAILED") == (
        "TaskNotFoundException"
    )
    shown = described(hasty, pipeline, owner["attemptId"])
    assert shown["@status"] == "FINISHED"
    # A lost acknowledgement is no try: the attempt is the first, and the only one.
    assert instances(hasty, pipeline, "ATTEMPT") == [owner["attemptId"]]


def test_a_lost_acknowledgement_costs_no_try(hasty: Any, name: str) -> None:
    pipeline = activated(hasty, name, ondemand(name), shell("A", maximumRetries="0"))
    tasks = [take(hasty, name) for _ in range(3)]
    assert {task["attemptId"] for task in tasks} == {tasks[0]["attemptId"]}
    hasty.set_task_status(taskId=tasks[-1]["taskId"], taskStatus="FINISHED")
    (instance,) = instances(hasty, pipeline)
    assert described(hasty, pipeline, instance)["@attemptCount"] == "1"


def test_a_runner_that_falls_silent_loses_its_attempt(
    start: Callable[..., Server], name: str
) -> None:
    client = start("report_timeout=1s").boto()
    pipeline = activated(client, name, ondemand(name), shell("A"))
    silent = take(client, name)
    client.report_task_progress(taskId=silent["taskId"])

    def lost() -> bool:
        return described(client, pipeline, silent["attemptId"])["@status"] == "FAILED"

    eventually(lost, "the attempt counts as lost")
    assert described(client, pipeline, silent["attemptId"])["errorId"] == "Service_RunnerLost"
    assert code_of(client.report_task_progress, taskId=silent["taskId"]) == "TaskNotFoundException"
    assert code_of(client.set_task_status, taskId=silent["taskId"], taskStatus="FINISHED") == (
        "TaskNotFoundException"
    )
    (instance,) = instances(client, pipeline)
    shown = described(client, pipeline, instance)
    assert (shown["@status"], shown["@triesLeft"]) == ("WAITING_ON_DEPENDENCIES", "2")
    assert "@nextRetryTime" in shown
    client.close()


class Later(NamedTuple):
    """A runner that has a task, and the server that it finds again some time later."""

    caller: Client
    pipeline: str
    task: dict[str, Any]
    instance: str


@contextmanager
def later(data: Path, name: str, milliseconds: int, **fields: str) -> Iterator[Later]:
    """A task is handed over and acknowledged; then the server is away for that long.

    It is a process that is killed, and then one within this process with its clock ahead.
    """
    with serving(data) as server:
        client = server.boto()
        pipeline = activated(client, name, ondemand(name), shell("A", **fields))
        task = take(client, name)
        client.report_task_progress(taskId=task["taskId"])
        (instance,) = instances(client, pipeline)
        client.close()
        key = server.credentials

    def ahead() -> int:
        return system_clock() + milliseconds

    with Embedded(Settings(data_dir=data, port=0), ahead) as embedded:
        caller = Client(embedded.endpoint, key, now=ahead, tries=1)
        yield Later(caller, pipeline, task, instance)
        caller.close()


def fields_later(found: Later, object_id: str) -> dict[str, str]:
    answer = found.caller.call(
        "DescribeObjects", {"pipelineId": found.pipeline, "objectIds": [object_id]}
    )
    (item,) = answer["pipelineObjects"]
    return {field["key"]: field.get("stringValue") or field["refValue"] for field in item["fields"]}


def test_an_attempt_that_takes_too_long_is_told_to_stop(tmp_path: Path, name: str) -> None:
    how = {"attemptTimeout": "1 minute", "maximumRetries": "0"}
    with later(tmp_path / "data", name, 61_000, **how) as found:
        call, ids = found.caller.call, {"taskId": found.task["taskId"]}
        eventually(
            lambda: call("ReportTaskProgress", ids)["canceled"],
            "the owner is told that its attempt has timed out",
        )
        # The last owner may still say how it ended; the service has decided already.
        assert call("SetTaskStatus", ids | {"taskStatus": "FAILED"}) == {}
        shown = fields_later(found, found.task["attemptId"])
        assert (shown["@status"], shown["errorId"]) == ("FAILED", "Service_AttemptTimeout")
        assert fields_later(found, found.instance)["@status"] == "FAILED"


def test_a_lost_attempt_is_tried_again_and_its_owner_stays_stale(tmp_path: Path, name: str) -> None:
    how = {"reportProgressTimeout": "2 minutes", "retryDelay": "1 minute", "maximumRetries": "1"}
    with later(tmp_path / "data", name, 121_000, **how) as found:
        call, ids = found.caller.call, {"taskId": found.task["taskId"]}

        def lost() -> bool:
            return fields_later(found, found.task["attemptId"])["@status"] == "FAILED"

        eventually(lost, "the attempt counts as lost")
        call("SetStatus", {**of(found), "objectIds": [found.instance], "status": "CANCEL"})
        call("SetStatus", {**of(found), "objectIds": [found.instance], "status": "RERUN"})
        again = call("PollForTask", {"workerGroup": name})["taskObject"]
        assert again["attemptId"].endswith("_Attempt=2")
        for operation, more in (
            ("ReportTaskProgress", {}),
            ("SetTaskStatus", {"taskStatus": "FINISHED"}),
        ):
            with pytest.raises(ServiceError, match="TaskNotFoundException"):
                call(operation, ids | more)
        call("SetTaskStatus", {"taskId": again["taskId"], "taskStatus": "FINISHED"})
        assert fields_later(found, found.instance)["@status"] == "FINISHED"


def of(found: Later) -> dict[str, Any]:
    return {"pipelineId": found.pipeline}


def test_cancelling_is_told_to_the_owner_and_ends_with_it(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    task = take(client, name)
    assert client.report_task_progress(taskId=task["taskId"])["canceled"] is False
    (instance,) = instances(client, pipeline)
    client.set_status(pipelineId=pipeline, objectIds=[instance], status="CANCEL")
    shown = described(client, pipeline, instance)
    assert shown["@status"] == "RUNNING"
    assert client.report_task_progress(taskId=task["taskId"])["canceled"] is True
    assert client.report_task_progress(taskId=task["taskId"])["canceled"] is True
    # What the owner says last, once it has been told, is no fault and changes nothing.
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
    shown = described(client, pipeline, instance)
    assert shown["@status"] == "CANCELED"
    assert "cancelled by admin" in shown["cancellationReason"]
    assert described(client, pipeline, task["attemptId"])["@status"] == "CANCELED"


def test_a_cancelled_task_that_finishes_before_it_is_told_is_cancelled(
    client: Any, name: str
) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    task = take(client, name)
    (instance,) = instances(client, pipeline)
    client.set_status(pipelineId=pipeline, objectIds=[instance], status="TRY_CANCEL")
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
    assert described(client, pipeline, instance)["@status"] == "CANCELED"


def test_deactivation_is_told_to_the_owner(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    task = take(client, name)
    client.deactivate_pipeline(pipelineId=pipeline)
    assert client.report_task_progress(taskId=task["taskId"])["canceled"] is True
    client.activate_pipeline(pipelineId=pipeline)
    again = take(client, name)
    assert again["attemptId"].endswith("_Attempt=2")
    client.set_task_status(taskId=again["taskId"], taskStatus="FINISHED")


def test_deletion_is_told_to_the_owner(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    task = take(client, name)
    client.delete_pipeline(pipelineId=pipeline)
    for _ in range(2):
        assert code_of(client.report_task_progress, taskId=task["taskId"]) == (
            "PipelineDeletedException"
        )
    assert code_of(client.set_task_status, taskId=task["taskId"], taskStatus="FINISHED") == (
        "PipelineDeletedException"
    )


def test_an_ending_may_be_repeated_but_not_changed(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"), shell("B", dependsOn=Ref("A")))
    task = take(client, name)
    for _ in range(3):
        client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
    assert code_of(client.set_task_status, taskId=task["taskId"], taskStatus="FAILED") == (
        "InvalidRequestException"
    )
    assert client.report_task_progress(taskId=task["taskId"])["canceled"] is False
    assert described(client, pipeline, task["attemptId"])["@status"] == "FINISHED"
    assert len(instances(client, pipeline, "ATTEMPT")) == 2
    second = take(client, name)
    assert second["attemptId"].startswith("@B_")
    client.set_task_status(taskId=second["taskId"], taskStatus="FINISHED")


def test_false_is_for_preconditions(client: Any, name: str) -> None:
    activated(client, name, ondemand(name), shell("A"))
    task = take(client, name)
    assert code_of(client.set_task_status, taskId=task["taskId"], taskStatus="FALSE") == (
        "InvalidRequestException"
    )
    assert client.report_task_progress(taskId=task["taskId"])["canceled"] is False


def test_polls_are_served_in_order_of_arrival(server: Server, client: Any, name: str) -> None:
    key = server.credentials
    polls = [RawConnection(server.port, key) for _ in range(4)]
    for poll in polls:
        poll.send("PollForTask", {"workerGroup": name})
        settle(client)
    pipelines = [activated(client, f"{name} {n}", ondemand(name), shell("A")) for n in range(4)]
    served = [poll.read().members["taskObject"]["pipelineId"] for poll in polls]
    assert served == pipelines
    for poll in polls:
        poll.socket.close()


def test_tasks_are_handed_over_in_the_order_they_became_ready(client: Any, name: str) -> None:
    # Z is ready before A, and M only when Z has finished.
    first = activated(client, f"{name} 1", ondemand(name), shell("Z"))
    second = activated(client, f"{name} 2", ondemand(name), shell("A"))
    third = activated(client, f"{name} 3", ondemand(name), shell("M"))
    assert [take(client, name)["pipelineId"] for _ in range(3)] == [first, second, third]


def test_worker_groups_match_exactly(server: Server, client: Any, name: str) -> None:
    others = [name.upper(), name + " ", name[:-1], "*"]
    polls = [RawConnection(server.port, server.credentials) for _ in others]
    for poll, group in zip(polls, others, strict=True):
        poll.send("PollForTask", {"workerGroup": group})
    settle(client)
    pipeline = activated(client, name, ondemand(name), shell("A"))
    assert take(client, name)["pipelineId"] == pipeline
    for poll in polls:
        poll.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            poll.socket.recv(1)
        poll.socket.close()


def test_accounts_see_nothing_of_each_other(client: Any, other: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    ids = {"pipelineId": pipeline}
    for call, how in {
        other.activate_pipeline: {},
        other.add_tags: {"tags": [{"key": "a", "value": "b"}]},
        other.deactivate_pipeline: {},
        other.delete_pipeline: {},
        other.describe_objects: {"objectIds": ["A"]},
        other.evaluate_expression: {"objectId": "A", "expression": "#{1}"},
        other.get_pipeline_definition: {},
        other.put_pipeline_definition: {"pipelineObjects": [ondemand("mine")]},
        other.query_objects: {"sphere": "INSTANCE"},
        other.remove_tags: {"tagKeys": ["a"]},
        other.set_status: {"objectIds": ["A"], "status": "PAUSE"},
        other.validate_pipeline_definition: {"pipelineObjects": [ondemand("mine")]},
    }.items():
        assert code_of(call, **ids, **how) == "PipelineNotFoundException"
    assert code_of(other.describe_pipelines, pipelineIds=[pipeline]) == "PipelineNotFoundException"
    assert code_of(other.list_pipelines, marker=pipeline) == "InvalidRequestException"
    assert pipeline not in [p["id"] for p in other.list_pipelines()["pipelineIdList"]]
    # One name and uniqueId in two accounts are two pipelines.
    assert other.create_pipeline(name=name, uniqueId=name)["pipelineId"] != pipeline
    assert described(client, pipeline, "A")["@status"] == "SCHEDULED"


def test_accounts_do_not_get_each_others_tasks(
    server: Server, client: Any, other: Any, name: str
) -> None:
    with RawConnection(server.port, server.other_account()) as stranger:
        stranger.send("PollForTask", {"workerGroup": name})
        settle(client)
        pipeline = activated(client, name, ondemand(name), shell("A"))
        task = take(client, name)
        assert task["pipelineId"] == pipeline
        for call, how in {
            other.report_task_progress: {},
            other.set_task_status: {"taskStatus": "FAILED"},
        }.items():
            assert code_of(call, taskId=task["taskId"], **how) == "TaskNotFoundException"
        client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
        # The stranger's poll still waits, and gets what is its own.
        theirs = activated(other, name, ondemand(name), shell("A"))
        assert stranger.read().members["taskObject"]["pipelineId"] == theirs


def hang_up(poll: RawConnection, reset: bool) -> None:
    """Close as a client does that ends, or (`reset`) as one whose machine went away does."""
    if reset:
        poll.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    poll.socket.close()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_client_that_hangs_up_while_it_waits_gets_no_task(
    server: Server, client: Any, name: str, reset: bool
) -> None:
    poll = RawConnection(server.port, server.credentials)
    poll.send("PollForTask", {"workerGroup": name})
    settle(client)
    hang_up(poll, reset)
    pipeline = activated(client, name, ondemand(name), shell("A"))
    task = take(client, name)
    assert task["pipelineId"] == pipeline
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("hang_up_first", [True, False])
def test_a_client_that_hangs_up_while_it_is_answered_gets_no_task(
    server: Server, client: Any, name: str, reset: bool, hang_up_first: bool
) -> None:
    """Hanging up and the task's becoming ready reach the server in the same instant."""
    pipeline = client.create_pipeline(name=name, uniqueId=name)["pipelineId"]
    client.put_pipeline_definition(
        pipelineId=pipeline, pipelineObjects=[ondemand(name), shell("A")]
    )
    poll = RawConnection(server.port, server.credentials)
    poll.send("PollForTask", {"workerGroup": name})
    settle(client)
    with RawConnection(server.port, server.credentials) as activation:
        with server.halted():
            if hang_up_first:
                hang_up(poll, reset)
            activation.send("ActivatePipeline", {"pipelineId": pipeline})
            if not hang_up_first:
                hang_up(poll, reset)
        assert activation.read().status == 200
    # Two minutes are allowed for an acknowledgement; the client below does not wait so long.
    task = take(client, name)
    assert task["pipelineId"] == pipeline
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_clients_that_hang_up_at_once_after_asking_get_no_task(
    server: Server, client: Any, name: str, reset: bool
) -> None:
    """A task is ready when they ask, so they hang up at any moment of its hand-over."""
    pipeline = activated(client, name, ondemand(name), shell("A"))
    for _ in range(40):
        poll = RawConnection(server.port, server.credentials)
        poll.send("PollForTask", {"workerGroup": name})
        hang_up(poll, reset)
    task = take(client, name)
    assert task["pipelineId"] == pipeline
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")


def test_a_client_that_dies_with_its_answer_unread_gets_no_task(
    server: Server, client: Any, name: str
) -> None:
    """The answer has arrived at the client's machine, and the client ends without reading it."""
    pipeline = activated(client, name, ondemand(name), shell("A"))
    poll = RawConnection(server.port, server.credentials)
    poll.send("PollForTask", {"workerGroup": name})
    assert poll.socket.recv(1, socket.MSG_PEEK)
    hang_up(poll, reset=False)
    task = take(client, name)
    assert task["pipelineId"] == pipeline
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_client_that_asks_for_more_and_hangs_up_gets_no_task(
    server: Server, client: Any, name: str, reset: bool
) -> None:
    """It sends a second request on the connection before it has read the task, and is gone."""
    pipeline = activated(client, name, ondemand(name), shell("A"))
    poll = RawConnection(server.port, server.credentials)
    with server.halted():
        for operation in ("PollForTask", "ListPipelines", "PollForTask"):
            poll.send(operation, {"workerGroup": name} if operation == "PollForTask" else {})
        hang_up(poll, reset)
    task = take(client, name)
    assert task["pipelineId"] == pipeline
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")


def test_a_client_that_closes_after_reading_keeps_its_task(
    server: Server, client: Any, name: str
) -> None:
    activated(client, name, ondemand(name), shell("A"))
    with RawConnection(server.port, server.credentials) as poll:
        task = poll.call("PollForTask", {"workerGroup": name}).members["taskObject"]
    settle(client)
    assert client.report_task_progress(taskId=task["taskId"])["canceled"] is False
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")


def test_a_reset_after_the_acknowledgement_takes_nothing_away(
    server: Server, client: Any, name: str
) -> None:
    """The connection of the poll goes, not the runner: it has been heard on another since."""
    pipeline = activated(client, name, ondemand(name), shell("A"))
    poll = RawConnection(server.port, server.credentials)
    task = poll.call("PollForTask", {"workerGroup": name}).members["taskObject"]
    client.report_task_progress(taskId=task["taskId"])
    hang_up(poll, reset=True)
    settle(client)
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
    assert described(client, pipeline, task["attemptId"])["@status"] == "FINISHED"


def test_an_empty_poll_has_no_task(start: Callable[..., Server], name: str) -> None:
    server = start("poll_wait=50ms")
    with RawConnection(server.port, server.credentials) as poll:
        for _ in range(2):
            answer = poll.call("PollForTask", {"workerGroup": name})
            assert (answer.status, answer.body) == (200, b"{}")


def test_the_task_holds_what_it_refers_to(client: Any, name: str) -> None:
    activated(client, name, ondemand(name), shell("A", command="echo #{@scheduledStartTime}"))
    task = take(client, name)
    attempt = task["objects"][task["attemptId"]]
    (start,) = field_values(attempt, "@scheduledStartTime")
    assert field_values(attempt, "command") == [f"echo {start}"]
    assert field_values(attempt, "@status") == ["WAITING_FOR_RUNNER"]
