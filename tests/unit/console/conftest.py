from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.console.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path / "data")
    yield scene
    scene.close()
