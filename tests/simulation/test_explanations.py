"""`@explanation`: from what the store holds, through whole chains (docs/engine.md)."""

import pytest

from penstock.model.times import MINUTE_MS
from penstock.simulation.world import CALLER, World
from tests.simulation.scenes import (
    T0,
    Hand,
    activity,
    condition,
    default,
    hourly,
    name_of,
    node,
    on_demand,
    schedule,
    wait,
)


def explanation(world: World, pipeline: str, component: str, hour: float = 0) -> str | None:
    return world.describe(pipeline, name_of(component, hour)).string("@explanation")


def fail(world: World, hand: Hand) -> None:
    task = hand.take()
    hand.report(task)
    hand.end(task, "FAILED", "Broken")


def test_what_finished_has_none(world: World):
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    hand.end(hand.take())
    assert explanation(world, pipeline, "A") is None


def test_nobody_has_ever_asked(world: World):
    pipeline = world.begin(on_demand(activity("A")))
    assert "no runner has asked for tasks of worker group 'workers' in the last 30 days" in (
        explanation(world, pipeline, "A") or ""
    )


def test_somebody_asked_before(world: World):
    world.dispatcher.note((CALLER.account_id, "workers"), T0)
    wait(world, minutes=5)
    pipeline = world.begin(on_demand(activity("A")))
    name = world.instances(pipeline)[0]
    text = world.describe(pipeline, "@A_2023-11-15T00:05:00").string("@explanation")
    assert name.start == T0 + 5 * MINUTE_MS
    assert "since 2023-11-15T00:00:00" in (text or "")


def test_the_chain_leads_to_what_failed_first(world: World):
    objects = hourly(
        node("Out"),
        activity("A", output=("Out",), maximumRetries="0"),
        activity("B", input=("Out",)),
        activity("C", "B"),
        occurrences=1,
    )
    pipeline = world.begin(objects)
    fail(world, Hand(world))
    text = explanation(world, pipeline, "C") or ""
    assert text.startswith(
        f"Waits for {name_of('B')}, which waits for {name_of('Out')}, which waits for "
        f"{name_of('A')}, which failed at 2023-11-15T00:00:00 in attempt 1, its last, with Broken"
    )
    assert f"set RERUN on {name_of('A')}" in text


def test_a_failure_that_cascades(world: World):
    objects = hourly(
        activity("A", maximumRetries="0"),
        activity("B", "A"),
        activity("C", "B"),
        failureAndRerunMode="CASCADE",
    )
    pipeline = world.begin(objects)
    fail(world, Hand(world))
    assert (explanation(world, pipeline, "C") or "").startswith(
        f"Failed because of {name_of('B')}, which failed because of {name_of('A')}, which failed at"
    )


def test_a_retry_is_told_with_its_time(world: World):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A")))
    fail(world, Hand(world))
    assert explanation(world, pipeline, "B") == (
        f"Waits for {name_of('A')}, which failed in attempt 1 with Broken: Broken and is tried "
        "again at 2023-11-15T00:10:00."
    )


def test_a_failed_one_of_many_is_told_before_those_that_may_still_come(world: World):
    objects = [
        default(),
        schedule(),
        schedule("3 hours", name="Slow"),
        activity("A", maximumRetries="0"),
        activity("B", "A", schedule=("Slow",)),
    ]
    pipeline = world.begin(objects)
    wait(world, hours=1)
    hand = Hand(world)
    first = hand.take()
    fail(world, hand)
    hand.end(first)
    text = explanation(world, pipeline, "B") or ""
    assert text.startswith(f"Waits for {name_of('A', 1)} (and 1 more), which failed")


def test_an_interval_to_come_is_told_with_its_time(world: World):
    objects = [
        default(),
        schedule(),
        schedule("3 hours", name="Slow"),
        activity("A"),
        activity("B", "A", schedule=("Slow",)),
    ]
    pipeline = world.begin(objects)
    hand = Hand(world)
    hand.end(hand.take())
    assert explanation(world, pipeline, "B") == (
        f"Waits for {name_of('A', 1)} (and 1 more), which is due at 2023-11-15T01:00:00."
    )


def test_no_room_leads_to_the_oldest(world: World):
    objects = [
        default(),
        schedule(),
        schedule("3 hours", name="Slow"),
        activity("A", maxActiveInstances="1"),
        activity("B", "A", schedule=("Slow",)),
    ]
    pipeline = world.begin(objects)
    hand = Hand(world)
    hand.end(hand.take())
    wait(world, hours=2.5)
    assert "no runner has asked" in (explanation(world, pipeline, "A", 1) or "")
    text = explanation(world, pipeline, "B") or ""
    assert text.startswith(f"Waits for {name_of('A', 1)} (and 1 more), which has been ready since")


def test_who_waits_for_one_that_has_no_room(world: World):
    objects = hourly(
        activity("A", maxActiveInstances="1"), activity("B", "A", maxActiveInstances="5")
    )
    pipeline = world.begin(objects)
    wait(world, hours=2)
    assert (explanation(world, pipeline, "B", 1) or "").startswith(
        f"Waits for {name_of('A', 1)}, which is not made yet, because 1 of A are unfinished "
        f"(maxActiveInstances), the oldest of them {name_of('A')}, which has been ready since"
    )


def test_a_pause_names_who_and_when(world: World):
    pipeline = world.begin(hourly(activity("A")))
    wait(world, minutes=3)
    world.set_status(pipeline, "PAUSE", "A")
    assert explanation(world, pipeline, "A") == (
        "Was paused by simulant at 2023-11-15T00:03:00. To go on, set RESUME on A."
    )


def test_what_is_paused_in_a_deactivated_pipeline_is_told_both(world: World):
    pipeline = world.begin(hourly(activity("A")))
    world.set_status(pipeline, "PAUSE", "A")
    world.deactivate(pipeline)
    assert (explanation(world, pipeline, "A") or "").endswith(
        "Activate it to go on. It is paused besides: set RESUME on A."
    )


def test_a_deactivated_pipeline_holds_what_waits(world: World):
    pipeline = world.begin(hourly(activity("A")))
    world.deactivate(pipeline)
    assert explanation(world, pipeline, "A") == (
        "Is held: the pipeline is INACTIVE since it was deactivated at 2023-11-15T00:00:00. "
        "Activate it to go on."
    )


def test_what_runs_and_is_to_stop(world: World):
    pipeline = world.begin(hourly(activity("A")))
    hand = Hand(world)
    task = hand.take()
    assert "has not acknowledged it yet" in (explanation(world, pipeline, "A") or "")
    hand.report(task)
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    assert "is to stop (cancelled by simulant)" in (explanation(world, pipeline, "A") or "")


def test_a_precondition_says_how_often_it_was_asked(world: World):
    objects = hourly(
        {"id": "Ready", "type": "ShellCommandPrecondition", "command": "true",
         "retryDelay": "7 minutes", "preconditionTimeout": "5 hours"},
        activity("A", precondition=("Ready",)),
    )  # fmt: skip
    pipeline = world.begin(objects)
    hand = Hand(world)
    for _ in range(3):
        hand.end(hand.take(), "FALSE")
        wait(world, minutes=7)
    hand.end(hand.take(), "FALSE")
    assert explanation(world, pipeline, "A") == (
        f"Waits for {name_of('Ready@A')}, which was not met when it was asked (4 times); it is "
        "asked again at 2023-11-15T00:28:00."
    )


def test_a_precondition_that_its_owner_is_not_ready_for_says_what_for(world: World):
    objects = on_demand(
        activity("A", output=("N",), maximumRetries="0"),
        node("N", precondition=("P",)),
        condition("P", maximumRetries="0"),
    )
    pipeline = world.begin(objects)
    hand = Hand(world)
    hand.end(hand.take())
    fail(world, hand)
    world.set_status(pipeline, "RERUN", name_of("A"))
    world.set_status(pipeline, "RERUN", name_of("P@N"))
    fail(world, hand)
    text = explanation(world, pipeline, "P@N") or ""
    assert text.startswith(
        f"Waits for {name_of('N')}, which waits for {name_of('A')} (and 1 more), which failed at"
    )


def test_secrets_are_struck_out(world: World):
    objects = hourly(
        {"id": "Database", "type": "JdbcDatabase", "username": "u", "*password": "hunter22",
         "connectionString": "jdbc:x", "jdbcDriverClass": "X"},
        activity("A", maximumRetries="0"),
    )  # fmt: skip
    pipeline = world.begin(objects)
    hand = Hand(world)
    task = hand.take()
    hand.end(task, "FAILED", "said hunter22")
    text = explanation(world, pipeline, "A") or ""
    assert "hunter22" not in text
    assert "said ********" in text


@pytest.mark.parametrize("field", ["@sphere", "@status", "@waitingOn"])
def test_the_fields_that_were_there_still_are(world: World, field: str):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A")))
    shown = world.describe(pipeline, name_of("B"))
    assert shown.fields[0].key == "@sphere"
    assert shown.string(field) or shown.ref(field)
    assert [each.key for each in shown.fields].count("@explanation") == 1
