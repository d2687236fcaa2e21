"""The runner under test, as a fixture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.runner.scripted import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A runner and its scripted service; whatever still runs at the end is stopped."""
    made = House(tmp_path)
    yield made
    if made.runner is not None:
        made.runner.stop(0)
