"""The steward in the real service: a fake provider, threads, and the polls of a real runner."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from penstock.app import App
from penstock.config import Settings, parse_database_url
from penstock.language.forms import from_cli
from penstock.model.api import REQUESTS
from penstock.model.compute import Machine
from penstock.model.definition import PipelineObject
from penstock.model.errors import InvalidRequest
from penstock.resources.provider import Made, Order, Provider, ProviderError
from penstock.service.server import PenstockService
from penstock.service.steward import Job, ask
from penstock.simulation.machines import FakeProvider, Habits

OBJECTS = (
    {"id": "Default", "scheduleType": "ondemand"},
    {"id": "Load", "type": "ShellCommandActivity", "command": "true", "runsOn": {"ref": "Host"}},
    {
        "id": "Host",
        "type": "Ec2Resource",
        "imageId": "ami-#{format(@scheduledStartTime, 'YYYY')}",
        "spotBidPrice": "0.5",
    },
)


class Place:
    """A service with providers, and calls to it in the wire's spelling."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider]) -> None:
        self.app = App.open(settings, environ={})
        self.app.context.resource_types = frozenset(providers)
        self.service = PenstockService(self.app.context, None, providers)
        first = self.app.first_credential
        assert first is not None
        self.caller = first.caller
        self.pipeline = ""

    async def call(self, operation: str, **members: Any) -> Any:
        request = msgspec.convert(members, REQUESTS[operation])
        return await self.service.call(operation, self.caller, request, None)

    async def begin(self) -> None:
        created = await self.call("CreatePipeline", name="p", uniqueId="p")
        self.pipeline = str(created.pipeline_id)
        definition = msgspec.to_builtins(from_cli({"objects": list(OBJECTS)}))
        await self.call("PutPipelineDefinition", pipelineId=self.pipeline, **definition)
        await self.call("ActivatePipeline", pipelineId=self.pipeline)

    async def instance(self, component: str) -> PipelineObject:
        selector = {
            "fieldName": "@componentParent",
            "operator": {"type": "EQ", "values": [component]},
        }
        found = await self.call(
            "QueryObjects",
            pipelineId=self.pipeline,
            sphere="INSTANCE",
            query={"selectors": [selector]},
        )
        told = await self.call("DescribeObjects", pipelineId=self.pipeline, objectIds=found.ids)
        shown: PipelineObject = told.pipeline_objects[0]
        return shown


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path)
    url = parse_database_url(request.getfixturevalue("database"))
    return Settings(data_dir=tmp_path, database=url)


def run(
    settings: Settings, provider: Provider | None, work: Callable[[Place], Awaitable[Any]]
) -> Any:
    async def main() -> Any:
        place = Place(settings, {} if provider is None else {"Ec2Resource": provider})
        await place.service.start()
        try:
            return await asyncio.wait_for(work(place), 30)
        finally:
            await place.service.stop()
            place.app.close()

    return asyncio.run(main())


class Remembering(FakeProvider):
    """Remembers its orders."""

    def __init__(self, habits: Callable[[Order], Habits] = lambda order: Habits()) -> None:
        super().__init__(lambda: 0, habits)
        self.orders: list[Order] = []

    def create(self, order: Order) -> Made:
        self.orders.append(order)
        return super().create(order)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    while not await holds():
        pass


def test_a_poll_of_its_group_gets_the_task_as_soon_as_the_machine_is_known(
    settings: Settings,
) -> None:
    provider = Remembering()

    async def work(place: Place) -> tuple[str, str | None]:
        await place.begin()

        async def made() -> bool:
            return bool((await place.instance("Host")).string("@resourceId"))

        await eventually(made)
        (order,) = provider.orders
        answer = await place.call("PollForTask", workerGroup=order.worker_group, hostname="h")
        task = answer.task_object
        await place.call("SetTaskStatus", taskId=task.task_id, taskStatus="FINISHED")

        async def over() -> bool:
            return (await place.instance("Host")).string("@status") == "FINISHED"

        await eventually(over)
        return task.attempt_id, (await place.instance("Load")).string("@status")

    attempt, status = run(settings, provider, work)
    assert attempt.startswith("@Load_")
    assert status == "FINISHED"
    assert [step for step, _ in provider.asked] == ["check", "create", "stop"]
    (order,) = provider.orders
    assert order.token.partition("_")[2].startswith("@Host_")
    assert order.token.endswith("_Attempt=1")
    assert order.worker_group == f"resource:{order.token.removesuffix('_Attempt=1')}"
    assert (order.fields.string("imageId") or "").startswith("ami-2")
    assert order.spot is True
    assert order.deadline is not None


def test_without_a_provider_activation_refuses_the_resource_by_name(settings: Settings) -> None:
    async def work(place: Place) -> None:
        with pytest.raises(InvalidRequest, match=r"Load\.runsOn refers to Host, a resource"):
            await place.begin()

    run(settings, None, work)


class Broken(FakeProvider):
    """Raises what no provider should."""

    def check(self, order: Order) -> Sequence[str]:
        raise KeyError("oops")

    def create(self, order: Order) -> Made:
        raise ProviderError("never", final=True)


ORDER = Order("t", "1", "df-1", "g", "Ec2Resource", PipelineObject("o", "o", ()))


def test_whatever_a_provider_does_the_step_gets_an_end() -> None:
    broken = Broken(lambda: 0)
    with capture_logs() as lines:
        outcome = ask(broken, Job(ORDER, Machine("check")))
    assert (outcome.kind, outcome.reason) == ("fault", "KeyError: 'oops'")
    assert [line["event"] for line in lines] == ["resource step failed"]
    assert ask(broken, Job(ORDER, Machine("create"))).kind == "failed"
    assert ask(None, Job(ORDER, Machine("stop"))).kind == "fault"
    assert ask(broken, Job(ORDER, Machine("stop"))).kind == "stopped"
