"""Servers and clients: one of each for a worker's whole session, as far as state allows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with its default settings, shared: each test keeps to names of its own."""
    with serving(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Any]:
    """boto3 as it is, with the first account's key."""
    client = server.boto()
    yield client
    client.close()


@pytest.fixture(scope="session")
def other(server: Server) -> Iterator[Any]:
    """boto3 with a key of a second account."""
    client = server.boto(server.other_account())
    yield client
    client.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server of the test's own, with settings."""
    with ExitStack() as stack:
        names = itertools.count()
        yield lambda *options: stack.enter_context(
            serving(tmp_path / f"server{next(names)}", *options)
        )


_names = itertools.count(1)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses, for its pipeline and its worker group."""
    return f"{request.node.originalname} {next(_names)}"
