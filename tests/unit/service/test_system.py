"""The server's own runner: polls its queue, and gives each task the end that it comes to."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from penstock.app import App
from penstock.config import Settings
from penstock.language.forms import from_cli
from penstock.model.api import REQUESTS
from penstock.model.definition import PipelineObject
from penstock.model.errors import InvalidRequest
from penstock.service.server import PenstockService
from penstock.service.system import Evaluator, Verdict

OBJECTS = (
    {"id": "Default", "scheduleType": "ondemand", "workerGroup": "wg", "maximumRetries": "0"},
    {
        "id": "Load",
        "type": "ShellCommandActivity",
        "command": "true",
        "precondition": {"ref": "Key"},
        "failureAndRerunMode": "cascade",
    },
    {"id": "Key", "type": "S3KeyExists", "role": "r", "s3Key": "s3://b/#{node.name}"},
    {"id": "Other", "type": "ShellCommandActivity", "command": "true", "dependsOn": {"ref": "End"}},
    {"id": "End", "type": "ShellCommandActivity", "command": "true", "workerGroup": "end"},
)


class Place:
    """A service with evaluators, and calls to it in the wire's spelling."""

    def __init__(self, directory: Path, evaluators: Mapping[str, Evaluator]) -> None:
        settings = Settings(data_dir=directory)
        self.app = App.open(settings, environ={})
        self.app.context.system_types = frozenset(evaluators)
        self.service = PenstockService(self.app.context, evaluators)
        first = self.app.first_credential
        assert first is not None
        self.caller = first.caller

    async def call(self, operation: str, **members: Any) -> Any:
        request = msgspec.convert(members, REQUESTS[operation])
        return await self.service.call(operation, self.caller, request, None)

    async def begin(self) -> str:
        created = await self.call("CreatePipeline", name="p", uniqueId="p")
        definition = msgspec.to_builtins(from_cli({"objects": list(OBJECTS)}))
        await self.call("PutPipelineDefinition", pipelineId=created.pipeline_id, **definition)
        await self.call("ActivatePipeline", pipelineId=created.pipeline_id)
        return str(created.pipeline_id)


def run(directory: Path, evaluators: Mapping[str, Evaluator], work: Any) -> Any:
    async def main() -> Any:
        place = Place(directory, evaluators)
        await place.service.start()
        try:
            return await asyncio.wait_for(work(place), 20)
        finally:
            await place.service.stop()
            place.app.close()

    return asyncio.run(main())


def test_what_it_finds_met_lets_the_owner_go_on(tmp_path: Path) -> None:
    asked: list[str | None] = []

    def exists(attempt: PipelineObject, objects: Mapping[str, PipelineObject]) -> Verdict:
        asked.append(attempt.string("s3Key"))
        assert objects[attempt.ref("node") or ""].string("command") == "true"
        return Verdict("FINISHED")

    async def work(place: Place) -> str:
        await place.begin()
        answer = await place.call("PollForTask", workerGroup="wg")
        return str(answer.task_object.attempt_id)

    assert run(tmp_path, {"S3KeyExists": exists}, work).startswith("@Load_")
    assert asked == ["s3://b/Load"]


def test_a_defect_of_an_evaluator_is_a_failed_attempt(tmp_path: Path) -> None:
    def broken(attempt: PipelineObject, objects: Mapping[str, PipelineObject]) -> Verdict:
        raise OSError("no way to the bucket")

    async def work(place: Place) -> PipelineObject:
        key = await place.begin()
        query = {"selectors": [
            {"fieldName": "@componentParent", "operator": {"type": "EQ", "values": ["Key"]}},
            {"fieldName": "@status", "operator": {"type": "EQ", "values": ["FAILED"]}},
        ]}  # fmt: skip
        while True:
            found = await place.call("QueryObjects", pipelineId=key, sphere="INSTANCE", query=query)
            if found.ids:
                break
        told = await place.call("DescribeObjects", pipelineId=key, objectIds=found.ids)
        shown: PipelineObject = told.pipeline_objects[0]
        return shown

    with capture_logs() as lines:
        shown = run(tmp_path, {"S3KeyExists": broken}, work)
    assert (shown.string("errorId"), shown.string("errorMessage")) == (
        "OSError",
        "no way to the bucket",
    )
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "system task failed"
    ]


def test_nobody_else_may_poll_its_queue(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        with pytest.raises(InvalidRequest, match="the service's own"):
            await place.call("PollForTask", workerGroup="@system")

    run(tmp_path, {}, work)


def test_without_an_evaluator_activation_refuses_the_type_by_name(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        with pytest.raises(InvalidRequest, match="Load refers to Key, of type S3KeyExists"):
            await place.begin()

    run(tmp_path, {}, work)
