"""What all logs take together is bounded: the oldest go."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.app import App
from penstock.config import Settings, parse_database_url
from penstock.language.forms import from_cli
from penstock.model.api import ALL_REQUESTS
from penstock.service.log_keeping import drop_oldest_logs
from penstock.service.server import PenstockService

OBJECTS = [
    {"id": "Default", "scheduleType": "ondemand", "workerGroup": "wg"},
    {"id": "A", "type": "ShellCommandActivity", "command": "true"},
]
ROOM_BYTES = 1_000


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_oldest_pieces_go(tmp_path: Path, kind: str, request: pytest.FixtureRequest):
    url = request.getfixturevalue("database") if kind == "postgres" else None
    database = parse_database_url(url) if url is not None else None
    settings = Settings(data_dir=tmp_path, database=database, log_bytes=ROOM_BYTES)
    asyncio.run(kept_to_the_setting(settings))


async def kept_to_the_setting(settings: Settings) -> None:
    app = App.open(settings, environ={})
    service = PenstockService(app.context)
    caller = app.directory.create_key(app.directory.users()[0]).caller

    async def call(operation: str, **members: Any) -> Any:
        request = msgspec.convert(members, ALL_REQUESTS[operation])
        return await service.call(operation, caller, request, None)

    await service.start()
    pipeline = (await call("CreatePipeline", name="a", uniqueId="a")).pipeline_id
    definition = msgspec.to_builtins(from_cli({"objects": OBJECTS}))
    await call("PutPipelineDefinition", pipelineId=pipeline, **definition)
    await call("ActivatePipeline", pipelineId=pipeline)
    task = (await call("PollForTask", workerGroup="wg")).task_object.task_id
    for number in range(20):
        piece = {"taskId": task, "stream": "stdout", "position": 2 * number, "size": 2}
        said = await call("ReportTaskLogs", logs=[piece | {"text": f"{number % 10}\n"}])
        assert said.refused == []
        assert said.followed == ([task] if number else [])
        await call("GetLogs", pipelineId=pipeline, objectId="A", follow=True)
    await drop_oldest_logs(app.context)
    left = (await call("GetLogs", pipelineId=pipeline, objectId="A")).logs
    stored = await app.context.read(lambda store: store.stored_log_bytes())
    assert 0 < stored <= ROOM_BYTES
    assert left[-1].position == 38
    assert [each.position for each in left] == list(range(left[0].position, 40, 2))
    await drop_oldest_logs(app.context)
    assert await app.context.read(lambda store: store.stored_log_bytes()) == stored
    await service.stop()
    app.close()
