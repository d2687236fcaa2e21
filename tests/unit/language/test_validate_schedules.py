"""Schedules, on-demand pipelines, order and the flow of data."""

import pytest

from penstock.language.checks.flow import Wait, find_cycles
from penstock.language.periods import parse_datetime
from penstock.model.limits import AWS_LIMITS
from penstock.model.times import DAY_MS, from_datetime
from tests.unit.language.checking import (
    DEFAULT,
    ON_DEMAND,
    SCHEDULE,
    Object,
    activity,
    check,
    node,
    only_error,
    only_warning,
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"occurrences": "2", "endDateTime": "2026-01-01"}, "both say when the schedule ends"),
        ({"startDateTime": "2026-01-01"}, "'startAt' and 'startDateTime' are given, but only one"),
        ({"startAt": []}, "'startDateTime' is a date such as '2026-01-31T14:00:00' (UTC)"),
        ({"startAt": "NOW"}, "'NOW' is not one of 'FIRST_ACTIVATION_DATE_TIME' or"),
        (
            {"startAt": [], "startDateTime": "2026-01-01", "endDateTime": "2025-12-31T10:00:00"},
            "'endDateTime' (2025-12-31T10:00:00) is not after 'startDateTime' (2026-01-01T00:",
        ),
        (
            {
                "startAt": [],
                "startDateTime": "2026-01-01",
                "endDateTime": "#{makeDate(2025, 1, 1)}",
            },
            "'endDateTime' (2025-01-01T00:00:00) is not after",
        ),
        (
            {
                "startAt": [],
                "timeZone": "Asia/Tokyo",
                "startDateTime": "2026-01-01T09:00:00",
                "endDateTime": "2026-01-01T00:00:00Z",
            },
            "'endDateTime' (2026-01-01T09:00:00) is not after 'startDateTime' (2026-01-01T09:00",
        ),
        ({"startAt": [], "startDateTime": "tomorrow"}, "'tomorrow' is not a date"),
        ({"period": []}, "'period' is required for Schedule; give a period such as '1 hour'"),
        ({"period": "30 years"}, "longer than 3 years"),
        ({"period": "30 seconds"}, "unknown unit 'second'"),
        ({"period": "ONDEMAND_PERIOD"}, "so 'startAt' must be ONDEMAND_ACTIVATION_TIME"),
        ({"startAt": "ONDEMAND_ACTIVATION_TIME"}, "so 'period' must be ONDEMAND_PERIOD"),
        ({"occurrences": "0"}, "0 is less than 1"),
        ({"period": "#{@scheduledStartTime} hours"}, "'period' is read before any run"),
    ],
)
def test_schedules(fields: Object, expected: str):
    assert expected in only_error(check({**SCHEDULE, **fields}, activity()), "S")


def test_a_scheduled_object_needs_a_schedule_unless_on_demand():
    default = {"id": "Default", "workerGroup": "w"}
    assert "'schedule' is missing: add" in only_error(check(default, activity()), "A")
    found = check(default, SCHEDULE, activity(), activity(id="B"), activity(id="C"))
    text = only_error(found, "A")
    assert 'add "schedule": {"ref": "S"} to the object' in text
    assert text.endswith("(also at 'B' and 'C')")
    assert not check(ON_DEMAND, activity()).errors
    explicit = {**SCHEDULE, "period": "ONDEMAND_PERIOD", "startAt": "ONDEMAND_ACTIVATION_TIME"}
    assert not check({**DEFAULT, "scheduleType": "ONDEMAND"}, explicit, activity()).found


def test_a_resource_may_follow_its_activities():
    host = {"id": "Host", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}
    use = activity(schedule={"ref": "S"}, runsOn={"ref": "Host"})
    assert not check({"id": "Default"}, SCHEDULE, host, use).found


def test_an_on_demand_pipeline_has_one_schedule():
    found = check(
        {**DEFAULT, "scheduleType": "ondemand"},
        {**SCHEDULE, "id": "T"},
        activity(),
        activity(id="B", schedule={"ref": "T"}),
    )
    assert "one schedule at most, and none is needed; there are 'S' and 'T'" in str(found.errors)


def test_what_means_nothing_on_demand():
    found = check({**DEFAULT, "scheduleType": "ondemand"}, activity())
    assert "the schedule 'S' means nothing" in only_warning(found, "Default")
    found = check(ON_DEMAND, activity(lateAfterTimeout="1 hour"))
    assert "'lateAfterTimeout' means nothing" in only_warning(found, "A")
    explicit = {**SCHEDULE, "period": "ONDEMAND_PERIOD", "startAt": "ONDEMAND_ACTIVATION_TIME"}
    found = check(
        {**DEFAULT, "scheduleType": "ondemand"}, {**explicit, "occurrences": 2}, activity()
    )
    assert "'occurrences' means nothing" in only_warning(found, "S")


def test_a_pipeline_is_on_demand_as_a_whole():
    found = check(
        ON_DEMAND,
        SCHEDULE,
        activity(),
        activity(id="B", scheduleType="cron", schedule={"ref": "S"}),
    )
    assert "'scheduleType' is 'cron' here but 'ondemand' for 'A'" in only_error(found, "B")
    found = check(
        DEFAULT | {"scheduleType": []}, activity(), activity(id="B", scheduleType="ondemand")
    )
    assert "'timeseries' (as none is given)" in only_error(found, "A")


def test_staged_outputs_are_directories():
    found = check(
        activity(stage="true", input={"ref": "In"}, output={"ref": "Out"}), node("In"), node("Out")
    )
    assert "the output 'Out' needs 'directoryPath'" in only_error(found, "A")


def test_hive_needs_the_columns_of_what_is_staged():
    cluster = {"id": "C", "type": "EmrCluster", "role": "r", "resourceRole": "r"}
    hive = {"id": "A", "type": "HiveActivity", "hiveScript": "x", "runsOn": {"ref": "C"}}
    hive |= {"input": {"ref": "In"}}
    assert "no 'dataFormat'" in only_warning(check(hive, cluster, node("In")), "A")
    assert not check(hive | {"stage": "false"}, cluster, node("In")).found


def test_a_cycle_of_parents_is_told_once():
    found = check(
        {"id": "Q", "parent": {"ref": "P"}},
        {"id": "P", "parent": {"ref": "Q"}},
        {"id": "A", "type": "ShellCommandActivity", "parent": {"ref": "P"}},
    )
    assert "the object itself: P -parent-> Q -parent-> P" in only_error(found, "P")
    chain = [{"id": f"X{n:03}", "parent": {"ref": f"X{n + 1:03}"}} for n in range(105)]
    assert "more than 100 levels" in only_error(check(*chain, {"id": "X105"}), "X006")


def test_a_cycle_is_shown_with_the_fields_that_make_it():
    found = check(
        activity(id="B", input={"ref": "M"}, output={"ref": "N"}, command="x"),
        activity(input={"ref": "N"}),
        node("N"),
        node("M"),
        activity(id="C", dependsOn={"ref": "A"}, output={"ref": "M"}),
    )
    way = "A -input-> N <-output- B -input-> M <-output- C -dependsOn-> A"
    assert way in only_error(found, "A")
    assert "A -dependsOn-> A;" in only_error(check(activity(dependsOn={"ref": "A"})), "A")


def test_each_arrow_that_closes_a_cycle_is_told_in_any_order_of_the_objects():
    edges = {
        "D": [Wait("A", "x")], "C": [Wait("A", "x"), Wait("D", "x")],
        "B": [Wait("C", "x")], "A": [Wait("B", "x")],
    }  # fmt: skip
    found = ["".join(each for each, _ in cycle) for cycle in find_cycles(edges)]
    assert sorted(found) == ["ABC", "ABCD"]
    again = find_cycles({key: edges[key][::-1] for key in sorted(edges)})
    assert ["".join(each for each, _ in cycle) for cycle in again] == found


def test_a_long_cycle_is_cut_and_many_are_bounded():
    ring = [activity(id=f"A{n:03}", dependsOn={"ref": f"A{(n + 1) % 100:03}"}) for n in range(100)]
    text = only_error(check(*ring), "A000")
    assert "… (88 more) …" in text
    assert text.count("->") == 12
    knot = [
        activity(id=f"A{n:02}", dependsOn=[{"ref": f"A{m:02}"} for m in range(30)])
        for n in range(30)
    ]
    assert sum(map(len, check(*knot).errors.values())) == 20


def test_deep_graphs_need_no_deep_stack():
    chain = [activity(id=f"A{n}", dependsOn={"ref": f"A{n + 1}"}) for n in range(3_000)]
    assert not check(*chain, activity(id="A3000")).errors


def test_rollups_are_bounded_where_the_original_bounds_them():
    daily = {**SCHEDULE, "id": "Daily", "period": "1 day"}
    use = activity(schedule={"ref": "Daily"}, dependsOn={"ref": "B"})
    text = only_error(check(daily, use, activity(id="B"), limits=AWS_LIMITS), "A")
    assert "one interval of this object (1 day) waits for 96 of 'B' (15 minutes)" in text
    assert not check(daily, use, activity(id="B")).errors


def test_a_cascade_over_a_backfill():
    schedule = {"id": "S", "type": "Schedule", "period": "1 hour", "startDateTime": "2026-01-01"}
    start = from_datetime(parse_datetime("2026-01-01"))
    cascade = {**DEFAULT, "failureAndRerunMode": "cascade"}
    found = check(cascade, schedule, activity(), activity(id="B"), now=start + DAY_MS)
    assert only_warning(found, "Default").startswith(
        "Default has 'failureAndRerunMode' field set to 'cascade' and you are about to create a "
        "backfill with scheduleStartTime 2026-01-01T00:00:00. This can result in rapid creation of "
        "pipeline objects in case of failures. "
    )
    assert not check(cascade, schedule, activity(), now=start - DAY_MS).found
    assert not check(cascade, schedule, activity()).found
    assert not check(DEFAULT, schedule, activity(), now=start + DAY_MS).found


def test_outputs_that_overwrite_one_another():
    out = activity(output={"ref": "Out"})
    same = node("Out", directoryPath="s3://b/#{myFolder}", myFolder="x")
    text = only_warning(check(out, same), "Out")
    assert "each interval writes over what the last one left in 's3://b/#{myFolder}'" in text
    assert not check(
        out, node("Out", directoryPath="#{myPlace}", myPlace="s3://b/#{@actualStartTime}")
    ).found
    assert not check({**SCHEDULE, "occurrences": "1"}, out, same).found
    once = {"startAt": [], "startDateTime": "2026-01-01", "endDateTime": "2026-01-01T00:15:00"}
    assert not check({**SCHEDULE, **once}, out, same).found
    assert not check(ON_DEMAND, out, same).found
