"""The runtime fields of the catalogue: where each is shown, and in which shape, by the API.

One pipeline is brought into all the states that fields speak of, and described. A field that is in
the catalogue stands in `SHOWN`, with where it was seen, or in `NEVER`, with the reason.
"""

import pytest

from penstock.language.catalogue import all_types
from penstock.language.forms import from_cli
from penstock.model.api import ReportTaskProgressRequest
from penstock.model.definition import Field, PipelineObject
from penstock.simulation.world import CALLER
from tests.simulation.scenes import (
    Hand,
    Server,
    activity,
    condition,
    default,
    key_exists,
    name_of,
    node,
    schedule,
    wait,
)

COMPONENT, INSTANCE, ATTEMPT = "COMPONENT", "INSTANCE", "ATTEMPT"
ALL = {COMPONENT, INSTANCE, ATTEMPT}
RUNS = {INSTANCE, ATTEMPT}

SHOWN: dict[str, set[str]] = {
    "@activeInstances": {COMPONENT, ATTEMPT},
    "@actualEndTime": RUNS,
    "@actualStartTime": RUNS,
    "@cascadeFailedOn": {INSTANCE},
    "@finishedTime": {INSTANCE},
    "@firstActivationTime": {COMPONENT},
    "@healthStatus": {COMPONENT},
    "@healthStatusFromInstanceId": {COMPONENT},
    "@healthStatusUpdatedTime": {COMPONENT},
    "@lastDeactivatedTime": {COMPONENT},
    "@latestCompletedRunTime": {COMPONENT},
    "@latestRunTime": {COMPONENT},
    "@nextRunTime": {COMPONENT},
    "@pipelineId": ALL,
    "@scheduledEndTime": RUNS,
    "@scheduledStartTime": RUNS,
    "@sphere": ALL,
    "@status": ALL,
    "@version": ALL,
    "@waitingOn": {INSTANCE},
    "cancellationReason": RUNS,
    "currentRetryCount": RUNS,
    "emrStepLog": RUNS,
    "errorId": RUNS,
    "errorMessage": RUNS,
    "errorStackTrace": RUNS,
    "hadoopJobLog": RUNS,
    "hostname": {ATTEMPT},
    "lastRetryTime": RUNS,
    "node": RUNS,
    "reportProgressTime": {ATTEMPT},
}
"""Each field, with the spheres whose objects show it. What is set is shown there only."""

NEVER = {
    "@error": "what is wrong with an object is told by PutPipelineDefinition, and nothing with "
    "errors comes into force",
    "@failureReason": "resources: see their own tests",
}


def runtime_kinds() -> dict[str, str]:
    return {
        key: field.kind
        for each in all_types().values()
        for key, field in each.fields.items()
        if field.presence in {"runtime", "system"}
    }


@pytest.fixture
def seen(world) -> dict[str, list[tuple[PipelineObject, Field]]]:
    """Every field of every object of a pipeline that has seen much, by its key."""
    pipeline = world.begin(
        [
            default(),
            schedule(),
            activity("A", precondition=("K",), output=("N",), reportProgressTimeout="1 hour"),
            key_exists("K", retryDelay="1 minute"),
            node("N"),
            activity("B", input=("N",), maximumRetries="0", workerGroup="b"),
            activity("C", "B", failureAndRerunMode="cascade"),
            activity("D", workerGroup="d", precondition=("P",)),
            condition("P", workerGroup="p"),
            activity("E", "D"),
        ]
    )
    server, hand = Server(world), Hand(world)
    server.end(server.take(), "FALSE")
    wait(world, minutes=1)
    server.end(server.take())
    task = hand.take()
    report = (Field("emrStepLog", "s3://b/step"), Field("hadoopJobLog", "s3://b/job"))
    world.call("ReportTaskProgress", ReportTaskProgressRequest(task.task_id, report), CALLER)
    wait(world, minutes=1)
    hand.end(task)
    failing = Hand(world, "b")
    failing.end(failing.take(), "FAILED", "Oops")
    asking = Hand(world, "p")
    asking.end(asking.take())
    world.set_status(pipeline, "TRY_CANCEL", name_of("D"))
    world.deactivate(pipeline)
    wait(world, minutes=1)
    world.activate(pipeline)
    found: dict[str, list[tuple[PipelineObject, Field]]] = {}
    for name in names(world, pipeline):
        shown = world.describe(pipeline, name)
        for field in shown.fields:
            found.setdefault(field.key, []).append((shown, field))
    return found


def names(world, pipeline: str) -> list[str]:
    """The ids of all components, instances and attempts."""
    ids = ["Default", "Hourly", *"AKNBCDPE"]
    for each in world.instances(pipeline):
        ids.append(name_of(each.component))
        ids += [f"{ids[-1]}_Attempt={attempt.number}" for attempt in world.attempts(each)]
    return ids


def test_the_lists_have_every_field_of_the_catalogue():
    assert sorted([*SHOWN, *NEVER]) == sorted(runtime_kinds())


def test_each_field_is_shown_where_it_says_something(seen):
    spheres = {
        key: {shown.string("@sphere") for shown, _ in seen.get(key, ())} for key in runtime_kinds()
    }
    assert {key: where for key, where in spheres.items() if where} == SHOWN


def test_each_field_has_the_shape_of_the_catalogue(seen):
    """References are references, and all else is a text: so the original's clients read them."""
    for key, kind in runtime_kinds().items():
        for shown, field in seen.get(key, ()):
            is_reference = field.ref_value is not None
            assert is_reference == (kind == "reference"), (shown.id, field)
            assert is_reference != (field.string_value is not None), (shown.id, field)


def test_times_have_no_zone_letter(seen):
    for key, kind in runtime_kinds().items():
        if kind == "datetime":
            for _, field in seen.get(key, ()):
                assert len(field.string_value) == len("2023-11-15T00:00:00"), field
                assert field.string_value.startswith("2023-11-15T0"), field


def test_the_sphere_comes_first(seen):
    assert all(shown.fields[0].key == "@sphere" for shown, _ in seen["@sphere"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "A",
            {
                "@status": "SCHEDULED",
                "@healthStatus": "HEALTHY",
                "@healthStatusFromInstanceId": "@A_2023-11-15T00:00:00",
                "@healthStatusUpdatedTime": "2023-11-15T00:02:00",
                "@latestRunTime": "2023-11-15T00:00:00",
                "@latestCompletedRunTime": "2023-11-15T00:00:00",
                "@nextRunTime": "2023-11-15T01:00:00",
                "@lastDeactivatedTime": "2023-11-15T00:02:00",
                "@version": "2",
            },
        ),
        ("B", {"@healthStatus": "ERROR", "@latestCompletedRunTime": None}),
        ("Hourly", {"@firstActivationTime": "2023-11-15T00:00:00", "@status": None}),
        (
            "@A_2023-11-15T00:00:00",
            {
                "@componentParent": "A",
                "parent": "A",
                "@sphere": "INSTANCE",
                "@status": "FINISHED",
                "@version": "1",
                "type": "ShellCommandActivity",
                "@scheduledStartTime": "2023-11-15T00:00:00",
                "@scheduledEndTime": "2023-11-15T01:00:00",
                "@actualStartTime": "2023-11-15T00:00:00",
                "@actualEndTime": "2023-11-15T00:02:00",
                "@finishedTime": "2023-11-15T00:02:00",
                "output": "@N_2023-11-15T00:00:00",
                "precondition": "@K@A_2023-11-15T00:00:00",
                "@attemptCount": "1",
                "@triesLeft": "2",
                "@headAttempt": "@A_2023-11-15T00:00:00_Attempt=1",
            },
        ),
        (
            "@A_2023-11-15T00:00:00_Attempt=1",
            {
                "@instanceParent": "@A_2023-11-15T00:00:00",
                "@activeInstances": "@A_2023-11-15T00:00:00",
                "@actualStartTime": "2023-11-15T00:01:00",
                "reportProgressTime": "2023-11-15T00:01:00",
                "hostname": "hand",
                "emrStepLog": "s3://b/step",
            },
        ),
        (
            "@K@A_2023-11-15T00:00:00",
            {
                "node": "@A_2023-11-15T00:00:00",
                "currentRetryCount": "2",
                "lastRetryTime": "2023-11-15T00:01:00",
            },
        ),
        (
            "@N_2023-11-15T00:00:00",
            {
                "input": "@A_2023-11-15T00:00:00",
                "output": "@B_2023-11-15T00:00:00",
                "@attemptCount": None,
                "@headAttempt": None,
            },
        ),
        (
            "@B_2023-11-15T00:00:00",
            {
                "input": "@N_2023-11-15T00:00:00",
                "errorId": "Oops",
                "errorMessage": "Oops",
                "errorStackTrace": "Oops",
                "@triesLeft": "0",
            },
        ),
        (
            "@C_2023-11-15T00:00:00",
            {
                "@status": "CASCADE_FAILED",
                "@cascadeFailedOn": "@B_2023-11-15T00:00:00",
                "dependsOn": "@B_2023-11-15T00:00:00",
                "@attemptCount": "0",
            },
        ),
        (
            "@D_2023-11-15T00:00:00",
            {"@status": "CANCELED", "cancellationReason": "cancelled by simulant"},
        ),
        ("@E_2023-11-15T00:00:00", {"@waitingOn": "@D_2023-11-15T00:00:00"}),
    ],
)
def test_an_object_shows(seen, name, expected):
    """Of each object what stock scripts look for, as the original had it."""
    for key, value in expected.items():
        fields = [field for shown, field in seen.get(key, ()) if shown.id == name]
        found = [field.ref_value or field.string_value for field in fields]
        assert found == ([] if value is None else [value]), key


def test_a_precondition_said_no_to_tells_when(world):
    """`currentRetryCount` and `lastRetryTime` between two times of asking."""
    pipeline = world.begin(
        [default(), schedule(), activity("A", precondition=("K",)), key_exists("K")]
    )
    shown = world.describe(pipeline, name_of("K@A"))
    assert shown.string("currentRetryCount") == "0"
    assert shown.string("lastRetryTime") is None
    server = Server(world)
    wait(world, minutes=3)
    server.end(server.take(), "FALSE")
    wait(world, minutes=4)
    shown = world.describe(pipeline, name_of("K@A"))
    assert shown.string("currentRetryCount") == "1"
    assert shown.string("lastRetryTime") == "2023-11-15T00:03:00"
    assert shown.string("@nextRetryTime") == "2023-11-15T00:13:00"


def test_a_data_node_names_the_runs_that_it_ties_together(world):
    """A node of two hours has both of its producers as `input`, as far as these are made."""
    pipeline = world.begin(
        [
            default(maxActiveInstances="9"),
            schedule(),
            schedule("2 hours", name="Long"),
            activity("Make", output=("N",)),
            node("N", schedule=("Long",)),
            activity("Use", input=("N",)),
        ]
    )
    shown = world.describe(pipeline, name_of("N"))
    assert shown.refs("input") == (name_of("Make"),)
    wait(world, hours=1)
    shown = world.describe(pipeline, name_of("N"))
    assert shown.refs("input") == (name_of("Make"), name_of("Make", 1))
    assert shown.refs("output") == (name_of("Use"), name_of("Use", 1))


PENDING = [
    "@accountId", "@creationTime", "@id", "@pipelineState", "@sphere", "@userId", "description",
    "name", "pipelineCreator", "uniqueId",
]  # fmt: skip
ACTIVATED = ["@firstActivationTime", "@lastActivationTime", "@version"]
SCHEDULED = ["@latestRunTime", "@nextRunTime", "@scheduledPeriod", "@scheduledStartTime"]
HEALTH = ["@healthStatus", "@healthStatusUpdatedTime"]


def test_which_fields_a_pipeline_has_when(world):
    """PENDING, SCHEDULED, with a first end, deactivated, finished: each adds its own."""
    pipeline = world.create()
    assert sorted({*world.describe_pipeline(pipeline), "description"}) == PENDING
    objects = [default(), schedule(occurrences="2"), activity("A")]
    world.put(pipeline, from_cli({"objects": objects}))
    world.activate(pipeline)
    fields = {*PENDING, *ACTIVATED, *SCHEDULED, "@scheduledEndTime"} - {"description"}
    assert set(world.describe_pipeline(pipeline)) - {"description"} == fields
    hand = Hand(world)
    hand.end(hand.take())
    assert set(world.describe_pipeline(pipeline)) - {"description"} == fields | set(HEALTH)
    world.deactivate(pipeline)
    shown = set(world.describe_pipeline(pipeline)) - {"description"}
    assert shown == fields | {*HEALTH, "@lastDeactivatedTime"}
    world.activate(pipeline)
    wait(world, hours=1)
    hand.end(hand.take())
    shown = set(world.describe_pipeline(pipeline)) - {"description"}
    assert shown == (fields | {*HEALTH, "@lastDeactivatedTime", "@finishedTime"}) - {"@nextRunTime"}
