"""Processes outlive neither their task nor their runner; the shell's login is read once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.runner.errors import OptionsError, Stopped
from penstock.runner.processes import Processes
from penstock.runner.shell import Shell
from penstock.runner.stop import CANCELED, Stop

_DOOMED_RUNNER = """
import sys, threading
from pathlib import Path
from penstock.runner.processes import Processes
from penstock.runner.stop import Stop
directory = Path(sys.argv[1])
streams = (directory / "out", directory / "err")
processes = Processes()
processes.run(["true"], directory, {}, streams, Stop())
watch = processes._guardian.watch
def watch_and_tell(group):
    watch(group)
    (directory / "ready").write_text(str(group))
processes._guardian.watch = watch_and_tell
command = ["cat", f"{directory}/never"]
processes.run(command, directory, {"PATH": "/usr/bin:/bin"}, streams, Stop())
"""


def test_the_guardian_ends_the_commands_of_a_killed_runner(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    os.mkfifo(tmp_path / "never")
    environ = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    runner = subprocess.Popen([sys.executable, "-c", _DOOMED_RUNNER, str(tmp_path)], env=environ)
    group = int((tmp_path / "ready").read_text())
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert wait_for_end(group)


def wait_for_end(pid: int) -> bool:
    """Wait for a process that is no child of ours; False if it lives on."""
    handle = os.pidfd_open(pid)
    try:
        import select

        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(20_000))
    finally:
        os.close(handle)


def streams(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "out", tmp_path / "err"


def test_a_stopped_command_is_not_begun(tmp_path: Path) -> None:
    stop = Stop()
    stop.request(CANCELED)
    processes = Processes()
    with pytest.raises(Stopped):
        processes.run(["touch", "x"], tmp_path, {}, streams(tmp_path), stop)
    assert not (tmp_path / "x").exists()
    processes.close()


def test_term_reaches_a_command_that_tidies_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    stop, processes = Stop(), Processes()
    script = "trap 'echo tidy; exit 0' TERM; echo > ready; while :; do sleep 0.05; done"
    import threading

    def cancel() -> None:
        (tmp_path / "ready").read_text()
        stop.request(CANCELED)

    canceler = threading.Thread(target=cancel)
    canceler.start()
    with pytest.raises(Stopped):
        processes.run(
            ["sh", "-c", script], tmp_path, {"PATH": "/usr/bin:/bin"}, streams(tmp_path), stop
        )
    canceler.join()
    assert (tmp_path / "out").read_text() == "tidy\n"
    processes.close()


def test_a_dead_guardian_is_replaced(tmp_path: Path) -> None:
    processes = Processes()
    processes.run(["true"], tmp_path, {}, streams(tmp_path), Stop())
    guardian = processes._guardian._process
    assert guardian is not None
    guardian.kill()
    guardian.wait()
    for _ in range(2):
        assert processes.run(["true"], tmp_path, {}, streams(tmp_path), Stop()) == 0
    processes.close()


def shell(tmp_path: Path, command: str, lines: list[str]) -> Shell:
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "MINE": "runner"}
    return Shell(command, environ, {"EXTRA": "added", "MINE": "not used"}, lines.append)


def test_a_login_is_made_once_and_its_environment_given(tmp_path: Path) -> None:
    (tmp_path / ".profile").write_text(
        f"echo noise; echo login >> {tmp_path}/logins; export GREETING='two\nlines=1'\n"
    )
    lines: list[str] = []
    made = shell(tmp_path, "sh -l", lines)
    for _ in range(2):
        environment = made.environment()
        assert environment["GREETING"] == "two\nlines=1"
        assert (environment["EXTRA"], environment["MINE"]) == ("added", "runner")
    assert (tmp_path / "logins").read_text() == "login\n"
    assert lines == []


def test_without_login_the_runners_environment_is_given(tmp_path: Path) -> None:
    (tmp_path / ".profile").write_text("export GREETING=hello\n")
    environment = shell(tmp_path, "sh", []).environment()
    assert "GREETING" not in environment
    assert environment["MINE"] == "runner"


def test_a_login_that_fails_is_said_and_done_without(tmp_path: Path) -> None:
    (tmp_path / ".profile").write_text("exit 3\n")
    lines: list[str] = []
    assert shell(tmp_path, "sh -l", lines).environment()["MINE"] == "runner"
    assert len(lines) == 1


def test_a_missing_shell_is_an_error_of_the_option(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="/no/shell"):
        shell(tmp_path, "/no/shell -l", [])
