"""Turns that are alike are leapt over, and it makes no difference."""

import random
import sqlite3
from datetime import datetime

import pytest
from msgspec.structs import replace

from penstock.language.forms import from_cli
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, from_datetime
from penstock.simulation.memory import _SHIFT, MemoryStore
from penstock.simulation.whatif import Failure, Lived, Rehearsal, Scenario
from tests.simulation.scenes import T0, activity, default, node, schedule


def rehearse(objects, scenario: Scenario, leaps: bool) -> tuple[Lived, int]:
    """What was lived through, and in how many moments."""
    moments: list[int] = []
    rehearsal = Rehearsal(from_cli({"objects": objects}), (), scenario, leaps=leaps)
    return rehearsal.live(moments.append), len(moments)


def compare(objects, scenario: Scenario) -> tuple[int, int]:
    """Live with leaps and without: the same must come of it. Answers the moments of both."""
    leapt, few = rehearse(objects, scenario, leaps=True)
    walked, many = rehearse(objects, scenario, leaps=False)
    assert leapt.runs == walked.runs
    assert leapt.held == walked.held
    assert leapt.pipeline == walked.pipeline
    return few, many


def etl(**ends: str):
    return [
        default(),
        schedule(**ends),
        schedule("1 day", name="Daily", **ends),
        node("Raw"),
        activity("Fetch", output=("Raw",)),
        activity("Load", input=("Raw",), retryDelay="5 minutes"),
        activity("Report", "Load", schedule=("Daily",), scheduleType="timeseries"),
    ]


def test_a_pipeline_that_keeps_up_is_lived_through_for_a_few_days():
    few, many = compare(etl(), Scenario(T0, T0 + 30 * DAY_MS))
    assert few < many / 3


def test_the_end_of_a_schedule_is_lived_through():
    objects = etl(endDateTime="2023-12-01T00:00:00")
    few, many = compare(objects, Scenario(T0, T0 + 30 * DAY_MS))
    assert few < many


def test_a_failure_on_a_day_is_lived_through():
    first = T0 + 14 * DAY_MS
    failure = Failure("Load", first, first + DAY_MS)
    few, many = compare(etl(), Scenario(T0, T0 + 40 * DAY_MS, failures=[failure]))
    assert few < many / 2


def test_what_is_blocked_for_ever_stays_where_it_is():
    """Reports of twelve days are blocked by their Loads: five fill the room, others never begin."""
    failure = Failure("Load", T0 + 3 * DAY_MS, T0 + 15 * DAY_MS)
    few, many = compare(etl(), Scenario(T0, T0 + 60 * DAY_MS, failures=[failure]))
    assert few < many


def test_one_schedule_may_end_before_another():
    objects = etl()
    objects[2]["occurrences"] = "5"
    few, many = compare(objects, Scenario(T0, T0 + 30 * DAY_MS))
    assert few < many / 2


@pytest.mark.parametrize(
    ("zone", "day"), [("Europe/Berlin", (2026, 3, 29)), ("Australia/Lord_Howe", (2026, 4, 5))]
)
def test_a_change_of_the_clock_is_lived_through(zone, day):
    days = {"timeZone": zone, "startDateTime": "2026-03-01T09:00:00"}
    objects = [default(when="Daily"), schedule("1 day", name="Daily", **days), activity("A")]
    change = from_datetime(datetime(*day))
    few, many = compare(objects, Scenario(change - 10 * DAY_MS, change + 15 * DAY_MS))
    assert few < many


def test_failures_of_every_first_attempt_repeat_too():
    failures = [Failure("Load", attempts=1)]
    few, many = compare(etl(), Scenario(T0, T0 + 20 * DAY_MS, failures=failures))
    assert few < many


def test_a_pipeline_that_falls_behind_is_lived_through_in_full():
    scenario = Scenario(T0, T0 + 6 * DAY_MS, runners=1, takes_ms={"*": 40 * MINUTE_MS})
    few, many = compare(etl(), scenario)
    assert few == many


def random_scene(seed: int):
    chance = random.Random(seed)
    names = [f"A{n}" for n in range(chance.randint(1, 5))]
    objects = [
        default(
            chance.choice(["cron", "timeseries"]),
            failureAndRerunMode=chance.choice(["NONE", "CASCADE"]),
        ),
        schedule(chance.choice(["6 hours", "2 hours"])),
        schedule(chance.choice(["1 day", "12 hours"]), name="Slow"),
    ]
    for place, name in enumerate(names):
        after = [each for each in names[:place] if chance.random() < 0.5]
        fields = {"schedule": ("Slow",)} if chance.random() < 0.3 else {}
        retries = str(chance.randint(0, 2))
        objects.append(
            activity(name, *after, maximumRetries=retries, retryDelay="20 minutes", **fields)
        )
    begin = T0 + chance.choice([0, 90 * MINUTE_MS, 3 * DAY_MS])
    failures = []
    if chance.random() < 0.5:
        first = T0 + chance.randint(5, 15) * DAY_MS
        failures.append(Failure(chance.choice(names), first, first + HOUR_MS * 7))
    if chance.random() < 0.3:
        failures.append(Failure(chance.choice(names), attempts=1))
    scenario = Scenario(
        begin,
        begin + 16 * DAY_MS + chance.randint(0, DAY_MS),
        runners=chance.randint(1, 3),
        takes_ms={"*": chance.randint(1, 90) * MINUTE_MS, names[0]: chance.randint(0, 3) * HOUR_MS},
        failures=failures,
    )
    return objects, scenario


@pytest.mark.parametrize("seed", range(25))
def test_it_makes_no_difference(seed: int):
    compare(*random_scene(seed))


def test_random_scenes_do_leap():
    """Else the test above would say nothing."""
    leapt = 0
    for seed in range(8):
        objects, scenario = random_scene(seed)
        _, few = rehearse(objects, scenario, leaps=True)
        _, many = rehearse(objects, scenario, leaps=False)
        leapt += few < many
    assert leapt >= 3


TIMELESS = {
    "instance": {"key", "pipeline", "component", "version", "status", "unmet", "tries",
                 "attempts", "rerun", "revive", "cascade_on", "cancel_reason", "error_id",
                 "error_message", "error_stack_trace"},
    "attempt": {"instance", "number", "pipeline", "account_id", "worker_group", "status",
                "offered", "generation", "acknowledged", "cancel_reason", "hostname", "fields",
                "error_id", "error_message", "error_stack_trace"},
    "wait": {"waiter", "pipeline", "target", "missing"},
    "timer": {"kind", "subject"},
    "component": {"pipeline", "id", "open", "paused", "health"},
    "event": {"key", "pipeline", "component", "attempt", "what", "detail", "user_name"},
}  # fmt: skip
"""Columns that a leap leaves alone. A new column belongs here, or into shift.sql; and if it tells
how an unfinished thing stands, into the portrait of `repetition`."""


@pytest.mark.parametrize("table", TIMELESS)
def test_every_time_in_the_tables_is_shifted(table: str):
    store = MemoryStore(T0)
    connection: sqlite3.Connection = store._writer
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    text = "\n".join(sql for sql in _SHIFT.values() if f"UPDATE {table}" in sql)
    shifted = {name for name in columns if f"{name} + :by" in text or f'"{name}" + :by' in text}
    assert columns - shifted == TIMELESS[table]


def test_no_table_of_a_pipeline_s_life_is_forgotten():
    connection = MemoryStore(T0)._writer
    tables = {
        row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    others = {
        "account", "account_user", "access_key", "identity_version", "schema_migration",
        "sqlite_sequence", "master_key", "pipeline", "definition", "heartbeat", "sweep",
        "restoration", "poll", "log", "log_follower",
    }  # fmt: skip
    assert tables - others == TIMELESS.keys()


def test_a_scenario_of_few_turns_is_lived_through_in_full():
    scenario = Scenario(T0, T0 + 2 * DAY_MS)
    few, many = compare(etl(), replace(scenario, runners=2))
    assert few == many
