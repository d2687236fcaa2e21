"""Rehearsals: definitions lived through with modelled runners (docs/simulate.md)."""

from collections import Counter

import pytest

from penstock.language.forms import from_cli
from penstock.model.errors import InvalidRequest
from penstock.model.times import HOUR_MS, MINUTE_MS
from penstock.simulation.forecast import forecast
from penstock.simulation.whatif import Failure, Lived, Rehearsal, Run, Scenario, never_ran
from tests.simulation.scenes import (
    T0,
    activity,
    default,
    hourly,
    machine,
    node,
    on_demand,
    schedule,
)


def lived(objects, hours: float = 6, **scenario) -> Lived:
    given = {"takes_ms": {"*": 10 * MINUTE_MS}} | scenario
    supposed = Scenario(T0, T0 + int(hours * HOUR_MS), **given)
    return Rehearsal(from_cli({"objects": objects}), (), supposed).live()


def of(found: Lived, component: str) -> list[Run]:
    return [run for run in found.runs if run.component == component]


def minutes(run: Run) -> tuple[int, ...]:
    """Ready, started, ended, in minutes after the run's interval began."""
    moments = (run.ready_at, run.started_at, run.ended_at)
    return tuple((at - run.start) // MINUTE_MS for at in moments if at is not None)


def test_what_depends_on_others_starts_when_they_have_ended():
    found = lived(hourly(activity("Fetch"), activity("Load", "Fetch")), hours=3)
    assert [minutes(run) for run in of(found, "Fetch")] == [(0, 0, 10)] * 3
    assert [minutes(run) for run in of(found, "Load")] == [(10, 10, 20)] * 3


def test_durations_are_by_name_and_else_the_star():
    objects = hourly(activity("Fetch"), activity("Load", "Fetch"))
    found = lived(objects, hours=1, takes_ms={"Load": 25 * MINUTE_MS, "*": 5 * MINUTE_MS})
    assert minutes(of(found, "Fetch")[0]) == (0, 0, 5)
    assert minutes(of(found, "Load")[0]) == (5, 5, 30)


def test_a_task_waits_for_a_runner_that_is_free():
    objects = hourly(activity("A"), activity("B"), activity("C"))
    found = lived(objects, hours=1, runners=2)
    started = Counter(minutes(run)[1] for run in found.runs)
    assert started == {0: 2, 10: 1}
    (crew,) = forecast(found).crews
    assert (crew.worker_group, crew.most_at_once, crew.tasks) == ("workers", 2, 3)
    assert crew.busy == pytest.approx(30 / 120)
    assert crew.queued is not None
    assert crew.queued.worst_ms == 10 * MINUTE_MS


def test_each_worker_group_has_runners_of_its_own():
    objects = hourly(activity("A"), activity("B", workerGroup="others"))
    found = lived(objects, hours=1, runners=1)
    assert {minutes(run)[1] for run in found.runs} == {0}


def test_what_fails_is_tried_again_after_its_delay():
    objects = hourly(activity("A", retryDelay="7 minutes"))
    (run,) = lived(objects, hours=1, failures=[Failure("A", attempts=1)]).runs
    assert run.status == "FINISHED"
    assert [each.status for each in run.tries] == ["FAILED", "FINISHED"]
    assert minutes(run)[2] == 10 + 7 + 10


def test_what_always_fails_takes_what_depends_on_it_down_with_it():
    objects = hourly(
        activity("A", maximumRetries="1", retryDelay="1 minute"),
        activity("B", "A"),
        failureAndRerunMode="CASCADE",
    )
    found = lived(objects, hours=1, failures=[Failure("A")])
    assert [run.status for run in found.runs] == ["FAILED", "CASCADE_FAILED"]
    (never,) = forecast(found).never
    assert (never.component, never.start, never.count) == ("B", T0, 1)
    assert never.why.startswith("failed because of @A_2023-11-15T00:00:00, which failed at")


def test_what_waits_for_ever_is_told_with_its_cause():
    objects = hourly(activity("A", maximumRetries="0"), activity("B", "A"), activity("C", "B"))
    found = lived(objects, hours=9, failures=[Failure("A", T0 + HOUR_MS, T0 + 2 * HOUR_MS)])
    b, c = forecast(found).never
    assert (b.component, b.start, b.count) == ("B", T0 + HOUR_MS, 1)
    assert c.why.startswith(
        "waits for @B_2023-11-15T01:00:00, which waits for @A_2023-11-15T01:00:00, which failed"
    )


def test_preconditions_and_alarms_take_no_time_and_are_met():
    objects = hourly(
        {"id": "There", "type": "S3KeyExists", "s3Key": "s3://b/k"},
        {"id": "Ready", "type": "ShellCommandPrecondition", "command": "true"},
        {"id": "Bell", "type": "SnsAlarm", "topicArn": "arn:x", "subject": "s", "message": "m"},
        activity("A", precondition=("There", "Ready"), onSuccess=("Bell",)),
    )
    found = lived(objects, hours=1)
    assert {run.status for run in found.runs} == {"FINISHED"}
    assert {run.component for run in found.runs} == {"A", "There@A", "Ready@A", "Bell@A"}
    assert minutes(of(found, "A")[0]) == (0, 0, 10)


def test_a_precondition_can_be_given_time_and_fail():
    objects = hourly(
        {"id": "Ready", "type": "ShellCommandPrecondition", "command": "true",
         "retryDelay": "5 minutes"},
        activity("A", precondition=("Ready",)),
    )  # fmt: skip
    found = lived(
        objects,
        hours=1,
        takes_ms={"Ready": 2 * MINUTE_MS, "*": 10 * MINUTE_MS},
        failures=[Failure("Ready", attempts=1)],
    )
    assert minutes(of(found, "A")[0]) == (9, 9, 19)


def test_failures_of_a_day_strike_the_intervals_that_start_in_it():
    first, stop = T0 + HOUR_MS, T0 + 2 * HOUR_MS
    objects = hourly(activity("A", maximumRetries="0"))
    found = lived(objects, hours=3, failures=[Failure("A", first, stop)])
    assert [run.status for run in found.runs] == ["FINISHED", "FAILED", "FINISHED"]


def test_a_task_that_outlives_its_time_is_ended_by_the_engine():
    objects = hourly(activity("A", attemptTimeout="5 minutes", maximumRetries="0"))
    (run,) = lived(objects, hours=1).runs
    assert (run.status, minutes(run)) == ("FAILED", (0, 0, 5))


def test_a_backfill_begins_at_the_activation_and_stays_within_its_room():
    objects = [
        default(maxActiveInstances="2"),
        schedule(start=T0 - 10 * HOUR_MS, occurrences="12"),
        activity("A"),
    ]
    found = lived(objects, hours=2, takes_ms={"A": 30 * MINUTE_MS})
    assert {run.due_at for run in found.runs[:10]} == {T0}
    (crew,) = forecast(found).crews
    assert crew.most_at_once == 2
    assert found.held[0].count == 12 - len(found.runs)


def test_the_end_is_not_part_of_the_time():
    assert len(lived(hourly(activity("A")), hours=2).runs) == 2


def test_what_still_runs_at_the_end_has_no_end():
    (run,) = lived(hourly(activity("A")), hours=0.1).runs
    assert (run.status, run.ended_at) == ("RUNNING", None)


def test_an_on_demand_pipeline_runs_once():
    found = lived(on_demand(activity("A"), activity("B", "A")), hours=24)
    assert [run.component for run in found.runs] == ["A", "B"]
    assert found.pipeline.state == "FINISHED"
    assert forecast(found).over_at == T0 + 20 * MINUTE_MS


def test_objects_of_different_periods_wait_as_the_engine_has_it():
    objects = [
        default(),
        schedule(),
        schedule("3 hours", name="Slow"),
        activity("A"),
        activity("B", "A", schedule=("Slow",)),
    ]
    (run,) = of(lived(objects, hours=3), "B")
    assert minutes(run)[1] == 2 * 60 + 10


def test_data_nodes_are_there_but_are_no_work():
    objects = hourly(node("Raw"), activity("A", input=("Raw",)))
    found = lived(objects, hours=1)
    assert {run.component for run in found.runs} == {"Raw", "A"}
    assert forecast(found).runs == 1
    assert not any(never_ran(run) for run in found.runs)


def test_an_expression_that_fails_does_so_here_too():
    midnight, later = lived(
        hourly(activity("A", command="#{1 / hour(@scheduledStartTime)}")), hours=2
    ).runs
    assert (midnight.status, midnight.started_at) == ("FAILED", None)
    assert later.status == "FINISHED"


def test_the_same_scenario_makes_the_same_history():
    objects = hourly(activity("A"), activity("B"), activity("C", "A", "B"))
    scenario = {"runners": 1, "failures": [Failure("B", attempts=1)]}
    assert lived(objects, **scenario).runs == lived(objects, **scenario).runs


def test_nothing_is_written_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lived(hourly(activity("A")))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_activated_is_refused_as_a_server_would():
    with pytest.raises((InvalidRequest, ValueError), match="empty"):
        lived([])


def test_a_resource_starts_as_long_as_it_is_said_to_and_its_work_waits_for_it():
    objects = hourly(activity("A", runsOn=("M",)), activity("B", "A", runsOn=("M",)), machine("M"))
    found = lived(objects, hours=2, takes_ms={"M": 5 * MINUTE_MS, "*": 10 * MINUTE_MS})
    assert [minutes(run) for run in of(found, "A")] == [(5, 5, 15)] * 2
    assert [minutes(run) for run in of(found, "M")] == [(0, 0, 25)] * 2
    (crew,) = forecast(found).crews
    assert (crew.worker_group, crew.tasks) == ("M (resource)", 4)


def test_a_resource_whose_time_is_up_takes_its_work_down():
    objects = hourly(activity("A", runsOn=("M",)), machine("M", terminateAfter="30 minutes"))
    found = lived(objects, hours=1, takes_ms={"*": HOUR_MS})
    assert [run.status for run in found.runs] == ["TIMEDOUT", "CANCELED"]


def test_a_resource_can_be_let_fail():
    objects = hourly(activity("A", runsOn=("M",)), machine("M", retryDelay="5 minutes"))
    once = Failure("M", attempts=1)
    found = lived(objects, hours=1, failures=(once,))
    assert [run.status for run in found.runs] == ["FINISHED", "FINISHED"]
    assert minutes(of(found, "A")[0]) == (5, 5, 15)
    lost = lived(objects, hours=1, failures=(Failure("M"),))
    assert [run.status for run in lost.runs] == ["FAILED", "CANCELED"]
