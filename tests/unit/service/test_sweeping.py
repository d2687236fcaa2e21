"""A server forgets by itself, and two on one database do not stand in each other's way."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from penstock.app import App
from penstock.cli.prune import command as prune
from penstock.clock import system_clock
from penstock.config import Settings, parse_database_url
from penstock.language.forms import from_cli
from penstock.model.api import REQUESTS
from penstock.model.times import DAY_MS
from penstock.service import retention, sweeping
from penstock.service.server import PenstockService
from tests.support.cli import typed

RUNS = 4
PATIENCE_SECONDS = 60
OBJECTS = (
    {"id": "Default", "scheduleType": "ondemand", "workerGroup": "wg", "maxActiveInstances": "9"},
    {"id": "A", "type": "ShellCommandActivity", "command": "true"},
    {"id": "B", "type": "ShellCommandActivity", "command": "true", "dependsOn": {"ref": "A"}},
)


class Place:
    """A server without its network, and calls to it in the wire's spelling."""

    def __init__(self, settings: Settings) -> None:
        self.app = App.open(settings, environ={})
        self.service = PenstockService(self.app.context)
        users = self.app.directory.users()
        self.caller = self.app.directory.create_key(users[0]).caller

    async def call(self, operation: str, **members: Any) -> Any:
        request = msgspec.convert(members, REQUESTS[operation])
        return await self.service.call(operation, self.caller, request, None)

    async def make(self, name: str) -> str:
        created = await self.call("CreatePipeline", name=name, uniqueId=name)
        definition = msgspec.to_builtins(from_cli({"objects": list(OBJECTS)}))
        await self.call("PutPipelineDefinition", pipelineId=created.pipeline_id, **definition)
        return str(created.pipeline_id)

    async def run_once(self, pipeline: str) -> None:
        await self.call("ActivatePipeline", pipelineId=pipeline)
        for _ in range(2):
            task = (await self.call("PollForTask", workerGroup="wg")).task_object
            await self.call("SetTaskStatus", taskId=task.task_id, taskStatus="FINISHED")

    async def instances(self, pipeline: str) -> list[str]:
        found = await self.call("QueryObjects", pipelineId=pipeline, sphere="INSTANCE", query={})
        return list(found.ids)


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("database") if request.param == "postgres" else None
    database = parse_database_url(url) if url is not None else None
    return Settings(data_dir=tmp_path, database=database, retention_ms=1, poll_wait_ms=1_000)


def play(places: list[Place], script: Callable[[], Awaitable[None]]) -> None:
    """Run a script while the servers run; none of them may log a fault."""

    async def main() -> None:
        for place in places:
            await place.service.start()
        try:
            await script()
        finally:
            for place in places:
                await place.service.stop()

    try:
        with capture_logs() as lines:
            asyncio.run(main())
    finally:
        for place in places:
            place.app.close()
    assert not [line for line in lines if line["log_level"] == "error"]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps all the time, an instance to a step."""
    monkeypatch.setattr(sweeping, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(sweeping, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(sweeping, "SWEEP_MS", 0)
    monkeypatch.setattr(retention, "STEP", 1)


@pytest.mark.usefixtures("hurried")
def test_servers_forget_while_they_work(settings: Settings) -> None:
    shared = settings.database is not None
    places = [Place(settings) for _ in range(2 if shared else 1)]

    async def script() -> None:
        first, last = places[0], places[-1]
        pipelines = [await first.make(name) for name in ("one", "two")]
        for _ in range(RUNS):
            for pipeline in pipelines:
                await last.run_once(pipeline)
        async with asyncio.timeout(PATIENCE_SECONDS):
            for pipeline in pipelines:
                while len(await first.instances(pipeline)) > 2:
                    # Each question takes its time, in another thread.
                    pass
                assert len(await last.instances(pipeline)) == 2, "the last interval stays"
                await first.run_once(pipeline)

    play(places, script)


def test_a_server_that_is_told_to_keep_everything_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    monkeypatch.setattr("penstock.service.server.keep_retention", begun.append)
    place = Place(Settings(data_dir=tmp_path, retention_ms=None))

    async def script() -> None:
        await place.instances(await place.make("one"))

    play([place], script)
    assert begun == []


def test_prune_works_beside_a_server_on_either_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.clock.system_clock", lambda: system_clock() + DAY_MS)
    place = Place(msgspec.structs.replace(settings, retention_ms=None))
    url = settings.database
    where = ["--data", str(settings.data_dir)] + (["--database-url", url.text] if url else [])
    ages = ["--older-than", "12 hours"]

    async def script() -> None:
        pipeline = await place.make("nightly")
        for _ in range(3):
            await place.run_once(pipeline)
        loop = asyncio.get_running_loop()

        async def pruned(*more: str) -> str:
            words = [*where, *ages, *more]
            return await loop.run_in_executor(None, lambda: typed(prune, *words))

        assert "Would remove 4 instances with 4 attempts" in await pruned("--dry-run")
        assert len(await place.instances(pipeline)) == 6
        assert "Removed 4 instances with 4 attempts" in await pruned("--pipeline", pipeline)
        assert len(await place.instances(pipeline)) == 2
        assert "Nothing to forget" in await pruned()
        await place.run_once(pipeline)

    play([place], script)
