"""A real server on a free port around a tiny service, for the tests of both halves."""

import ssl
import threading
from collections.abc import Iterator

import pytest

from penstock.config import Settings
from penstock.wire.app import Application, ASGIApp
from penstock.wire.client import Client
from penstock.wire.serve import Server, endpoint, listen, make_server
from tests.unit.wire.tiny import CREDENTIALS, NOW, TinyService, lookup


class Running:
    """A server in a thread of this process."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        console: ASGIApp | None = None,
        access_log: bool = False,
    ) -> None:
        self.service = TinyService()
        self.app = Application(
            self.service, lookup, lambda: NOW, Settings(), console=console, access_log=access_log
        )
        listener = listen("127.0.0.1", 0)
        self.endpoint = endpoint(listener, secure=tls is not None)
        self.port = int(self.endpoint.rpartition(":")[2])
        ready = threading.Event()
        self.server: Server = make_server(self.app, on_ready=ready.set, tls=tls)
        self._thread = threading.Thread(target=self.server.run, args=([listener],))
        self._thread.start()
        assert ready.wait(10)

    def client(self, tls: ssl.SSLContext | None = None) -> Client:
        return Client(self.endpoint, CREDENTIALS, now=lambda: NOW, tls=tls)

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def fresh() -> Iterator[Running]:
    """A server of the test's own, which it may stop."""
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    client = running.client()
    yield client
    client.close()
