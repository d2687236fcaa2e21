"""Two servers on one PostgreSQL, each a process with a directory of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.server import Server, serving

Starter = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path, database: str) -> Iterator[Starter]:
    """Starts another server on the test's database; all have the first one's key file."""
    with ExitStack() as stack:
        count = 0

        def start_one(*options: str) -> Server:
            nonlocal count
            data = tmp_path / f"server{count}"
            count += 1
            key_file = str(tmp_path / "shared.key")
            arguments = ("--database-url", database, "--key-file", key_file)
            return stack.enter_context(serving(data, *options, arguments=arguments))

        yield start_one
