"""What `penstock run` makes of a definition before it is put."""

from datetime import datetime
from typing import Any

import pytest

from penstock.cli import preparation
from penstock.language.forms import from_cli
from penstock.language.resolve import Resolved, resolve
from penstock.model.definition import Definition, ParameterValue, PipelineObject

NOW = datetime(2024, 5, 14, 12)
START = "2024-05-14T09:00:00"


def a_schedule(**fields: str) -> dict[str, Any]:
    return {"id": "S", "type": "Schedule", "period": "1 hour", "startDateTime": START, **fields}


def an_activity(name: str = "A", **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "type": "shellcommandactivity",
        "command": "true",
        "schedule": {"ref": "S"},
        **fields,
    }


def read(*objects: dict[str, Any], **more: Any) -> tuple[Definition, Resolved]:
    definition = from_cli({"objects": list(objects), **more})
    return definition, resolve(definition)


def the(definition: Definition, object_id: str) -> PipelineObject:
    return next(each for each in definition.pipeline_objects if each.id == object_id)


def test_no_retries_for_anything_that_can_be_retried() -> None:
    definition, resolved = read(
        {"id": "Default", "maximumRetries": "5"}, a_schedule(), an_activity(maximumRetries="3")
    )
    changed = preparation.without_retries(definition, resolved)
    assert the(changed, "A").strings("maximumRetries") == ("0",)
    assert the(changed, "S") == the(definition, "S")
    assert the(changed, "A").string("command") == "true"


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({}, "2024-05-14T11:00:00"),
        ({"occurrences": "9"}, "2024-05-14T11:00:00"),
        ({"occurrences": "1"}, None),
        ({"endDateTime": "2024-05-14T10:00:00"}, "2024-05-14T10:00:00"),
        ({"endDateTime": "2024-06-14T10:00:00"}, "2024-05-14T11:00:00"),
        ({"endDateTime": "#{myEnd}"}, "#{myEnd}"),
    ],
)
def test_until_ends_what_would_go_on_longer(fields: dict[str, str], end: str | None) -> None:
    definition, resolved = read(
        a_schedule(**fields),
        an_activity(),
        parameters=[{"id": "myEnd", "type": "String"}],
        values={"myEnd": "2024-05-14T10:30:00"},
    )
    changed = preparation.ended_by(definition, resolved, datetime(2024, 5, 14, 11), NOW)
    assert the(changed, "S").string("endDateTime") == end
    assert the(changed, "S").string("occurrences") == (None if end else "1")


def test_an_endless_schedule_is_found_if_something_runs_by_it() -> None:
    _, resolved = read(a_schedule(), an_activity())
    assert preparation.endless(resolved, NOW) == ["S"]
    _, resolved = read(a_schedule())
    assert preparation.endless(resolved, NOW) == []
    _, resolved = read(a_schedule(), {"id": "Default", "schedule": {"ref": "S"}}, an_activity("B"))
    assert preparation.endless(resolved, NOW) == ["S"]


def test_on_demand_is_never_endless() -> None:
    _, resolved = read(a_schedule(), an_activity(scheduleType="ONDEMAND"))
    assert preparation.endless(resolved, NOW) == []
    _, resolved = read(a_schedule(period="ONDEMAND_PERIOD"), an_activity())
    assert preparation.endless(resolved, NOW) == []


def test_a_start_at_the_first_activation_is_now() -> None:
    schedule = {
        "id": "S",
        "type": "Schedule",
        "period": "1 day",
        "startAt": "FIRST_ACTIVATION_DATE_TIME",
        "occurrences": "2",
    }
    _, resolved = read(schedule, an_activity())
    assert preparation.end_of(resolved, resolved.objects["S"], NOW) == datetime(2024, 5, 16, 12)


def test_every_worker_group_is_named_once_parameters_put_in() -> None:
    definition, _ = read(
        {"id": "Default", "workerGroup": "#{myGroup}"},
        an_activity("A"),
        an_activity("B", workerGroup="other"),
        an_activity("C"),
        parameters=[{"id": "myGroup", "type": "String", "default": "usual"}],
    )
    assert preparation.worker_groups(resolve(definition)) == ["usual", "other"]
    given = resolve(definition, [ParameterValue("myGroup", "given")])
    assert preparation.worker_groups(given) == ["given", "other"]


def test_work_that_no_runner_would_get_is_named_with_a_remedy() -> None:
    _, resolved = read(
        an_activity("Lonely"),
        an_activity("Cloudy", runsOn={"ref": "Machine"}),
        an_activity("Fine", workerGroup="w"),
        {"id": "Machine", "type": "Ec2Resource"},
    )
    (lonely,) = preparation.unserved(resolved)
    assert lonely.startswith("Lonely has no worker")


@pytest.mark.parametrize(
    ("style", "at_start"),
    [({"scheduleType": "CRON"}, True), ({"scheduleType": "timeseries"}, False), ({}, False)],
)
def test_work_is_due_at_the_start_only_by_cron(style: dict[str, str], at_start: bool) -> None:
    _, resolved = read({"id": "Default", "scheduleType": "cron"}, a_schedule(), an_activity("A"))
    assert preparation.due_at_start(resolved)
    _, resolved = read(a_schedule(), an_activity("A", **style))
    assert preparation.due_at_start(resolved) is at_start


def test_the_zone_is_the_schedules() -> None:
    _, resolved = read(a_schedule(timeZone="Asia/Tokyo"), an_activity("A"))
    assert preparation.time_zone(resolved) == "Asia/Tokyo"
    _, resolved = read(an_activity("A"))
    assert preparation.time_zone(resolved) == "UTC"


def test_a_schedule_in_a_zone_ends_by_its_own_clock() -> None:
    berlin = {"period": "1 day", "timeZone": "Europe/Berlin", "startDateTime": "2024-05-14"}
    for ends, end in (
        ({"endDateTime": "2024-05-16"}, datetime(2024, 5, 15, 22)),
        ({"occurrences": "200"}, datetime(2024, 11, 29, 23)),
    ):
        definition, resolved = read(a_schedule(**berlin, **ends), an_activity())
        [schedule] = preparation.schedules(resolved)
        assert preparation.end_of(resolved, schedule, NOW) == end
    changed = preparation.ended_by(definition, resolved, datetime(2024, 5, 15, 22), NOW)
    assert the(changed, "S").string("endDateTime") == "2024-05-15T22:00:00Z"
    [ended] = preparation.schedules(resolve(changed))
    assert preparation.end_of(resolve(changed), ended, NOW) == datetime(2024, 5, 15, 22)
