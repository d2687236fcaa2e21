"""What only a server can warn of: groups that nobody works for, and runs of long ago."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.language.forms import from_cli
from penstock.model.api import (
    CreatePipelineRequest,
    ValidatePipelineDefinitionAnswer,
    ValidatePipelineDefinitionRequest,
)
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, format_instant
from penstock.service.dispatcher import MOST_REMEMBERED, Dispatcher
from penstock.service.task_ids import TaskIds
from penstock.simulation.world import CALLER, World

NOW = 1_700_006_400_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, NOW)
    yield world
    world.close()


def validate(world: World, pipeline: str, **default: str) -> list[str]:
    """The warnings for an activity on an hourly schedule that began two days ago."""
    objects = [
        {"id": "Default", "scheduleType": "cron", "schedule": {"ref": "S"}, "workerGroup": "w"},
        {"id": "S", "type": "Schedule", "period": "1 hour",
         "startDateTime": format_instant(NOW - 2 * DAY_MS)},
        {"id": "A", "type": "ShellCommandActivity", "command": "true"},
    ]  # fmt: skip
    objects[0].update(default)
    definition = from_cli({"objects": objects})
    answer = world.call(
        "ValidatePipelineDefinition",
        ValidatePipelineDefinitionRequest(pipeline, list(definition.pipeline_objects)),
    )
    assert isinstance(answer, ValidatePipelineDefinitionAnswer)
    assert not answer.errored
    return [text for each in answer.validation_warnings for text in each.warnings]


def create(world: World) -> str:
    made: str = world.call("CreatePipeline", CreatePipelineRequest("p", "p")).pipeline_id
    return made


def test_a_group_that_nobody_asked_for_lately(world: World) -> None:
    pipeline = create(world)
    assert validate(world, pipeline) == []  # just started: the runners may yet come back
    world.advance_to(NOW + 10 * MINUTE_MS)
    (text,) = validate(world, pipeline)
    assert "no runner has asked for tasks of 'w' lately" in text
    world.dispatcher.note((CALLER.account_id, "w"), world.now)
    assert validate(world, pipeline) == []
    world.advance_to(world.now + 2 * HOUR_MS)
    assert len(validate(world, pipeline)) == 1


def test_a_cascade_over_the_past(world: World) -> None:
    (text,) = validate(world, create(world), failureAndRerunMode="cascade")
    assert "you are about to create a backfill with scheduleStartTime 2023-11-13T00:00:00" in text


def test_last_polls_are_kept_by_account_and_bounded() -> None:
    dispatcher = Dispatcher(TaskIds(bytes(32)))
    dispatcher.note(("one", "w"), NOW)
    dispatcher.note(("two", "x"), NOW)
    assert dispatcher.polled("one", NOW) == {"w"}
    for number in range(MOST_REMEMBERED):
        dispatcher.note(("three", str(number)), NOW)
    assert dispatcher.polled("one", NOW) == frozenset()
    assert len(dispatcher.polled("three", NOW)) == MOST_REMEMBERED
