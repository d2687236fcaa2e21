"""Actions and lateness: docs/engine.md, "Actions" and "Lateness"."""

import pytest

from penstock.model.errors import InvalidRequest
from penstock.model.times import HOUR_MS, MINUTE_MS
from tests.simulation.scenes import (
    T0,
    Hand,
    Server,
    activity,
    alarm,
    condition,
    hourly,
    instance,
    key_exists,
    name_of,
    node,
    on_demand,
    state,
    thing,
    wait,
)

CASCADE = {"failureAndRerunMode": "cascade"}
FAULTY = "#{100 / (day(node.@scheduledStartTime) - 15)} of #{node.name}"
"""Divides by zero in T0's interval, which nobody can foresee."""
LATE = {"lateAfterTimeout": "30 minutes", "onLateAction": ("Late",)}


def by_name(world, pipeline):
    return {each.component: each.status for each in world.instances(pipeline)}


def step(hand, expected: str, status: str = "FINISHED", error: str | None = None):
    task = hand.take()
    assert task.attempt_id.startswith(f"@{expected}_")
    hand.report(task)
    hand.end(task, status, error or ("Oops" if status == "FAILED" else None))
    return task


def told(task, key: str = "message") -> str:
    return task.objects[task.attempt_id].string(key) or ""


@pytest.mark.parametrize(("status", "expected"), [("FINISHED", "Good@A"), ("FAILED", "Bad@A")])
def test_an_end_sets_off_its_alarm(world, status, expected):
    pipeline = world.begin(
        on_demand(
            activity("A", onSuccess=("Good",), onFail=("Bad",), maximumRetries="0"),
            alarm("Good"),
            alarm("Bad"),
        )
    )
    step(Hand(world), "A", status)
    server = Server(world)
    task = step(server, expected)
    assert task.objects[task.attempt_id].string("topicArn") == "arn:aws:sns:x"
    assert server.poll_once() is None
    assert state(world, pipeline) == "FINISHED"


def test_only_the_last_failure_sets_off_an_alarm(world):
    world.begin(on_demand(activity("A", onFail=("Bad",), maximumRetries="1"), alarm("Bad")))
    server = Server(world)
    step(Hand(world), "A", "FAILED")
    assert server.poll_once() is None
    wait(world, minutes=10)
    step(Hand(world), "A", "FAILED")
    step(server, "Bad@A")


def test_a_cancelled_instance_sets_off_none(world):
    pipeline = world.begin(
        on_demand(activity("A", onFail=("Bad",), onSuccess=("Bad",)), alarm("Bad"))
    )
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    assert by_name(world, pipeline) == {"A": "CANCELED"}


def test_a_cascading_failure_sets_off_on_fail(world):
    pipeline = world.begin(
        on_demand(
            activity("A", maximumRetries="0"),
            activity("B", "A", onFail=("Bad",), **CASCADE),
            node("N", onFail=("Bad",)),
            alarm("Bad", message="#{node.@id}: #{node.@status}"),
        )
    )
    step(Hand(world), "A", "FAILED")
    assert told(step(Server(world), "Bad@B")) == f"{name_of('B')}: CASCADE_FAILED"
    assert state(world, pipeline) == "FINISHED"


def test_marking_finished_is_a_success(world):
    pipeline = world.begin(on_demand(activity("A", onSuccess=("Good",)), alarm("Good")))
    world.set_status(pipeline, "MARK_FINISHED", name_of("A"))
    step(Server(world), "Good@A")
    assert state(world, pipeline) == "FINISHED"


def test_an_alarm_speaks_of_its_node_as_it_found_it(world):
    pipeline = world.begin(
        on_demand(
            activity("A", onFail=("Bad",), maximumRetries="0"),
            alarm(
                "Bad",
                subject="#{node.name} #{node.@status}",
                message="#{node.errorMessage} on #{node.hostname} from #{node.@scheduledStartTime}",
            ),
        )
    )
    step(Hand(world), "A", "FAILED", "Broken")
    world.set_status(pipeline, "RERUN", name_of("A"))
    task = step(Server(world), "Bad@A")
    assert told(task, "subject") == "A FAILED"
    assert told(task) == "Broken on hand from 2023-11-15T00:00:00"
    assert told(task, "topicArn") == "arn:aws:sns:x"
    shown = task.objects[task.attempt_id]
    assert shown.ref("node") == name_of("A")
    assert shown.string("type") == "SnsAlarm"


def test_an_expression_that_fails_does_not_lose_the_alarm(world):
    pipeline = world.begin(
        on_demand(
            activity("A", onSuccess=("Good",)),
            alarm("Good", subject="#{node.name}", message=FAULTY),
        )
    )
    step(Hand(world), "A")
    task = step(Server(world), "Good@A")
    assert told(task, "subject") == "A"
    assert told(task) == FAULTY
    shown = world.describe(pipeline, task.attempt_id)
    assert shown.string("errorId") == "Service_ExpressionError"
    assert (shown.string("errorMessage") or "").startswith("message: ")
    assert shown.string("subject") == "A"
    assert state(world, pipeline) == "FINISHED"


def test_an_alarm_that_fails_is_tried_again_and_fails_nothing_else(world):
    pipeline = world.begin(
        on_demand(activity("A", onSuccess=("Good",)), alarm("Good", message="#{node.@status}"))
    )
    step(Hand(world), "A")
    server = Server(world)
    for _ in range(3):
        assert told(step(server, "Good@A", "FAILED")) == "FINISHED"
        wait(world, minutes=10)
    assert by_name(world, pipeline) == {"A": "FINISHED", "Good@A": "FAILED"}
    assert world.describe_pipeline(pipeline)["@healthStatus"] == "HEALTHY"
    assert state(world, pipeline) == "FINISHED"
    world.set_status(pipeline, "RERUN", name_of("Good@A"))
    assert told(step(server, "Good@A")) == "FINISHED"
    assert state(world, pipeline) == "FINISHED"


def test_a_second_end_sends_the_alarm_again(world):
    pipeline = world.begin(
        on_demand(
            activity("A", onFail=("Any",), onSuccess=("Any",), maximumRetries="0"),
            alarm("Any", message="#{node.@status}"),
        )
    )
    hand, server = Hand(world), Server(world)
    step(hand, "A", "FAILED")
    assert told(step(server, "Any@A")) == "FAILED"
    world.set_status(pipeline, "RERUN", name_of("A"))
    step(hand, "A")
    task = step(server, "Any@A")
    assert (told(task), task.attempt_id) == ("FINISHED", f"{name_of('Any@A')}_Attempt=2")
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("being_sent", [False, True])
def test_an_alarm_not_yet_sent_gives_way_to_the_next(world, being_sent):
    pipeline = world.begin(
        on_demand(
            activity("A", onFail=("Any",), onSuccess=("Any",), maximumRetries="0"),
            alarm("Any", message="#{node.@status}"),
        )
    )
    hand, server = Hand(world), Server(world)
    step(hand, "A", "FAILED")
    if being_sent:
        assert told(server.take()) == "FAILED"
    world.set_status(pipeline, "RERUN", name_of("A"))
    step(hand, "A")
    assert told(step(server, "Any@A")) == "FINISHED"
    assert server.poll_once() is None
    assert state(world, pipeline) == "FINISHED"


def test_an_alarm_between_two_tries_gives_way_to_the_next(world):
    pipeline = world.begin(
        on_demand(
            activity("A", onFail=("Any",), onSuccess=("Any",), maximumRetries="0"),
            alarm("Any", message="#{node.@status}"),
        )
    )
    hand, server = Hand(world), Server(world)
    step(hand, "A", "FAILED")
    step(server, "Any@A", "FAILED")
    world.set_status(pipeline, "RERUN", name_of("A"))
    step(hand, "A")
    assert told(step(server, "Any@A")) == "FINISHED"
    wait(world, hours=1)
    assert server.poll_once() is None


def test_a_precondition_may_have_an_alarm(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)),
            condition("P", onFail=("Bad",), maximumRetries="0"),
            alarm("Bad", message="#{node.@id}"),
        )
    )
    step(Hand(world), "P@A", "FAILED")
    assert told(step(Server(world), "Bad@P@A")) == name_of("P@A")
    assert by_name(world, pipeline)["A"] == "WAITING_ON_DEPENDENCIES"


def test_alarms_are_sent_while_the_pipeline_is_deactivated(world):
    pipeline = world.begin(
        on_demand(activity("A", onFail=("Bad",), maximumRetries="0"), alarm("Bad"))
    )
    hand, server = Hand(world), Server(world)
    task = hand.take()
    hand.report(task)
    world.deactivate(pipeline, cancel_active=False)
    hand.end(task, "FAILED")
    assert state(world, pipeline) == "INACTIVE"
    step(server, "Bad@A", "FAILED")
    wait(world, minutes=10)
    step(server, "Bad@A")
    assert state(world, pipeline) == "INACTIVE"


def test_a_paused_alarm_waits(world):
    pipeline = world.begin(on_demand(activity("A", onSuccess=("Good",)), alarm("Good")))
    world.set_status(pipeline, "PAUSE", "Good")
    step(Hand(world), "A")
    server = Server(world)
    assert server.poll_once() is None
    assert by_name(world, pipeline)["Good@A"] == "PAUSED"
    world.set_status(pipeline, "RESUME", "Good")
    step(server, "Good@A")


def test_a_terminate_at_an_end_has_nothing_to_do(world):
    pipeline = world.begin(on_demand(activity("A", onSuccess=("T",)), thing("T", "Terminate")))
    step(Hand(world), "A")
    assert by_name(world, pipeline) == {"A": "FINISHED"}
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize(("style", "due"), [("cron", 0), ("timeseries", 1)])
def test_lateness_counts_from_the_time_at_which_it_is_due(world, style, due):
    pipeline = world.begin(
        hourly(
            activity("A", **LATE),
            alarm("Late", message="#{node.@status}"),
            occurrences=1,
            style=style,
        )
    )
    server = Server(world)
    world.advance_to(T0 + due * HOUR_MS + 30 * MINUTE_MS - 1)
    assert server.poll_once() is None
    world.advance_to(world.now + 1)
    assert told(step(server, "Late@A")) == "WAITING_FOR_RUNNER"
    wait(world, hours=5)
    assert server.poll_once() is None, "once"
    step(Hand(world), "A")
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("end", ["FINISHED", "FAILED", None])
def test_what_was_begun_in_time_is_not_late(world, end):
    world.begin(hourly(activity("A", **LATE), alarm("Late"), occurrences=1))
    hand = Hand(world)
    wait(world, minutes=27.5)
    task = hand.take()
    if end is not None:
        hand.end(task, end)
    # Not acknowledged, it is put back: it was handed over all the same.
    wait(world, hours=1)
    assert Server(world).poll_once() is None


def test_an_instance_made_too_late_is_late_at_once(make_world):
    world = make_world(T0 + 5 * HOUR_MS)
    world.begin(hourly(activity("A", **LATE), alarm("Late"), occurrences=2))
    wait(world)
    server = Server(world)
    assert step(server, "Late@A").attempt_id.startswith(name_of("Late@A", 0))
    assert step(server, "Late@A").attempt_id.startswith(name_of("Late@A", 1))


def test_terminate_cancels_what_is_late(world):
    pipeline = world.begin(
        hourly(
            activity("A", lateAfterTimeout="30 minutes", onLateAction=("T", "Late")),
            thing("T", "Terminate"),
            alarm("Late"),
            occurrences=1,
        )
    )
    wait(world, minutes=30)
    found = instance(world, pipeline, "A")
    assert found.status == "CANCELED"
    assert found.cancel_reason == "terminated by T: not begun within 1800 s after it was due"
    step(Server(world), "Late@A")
    wait(world, hours=1)
    assert state(world, pipeline) == "FINISHED"


def test_preconditions_and_data_nodes_can_be_late(world):
    pipeline = world.begin(
        hourly(
            activity("A", input=("N",), precondition=("P",)),
            node("N", precondition=("Q",), **LATE),
            condition("P", **LATE),
            key_exists("Q"),
            alarm("Late"),
            occurrences=1,
        )
    )
    server = Server(world)
    step(server, "Q@N", "FALSE")
    wait(world, minutes=30)
    names = {server.take().attempt_id.rpartition("_2023")[0] for _ in range(2)}
    assert names == {"@Late@N", "@Q@N"}
    assert by_name(world, pipeline)["N"] == "WAITING_ON_DEPENDENCIES"


def test_lateness_is_not_for_runs_on_demand(world):
    world.begin(on_demand(activity("A", **LATE), alarm("Late")))
    wait(world, hours=5)
    assert Server(world).poll_once() is None


def test_a_deactivated_pipeline_is_not_late_until_it_goes_on(world):
    pipeline = world.begin(hourly(activity("A", **LATE), alarm("Late"), occurrences=1))
    world.deactivate(pipeline)
    wait(world, hours=3.25)
    server = Server(world)
    assert server.poll_once() is None
    world.activate(pipeline)
    wait(world, hours=1)
    step(server, "Late@A")


def test_a_server_without_alarms_refuses_them_by_name(world):
    world.context.system_types = frozenset({"S3KeyExists"})
    with pytest.raises(InvalidRequest, match="A refers to Bad, of type SnsAlarm, which"):
        world.begin(on_demand(activity("A", onFail=("Bad",)), alarm("Bad")))
    world.begin(on_demand(activity("A", precondition=("K",)), key_exists("K")), "other")


def test_secrets_are_struck_out_of_what_an_alarm_says_but_not_of_its_address(world):
    """Actions: an alarm leaves the house."""
    world.begin(
        on_demand(
            activity("A", onFail=("Bad",), maximumRetries="0", **{"*myPassword": "hush-hush"}),
            alarm(
                "Bad",
                message="#{node.name}: #{node.errorMessage} #{*myToken}",
                topicArn="https://h/#{*myToken}",
                **{"*myToken": "hook-token"},
            ),
        )
    )
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    hand.end(task, "FAILED", "login with hush-hush")
    sent = step(Server(world), "Bad@A")
    assert told(sent) == "A: login with ******** ********"
    assert told(sent, "topicArn") == "https://h/hook-token"
