"""What the commands read out of the API's answers."""

from penstock.cli.progress import (
    Watch,
    blocked_ids,
    duration,
    in_order,
    instance_ids,
    list_pipelines,
    next_due,
    nothing_moves,
    view,
    views,
)
from penstock.language.periods import parse_datetime
from penstock.model.definition import Field, PipelineObject
from penstock.model.times import from_datetime
from tests.unit.cli.scripted import ScriptedClient, described

START = "2024-05-14T09:00:00"


def at(text: str) -> int:
    return from_datetime(parse_datetime(text))


def an_object(object_id: str, refs: dict[str, str] | None = None, **strings: str) -> PipelineObject:
    fields = [
        Field(key.replace("at_", "@", 1), string_value=value) for key, value in strings.items()
    ]
    fields += [Field(key, ref_value=target) for key, target in (refs or {}).items()]
    return PipelineObject(object_id, object_id, tuple(fields))


def test_all_pages_are_read() -> None:
    client = ScriptedClient([described(f"@A{n}_{START}") for n in range(5)], page=2)
    client.pipelines = [(f"df-{n}", f"name {n}") for n in range(5)]
    assert instance_ids(client, "df-1") == [f"@A{n}_{START}" for n in range(5)]
    assert [each.id for each in views(client, "df-1", instance_ids(client, "df-1"))] == [
        f"@A{n}_{START}" for n in range(5)
    ]
    assert list(list_pipelines(client)) == client.pipelines


def test_objects_are_described_a_hundred_at_a_time() -> None:
    client = ScriptedClient([described(f"@A{n}_{START}") for n in range(250)], page=1000)
    assert len(views(client, "df-1", instance_ids(client, "df-1"))) == 250
    sizes = [len(p["objectIds"]) for name, p in client.calls if name == "DescribeObjects"]
    assert sizes == [100, 100, 50]


def test_a_failed_try_shows_its_error_and_the_time_of_the_next() -> None:
    instance = an_object(
        f"@A_{START}",
        {"@componentParent": "A", "@headAttempt": f"@A_{START}_Attempt=1"},
        at_status="WAITING_ON_DEPENDENCIES",
        at_attemptCount="1",
        at_nextRetryTime="2024-05-14T10:02:07",
        type="ShellCommandActivity",
    )
    attempt = an_object(
        f"@A_{START}_Attempt=1",
        at_status="FAILED",
        at_actualStartTime="2024-05-14T10:00:00",
        at_actualEndTime="2024-05-14T10:00:07",
        errorMessage="exit status 3",
    )
    seen = view(instance, attempt)
    assert seen.next_try == at("2024-05-14T10:02:07")
    assert seen.error == "exit status 3"
    assert (seen.component, seen.tries) == ("A", 1)
    assert duration(seen, at("2024-05-14T12:00:00")) == "0:00:07"


def test_no_next_try_without_one_to_come() -> None:
    attempt = an_object("@A1", at_status="FAILED", at_actualEndTime=START)
    assert view(an_object("@A", at_status="FAILED"), attempt).next_try is None


def test_a_running_attempt_s_time_goes_on() -> None:
    instance = an_object("@A", at_status="RUNNING")
    attempt = an_object("@A1", at_status="RUNNING", at_actualStartTime=START)
    assert duration(view(instance, attempt), at("2024-05-14T10:01:05")) == "1:01:05"
    assert duration(view(instance, None), at(START)) == ""


def waiting(name: str, *on: str) -> PipelineObject:
    fields = [Field("@status", string_value="WAITING_ON_DEPENDENCIES")]
    return PipelineObject(
        name, name, (*fields, *(Field("@waitingOn", ref_value=each) for each in on))
    )


def test_what_waits_for_a_failure_is_blocked_however_far_away() -> None:
    failed = view(an_object("@A", at_status="FAILED"), None)
    near, far, free = (
        view(each, None)
        for each in (waiting("@B", "@A"), waiting("@C", "@B"), waiting("@D", "@other"))
    )
    assert blocked_ids([far, near, failed, free]) == {"@B", "@C"}
    assert nothing_moves([far, near, failed])
    assert not nothing_moves([far, near, failed, free])
    assert not nothing_moves([])


def test_a_watch_reports_changes_and_asks_no_more_about_what_ended() -> None:
    client = ScriptedClient(
        [described("@A", at_status="RUNNING"), described("@B", at_status="FINISHED")]
    )
    watch = Watch(client, "df-1")
    assert {each.id for each in watch.look()[1]} == {"@A", "@B"}
    client.calls.clear()
    everything, changed = watch.look()
    assert not changed
    assert len(everything) == 2
    asked = [p["objectIds"] for name, p in client.calls if name == "DescribeObjects"]
    assert asked == [["@A"]]
    client.objects["@A"] = described("@A", at_status="FAILED")
    assert [each.status for each in watch.look()[1]] == ["FAILED"]


def test_the_next_interval_is_due_at_its_start_or_its_end() -> None:
    fields = {"@nextRunTime": START, "@scheduledPeriod": "15 minutes"}
    assert next_due(fields, at_start=True) == at(START)
    assert next_due(fields, at_start=False) == at("2024-05-14T09:15:00")
    assert next_due({}, at_start=False) is None


def test_the_end_of_a_day_is_by_the_clock_of_its_zone() -> None:
    """In Berlin 29 March 2026 has 23 hours; 24 hours are 24 hours everywhere."""
    fields = {"@nextRunTime": "2026-03-28T08:00:00", "@scheduledPeriod": "1 day"}
    assert next_due(fields, at_start=False, zone="Europe/Berlin") == at("2026-03-29T07:00:00")
    assert next_due(fields, at_start=False) == at("2026-03-29T08:00:00")
    hours = {**fields, "@scheduledPeriod": "24 hours"}
    assert next_due(hours, at_start=False, zone="Europe/Berlin") == at("2026-03-29T08:00:00")


def test_the_time_of_an_attempt_begins_at_its_hand_over() -> None:
    attempt = an_object("@A1", at_status="WAITING_FOR_RUNNER", at_actualStartTime=START)
    assert view(an_object("@A", at_status="WAITING_FOR_RUNNER"), attempt).handed_at is None


def test_instances_come_as_the_work_goes() -> None:
    def interval(name: str, start: str, end: str) -> PipelineObject:
        times = {"at_scheduledStartTime": start, "at_scheduledEndTime": end}
        return an_object(name, at_status="RUNNING", **times)

    hour = view(interval("hour", "09:00", "10:00"), None)
    quarters = [
        view(interval("first", "09:00", "09:15"), None),
        view(interval("last", "09:45", "10:00"), None),
    ]
    assert [each.id for each in in_order([hour, *quarters])] == ["first", "last", "hour"]
