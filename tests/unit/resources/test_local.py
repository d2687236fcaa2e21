"""Runners as processes of this host, against an endpoint where nobody answers."""

import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.resources.local import (
    KEYS_FILE,
    OUTPUT_FILE,
    RunnerOrder,
    is_running,
    process_of,
    start_runner,
)

SECRET = "a-secret-nobody-should-read"


@pytest.fixture
def order(tmp_path: Path) -> RunnerOrder:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return RunnerOrder(("group",), endpoint, "AKIAEXAMPLE", SECRET, tmp_path / "runner", 1, 0.0)


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def serves(order: RunnerOrder) -> bool:
    """Whether the runner's log says that it has begun, signals and all."""
    logs = order.directory.glob("TaskRunner.log.*")
    return any(" serves group " in log.read_text(encoding="utf-8") for log in logs)


def test_a_runner_runs_until_it_is_stopped(order: RunnerOrder) -> None:
    compute = start_runner(order)
    until(lambda: serves(order))
    assert compute.ended() is None
    compute.stop(0)
    assert "status 0" in (compute.ended() or "")


def test_keys_are_for_the_owner_only_and_go_with_the_runner(order: RunnerOrder) -> None:
    compute = start_runner(order)
    keys = order.directory / KEYS_FILE
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    command_line = Path(f"/proc/{compute.process_id}/cmdline")
    if command_line.exists():
        assert SECRET not in command_line.read_text(encoding="utf-8")
    compute.stop(0)
    assert not keys.exists()
    assert SECRET not in repr(order)


def test_a_runner_that_cannot_run_says_why(order: RunnerOrder) -> None:
    from msgspec.structs import replace

    compute = start_runner(replace(order, worker_groups=()))
    until(lambda: compute.ended() is not None)
    why = compute.ended() or ""
    assert "--workerGroup is required" in why
    assert str(order.directory / OUTPUT_FILE) in why
    compute.stop(0)


def test_what_runs_is_told_by_its_lock_and_there_is_one_of_it(order: RunnerOrder) -> None:
    assert not is_running(order.directory)
    runner = start_runner(order)
    until(lambda: serves(order))
    assert is_running(order.directory)
    assert process_of(order.directory) == runner.process_id
    with pytest.raises(BlockingIOError):
        start_runner(order)
    runner.stop(0)
    assert not is_running(order.directory)


def test_secrets_of_the_server_are_not_in_the_runner_s_environment(order: RunnerOrder) -> None:
    environ = {**os.environ, "PENSTOCK_SMTP_URL": "smtp://u:p@h", "OTHER": "kept"}
    runner = start_runner(order, environ)
    until(lambda: serves(order))
    shown = Path(f"/proc/{runner.process_id}/environ")
    if shown.exists():
        assert "PENSTOCK_" not in shown.read_text("utf-8")
        assert "OTHER=kept" in shown.read_text("utf-8")
    runner.stop(0)


def test_a_runner_ends_with_whoever_started_it(order: RunnerOrder) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from penstock.resources.local import RunnerOrder, start_runner\n"
        "order = RunnerOrder(('group',), sys.argv[1], 'AKIAEXAMPLE', 'secret-secret',"
        " pathlib.Path(sys.argv[2]))\n"
        "print(start_runner(order).process_id, flush=True)\n"
        "sys.stdin.read()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, order.endpoint, str(order.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        process_id = int(starter.stdout.readline())
        until(lambda: serves(order))
        starter.kill()
    until(lambda: not alive(process_id))


def alive(process_id: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process_id}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
