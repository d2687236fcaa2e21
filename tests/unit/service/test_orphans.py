"""Machines whose try is over are ended, and no others."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from structlog.testing import capture_logs

from penstock.config import Settings
from penstock.resources.provider import Found, Order, ProviderError
from penstock.service.orphans import end_orphans, keep_no_orphans
from penstock.simulation.machines import FakeProvider
from tests.unit.service.test_steward import Place, Remembering, eventually


class Cloud:
    """What is found in a cloud: whatever a test says, until it is discarded."""

    def __init__(self, *found: Found) -> None:
        self.machines = list(found)
        self.discarded: list[str] = []

    def found(self) -> Sequence[Found]:
        return list(self.machines)

    def discard(self, found: Found) -> None:
        self.machines.remove(found)
        self.discarded.append(found.handle)


class Closed(Cloud):
    def found(self) -> Sequence[Found]:
        raise ProviderError("AccessDenied: nobody may look")


def ordered(order: Order, handle: str, **changes: str) -> Found:
    token = order.token.replace("_Attempt=1", changes.get("attempt", "_Attempt=1"))
    return Found(changes.get("account", order.account_id), token, handle)


async def scene(place: Place, provider: Remembering) -> tuple[Cloud, list[str]]:
    await place.begin()

    async def made() -> bool:
        return bool((await place.instance("Host")).string("@resourceId"))

    await eventually(made)
    (order,) = provider.orders
    cloud = Cloud(
        ordered(order, "mine"),
        ordered(order, "never-tried", attempt="_Attempt=7"),
        ordered(order, "another-account-s", account="999999999999"),
        Found(order.account_id, "df-0123456789ABCDEFGHIJ_@X_2024-05-14T09:00:00_Attempt=1", "copy"),
        Found(order.account_id, "what is this", "odd"),
    )
    while_it_lives = await end_orphans(place.app.context, cloud)
    answer = await place.call("PollForTask", workerGroup=order.worker_group, hostname="h")
    await place.call("SetTaskStatus", taskId=answer.task_object.task_id, taskStatus="FINISHED")

    async def over() -> bool:
        return (await place.instance("Host")).string("@status") == "FINISHED"

    await eventually(over)
    await end_orphans(place.app.context, cloud)
    return cloud, [each.handle for each in while_it_lives]


def played(directory: Path) -> tuple[Cloud, list[str]]:
    provider = Remembering()

    async def main() -> tuple[Cloud, list[str]]:
        place = Place(Settings(data_dir=directory), {"Ec2Resource": provider})
        await place.service.start()
        try:
            return await asyncio.wait_for(scene(place, provider), 30)
        finally:
            await place.service.stop()
            place.app.close()

    return asyncio.run(main())


def test_only_what_was_made_for_a_try_that_is_over_is_ended(tmp_path: Path) -> None:
    with capture_logs() as lines:
        cloud, while_it_lives = played(tmp_path)
    assert while_it_lives == []
    assert cloud.discarded == ["mine"]
    assert [line["handle"] for line in lines if line["event"] == "orphan ended"] == ["mine"]


def test_a_source_that_cannot_be_asked_keeps_no_other_from_being_asked(tmp_path: Path) -> None:
    cloud = Cloud()
    asked = asyncio.Event()

    async def main() -> None:
        place = Place(Settings(data_dir=tmp_path), {"Ec2Resource": FakeProvider(lambda: 0)})
        loop = asyncio.get_running_loop()
        cloud.found = lambda: loop.call_soon_threadsafe(asked.set) or []
        sources = (Closed(), cloud)
        keeping = asyncio.create_task(keep_no_orphans(place.app.context, sources))
        await asyncio.wait_for(asked.wait(), 30)
        keeping.cancel()
        place.app.context.close()
        place.app.close()

    with capture_logs() as lines:
        asyncio.run(main())
    assert "nobody may look" in lines[0]["reason"]
