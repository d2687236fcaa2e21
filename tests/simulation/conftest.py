from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace

from penstock.config import Settings
from penstock.simulation.audit import audit
from penstock.simulation.world import World
from tests.simulation.scenes import T0


@pytest.fixture(autouse=True)
def no_hidden_faults() -> Iterator[None]:
    """A timer or deferred event that fails is logged, and others go on; here it is a fault."""
    with structlog.testing.capture_logs() as lines:
        yield
    assert not [line for line in lines if line["log_level"] in {"error", "critical"}]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds that are audited after every commit; settings by name."""
    made: list[World] = []

    def make(now: int = T0, **settings: object) -> World:
        directory = tmp_path / str(len(made))
        directory.mkdir()
        world = World(directory, now, replace(Settings(allow_backfill=True), **settings))
        world.watch = audit
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
