"""Every kind of cause, as a sentence and what to do."""

import pytest
from msgspec.structs import replace

from penstock.engine.intervals import make_schedule
from penstock.engine.plan import Component
from penstock.language.periods import Period
from penstock.model.ids import instance_id
from penstock.model.runtime import Attempt, Instance, Pipeline
from penstock.model.times import HOUR_MS, MINUTE_MS
from penstock.service.explaining import Asked, Link, Situation, explain

T0: int = 1_772_323_200_000
"""2026-03-01T00:00:00."""

PIPELINE = Pipeline(1, "df-1", "000000000001", "AIDA", "etl", "u", "", (), "SCHEDULED", 1, T0)
HOURLY = make_schedule("Hourly", T0, Period(1, "hour"), None, None)


def component(name: str, **changes: object) -> Component:
    made = Component(
        id=name,
        object_id=name,
        name=name,
        type="ShellCommandActivity",
        category="activity",
        worker_group="etl",
        max_active=5,
        max_retries=2,
        retry_delay_ms=10 * MINUTE_MS,
        attempt_timeout_ms=None,
        report_timeout_ms=15 * MINUTE_MS,
        cascade=False,
        cron=True,
        schedule=HOURLY,
    )
    return replace(made, **changes)


def link(name: str, status: str, tie=None, attempt: Attempt | None = None, **changes) -> Link:
    instance = Instance(1, 1, name, T0, T0 + HOUR_MS, 1, "RUNNING", T0)
    instance = replace(instance, status=status, **changes)
    return Link(instance_id(name, T0), component(name), instance, attempt, tie=tie)


def attempt(**changes: object) -> Attempt:
    made = Attempt(1, 1, 1, "000000000001", "etl", "WAITING_FOR_RUNNER", T0 + MINUTE_MS)
    return replace(made, **changes)


def told(*chain: Link, pipeline: Pipeline = PIPELINE, asked: Asked | None = None) -> str | None:
    given = asked or Asked(T0 + 90 * MINUTE_MS)
    return explain(Situation(pipeline, chain, given, T0 + 2 * HOUR_MS))


@pytest.mark.parametrize("status", ["FINISHED", "SKIPPED"])
def test_what_went_well_needs_no_explanation(status: str):
    assert told(link("Load", status)) is None


def test_nobody_asks_for_its_tasks():
    ready = link("Load", "WAITING_FOR_RUNNER", attempt=attempt())
    assert told(ready, asked=Asked(None)) == (
        "Has been ready since 2026-03-01T00:01:00, and no runner has asked for tasks of worker "
        "group 'etl' in the last 30 days. "
        "Start one: penstock runner --workerGroup etl"
    )


def test_nobody_has_asked_for_its_tasks_since():
    ready = link("Load", "WAITING_FOR_RUNNER", attempt=attempt())
    text = told(ready, asked=Asked(T0))
    assert text is not None
    assert "no runner has asked for tasks of worker group 'etl' since 2026-03-01T00:00:00" in text
    assert text.endswith("start one: penstock runner --workerGroup etl")


def test_its_runners_are_gone():
    ready = link("Load", "WAITING_FOR_RUNNER", attempt=attempt(ready_at=T0))
    text = told(ready, asked=Asked(T0 + 1))
    assert "no runner has asked for tasks of worker group 'etl' since 2026-03-01T00" in str(text)


def test_its_runners_are_busy():
    ready = link("Load", "WAITING_FOR_RUNNER", attempt=attempt())
    assert told(ready) == (
        "Has been ready since 2026-03-01T00:01:00, and waits for its turn: runners of worker group "
        "'etl' last asked at 2026-03-01T01:30:00."
    )


def test_it_has_no_worker_group():
    ready = link("Load", "WAITING_FOR_RUNNER", attempt=attempt(worker_group=""))
    assert told(ready) == (
        "Has no worker group, so no runner will ever get it. "
        "Give Load a workerGroup and activate the pipeline again."
    )


def test_it_is_tried_again_later():
    waiting = link(
        "Load", "WAITING_ON_DEPENDENCIES", retry_at=T0 + HOUR_MS, attempts=3,
        error_id="NoSuchTable", error_message="there is\n  no table",
        attempt=attempt(number=3, status="FAILED"),
    )  # fmt: skip
    assert told(waiting) == (
        "Failed in attempt 3 with NoSuchTable: there is no table and is tried again at "
        "2026-03-01T01:00:00."
    )


def test_a_precondition_is_not_met_yet():
    asked = link(
        "Ready@Load",
        "WAITING_ON_DEPENDENCIES",
        retry_at=T0 + HOUR_MS,
        attempt=attempt(generation=14),
    )
    asked = replace(asked, component=component("Ready@Load", category="system_precondition"))
    text = told(
        link("Load", "WAITING_ON_DEPENDENCIES", tie="waits", unmet=1), replace(asked, falses=14)
    )
    assert text == (
        "Waits for @Ready@Load_2026-03-01T00:00:00, which was not met when it was asked (14 times);"
        " it is asked again at 2026-03-01T01:00:00."
    )


def test_the_server_s_own_work_needs_no_runner():
    ready = link("Ready@Load", "WAITING_FOR_RUNNER", attempt=attempt(worker_group="@system"))
    assert told(ready) == "Has been ready since 2026-03-01T00:01:00 for the server itself to do it."


def test_it_has_failed_for_good():
    failed = link(
        "Load", "FAILED", attempts=3, tries=3, ended_at=T0 + HOUR_MS, error_id="NoSuchTable"
    )
    assert told(failed) == (
        "Failed at 2026-03-01T01:00:00 in attempt 3, its last, with NoSuchTable. Mend that, then "
        "set RERUN on @Load_2026-03-01T00:00:00, or MARK_FINISHED to go on without it."
    )


def test_it_has_failed_before_a_runner_had_it():
    failed = link("Load", "FAILED", ended_at=T0, error_id="Service_ExpressionError")
    assert told(failed) is not None
    assert "before a runner could get it, with Service_ExpressionError" in str(told(failed))


def test_a_long_message_is_cut():
    failed = link("Load", "FAILED", attempts=3, tries=3, error_message="x" * 5000)
    assert len(str(told(failed))) < 600


def test_the_cause_stands_at_the_end_of_the_chain():
    text = told(
        replace(link("Report", "WAITING_ON_DEPENDENCIES", tie="waits", unmet=1), others=2),
        link("Clean", "WAITING_ON_DEPENDENCIES", tie="waits", unmet=1),
        link("Load", "FAILED", attempts=3, tries=3, error_id="Broken"),
    )
    assert text == (
        "Waits for @Clean_2026-03-01T00:00:00 (and 2 more), which waits for "
        "@Load_2026-03-01T00:00:00, which failed in attempt 3, its last, with Broken. Mend that, "
        "then set RERUN on @Load_2026-03-01T00:00:00, or MARK_FINISHED to go on without it."
    )


def test_it_failed_with_another():
    text = told(
        link("Report", "CASCADE_FAILED", tie="cascade"),
        link("Load", "FAILED", attempts=1, tries=3, error_id="Broken"),
    )
    assert text is not None
    assert text.startswith(
        "Failed because of @Load_2026-03-01T00:00:00, which failed in attempt 1, its last, with "
        "Broken. Mend that"
    )


def test_it_waits_for_an_interval_that_is_not_due():
    later = Link("@Load_2026-03-02T00:00:00", component("Load"), due_at=T0 + 24 * HOUR_MS)
    assert told(link("Report", "WAITING_ON_DEPENDENCIES", tie="waits", unmet=1), later) == (
        "Waits for @Load_2026-03-02T00:00:00, which is due at 2026-03-02T00:00:00."
    )


def test_what_it_waits_for_has_no_room():
    full = Link("@Load_2026-03-01T05:00:00", component("Load"), due_at=T0, tie="room")
    text = told(
        link("Report", "WAITING_ON_DEPENDENCIES", tie="waits", unmet=1),
        full,
        link("Load", "WAITING_FOR_RUNNER", attempt=attempt()),
        asked=Asked(None),
    )
    assert text is not None
    assert (
        "which is not made yet, because 5 of Load are unfinished (maxActiveInstances), the oldest "
        "of them @Load_2026-03-01T00:00:00, which has been ready since" in text
    )
    assert text.endswith("penstock runner --workerGroup etl")


def test_it_is_paused():
    paused = replace(link("Load", "PAUSED"), paused_at=T0, paused_by="ann")
    assert told(paused) == (
        "Was paused by ann at 2026-03-01T00:00:00. To go on, set RESUME on Load."
    )


def test_it_was_cancelled():
    canceled = link("Load", "CANCELED", ended_at=T0, cancel_reason="cancelled by ann")
    assert str(told(canceled)).startswith(
        "Was cancelled at 2026-03-01T00:00:00 (cancelled by ann). Set RERUN on @Load_"
    )


def test_what_a_deactivation_cancelled_is_rerun_by_the_activation():
    canceled = link("Load", "CANCELED", cancel_reason="the pipeline was deactivated", revive=True)
    assert str(told(canceled)).endswith("Activating the pipeline again reruns it.")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("INACTIVE", "INACTIVE since it was deactivated at 2026-03-01T00:00:00. Activate it to"),
        ("DEACTIVATING", "being deactivated. Activate it again, once INACTIVE."),
    ],
)
def test_the_pipeline_is_held(state: str, text: str):
    pipeline = replace(PIPELINE, state=state, last_deactivated_at=T0)
    waiting = link("Load", "WAITING_ON_DEPENDENCIES", unmet=1)
    assert f"Is held: the pipeline is {text}" in str(told(waiting, pipeline=pipeline))


def test_what_failed_in_a_held_pipeline_is_told_all_the_same():
    pipeline = replace(PIPELINE, state="INACTIVE")
    failed = link("Load", "FAILED", attempts=1, tries=3, error_id="Broken")
    assert "Broken" in str(told(failed, pipeline=pipeline))


def test_it_runs():
    handed = attempt(status="RUNNING", handed_at=T0, hostname="h1", acknowledged=True)
    running = link("Load", "RUNNING", attempt=replace(handed, reported_at=T0 + MINUTE_MS))
    assert told(running) == (
        "Runs on h1 since 2026-03-01T00:00:00 (attempt 1), last heard of at 2026-03-01T00:01:00."
    )
    assert "has not acknowledged it yet" in str(
        told(link("Load", "RUNNING", attempt=replace(handed, acknowledged=False)))
    )


def test_it_is_to_stop():
    handed = attempt(status="RUNNING", handed_at=T0, acknowledged=True)
    running = link("Load", "RUNNING", attempt=handed, cancel_reason="cancelled by ann")
    assert "is to stop (cancelled by ann)" in str(told(running))
