"""The provider `local`: real runner processes, against an endpoint where nobody answers."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.access.identity import Credential
from penstock.model.caller import Caller
from penstock.model.definition import Field, PipelineObject
from penstock.resources.here import LocalProvider
from penstock.resources.local import KEYS_FILE, is_running, process_of
from penstock.resources.provider import Gone, Order, Up

TOKEN = "df-1_@Host_2024-05-14T09:00:00_Attempt=1"
FIELDS = PipelineObject("@Host", "Host", (Field("region", string_value="eu-west-1"),))
ORDER = Order(TOKEN, "123", "df-1", "resource:df-1_@Host", "Ec2Resource", FIELDS)


class KeyRing:
    """Keys that are remembered, and told when they are revoked."""

    def __init__(self) -> None:
        self.valid: set[str] = set()

    def grant(self, account_id: str, token: str) -> Credential:
        self.valid.add(token)
        return Credential("AKIAEXAMPLE", "a-secret-nobody-should-read", Caller("", "", "", ""))

    def revoke(self, token: str) -> None:
        self.valid.discard(token)


class Host:
    """A place for runners, and providers on it, as servers come and go."""

    def __init__(self, place: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.place = place
        self.keys = KeyRing()
        self.servers: list[LocalProvider] = []

    def server(self, attached: bool = False) -> LocalProvider:
        provider = LocalProvider(self.place, self.endpoint, self.keys, attached, tasks=1)
        self.servers.append(provider)
        return provider

    @property
    def directory(self) -> Path:
        return self.place / TOKEN


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "resources")
    yield host
    for directory in host.place.glob("*"):
        process = process_of(directory)
        if process is not None and is_running(directory):
            os.kill(process, signal.SIGKILL)
    for server in host.servers:
        for runner in server._started.values():
            runner.tidy()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def serves(directory: Path) -> bool:
    logs = directory.glob("TaskRunner.log.*")
    return any(" serves resource:" in log.read_text(encoding="utf-8") for log in logs)


def stopped(provider: LocalProvider) -> bool:
    return provider.stop(ORDER, None)


def test_one_runner_is_made_however_often_it_is_asked_for(host: Host) -> None:
    provider = host.server()
    assert list(provider.check(ORDER)) == []
    made = provider.create(ORDER)
    until(lambda: serves(host.directory))
    process = process_of(host.directory)
    assert provider.create(ORDER) == made
    assert process_of(host.directory) == process
    assert isinstance(provider.look(ORDER, made.handle), Up)
    assert [(each.account_id, each.token) for each in provider.found()] == [("123", TOKEN)]
    assert (host.directory / "runner.json").stat().st_mode & 0o077 == 0
    until(lambda: stopped(provider))
    assert isinstance(provider.look(ORDER, made.handle), Gone)
    assert provider.found() == []


def test_its_key_and_files_of_keys_are_gone_with_it_and_its_logs_stay(host: Host) -> None:
    provider = host.server()
    provider.create(ORDER)
    assert host.keys.valid == {TOKEN}
    until(lambda: serves(host.directory))
    until(lambda: stopped(provider))
    assert host.keys.valid == set()
    assert not (host.directory / KEYS_FILE).exists()
    assert list(host.directory.glob("TaskRunner.log.*"))
    assert stopped(provider)


def test_the_next_server_finds_it_and_may_end_it(host: Host) -> None:
    host.server().create(ORDER)
    until(lambda: serves(host.directory))
    later = host.server()
    assert isinstance(later.look(ORDER, TOKEN), Up)
    (found,) = later.found()
    later.discard(found)
    until(lambda: not is_running(host.directory))


def test_what_is_attached_ends_with_its_server(host: Host) -> None:
    provider = host.server(attached=True)
    provider.create(ORDER)
    until(lambda: serves(host.directory))
    provider.close()
    assert not is_running(host.directory)


def test_one_that_was_killed_is_gone_and_says_how(host: Host) -> None:
    provider = host.server()
    made = provider.create(ORDER)
    until(lambda: serves(host.directory))
    process = process_of(host.directory)
    assert process is not None
    os.kill(process, signal.SIGKILL)
    until(lambda: not is_running(host.directory))
    found = provider.look(ORDER, made.handle)
    assert isinstance(found, Gone)
    assert "status -9" in found.reason
    assert "runner.out" in found.reason


def test_a_runner_that_stands_still_is_replaced_or_killed(host: Host) -> None:
    provider = host.server()
    made = provider.create(ORDER)
    until(lambda: serves(host.directory))
    first = process_of(host.directory)
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    provider.restart_runner(ORDER, made.handle)
    until(lambda: process_of(host.directory) not in (first, None))
    assert is_running(host.directory)


def test_one_that_does_not_listen_is_killed_the_third_time(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.resources.here._END_SECONDS", 0.1)
    provider = host.server()
    provider.create(ORDER)
    until(lambda: serves(host.directory))
    process = process_of(host.directory)
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    assert not stopped(provider)
    assert not stopped(provider)
    until(lambda: stopped(provider))


def test_any_id_makes_a_directory_of_its_own(host: Host) -> None:
    provider = host.server()
    names = {
        provider._directory(token).name
        for token in ("df-1_@a/b", "df-1_@a-b", "df-1_@" + "x" * 400)
    }
    assert len(names) == 3
    assert all("/" not in name and len(name) < 200 for name in names)
