"""Runners as processes of this host, each in a directory of its own.

A process and not a thread, so that a runner's fault, its memory and its children are its own. It
is started in a session of its own, so that Ctrl-C reaches only whoever started it, who then ends
it in good order.

Some end with whoever started them (`attached`): they watch their standard input, whose end means
that nobody is left. The others outlive a restart of the server and are found again. Whether one
still runs is told by a lock that it holds for as long as it lives: unlike the number of a process,
which is given again, nobody else can hold it.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

KEYS_FILE = "runner.json"
OUTPUT_FILE = "runner.out"
LOCK_FILE = "runner.lock"
PROCESS_FILE = "runner.pid"
_KILL_AFTER_SECONDS = 30.0
"""Beyond the grace time: what the runner may need to report what it stopped."""

_PRIVATE_PREFIX = "PENSTOCK_"
"""Variables of the server's own, some of them secrets: no business of a command's."""

_NOTED = 'echo $$ > "$0" && exec "$@"'
"""Notes the process's number before it becomes the runner's: nothing that dies leaves a runner
that nobody can find."""


class RunnerOrder(Struct, frozen=True):
    """A runner that is wanted: what it serves, where, with which keys.

    `directory` is its own: keys, logs and working directories go there. `tasks` is the number of
    slots for each worker group. `region` is for S3, where nothing else says it. `attached`: it
    ends with this process. `proxy` are the runner's options of that kind, by name.
    """

    worker_groups: tuple[str, ...]
    endpoint: str
    access_key_id: str
    secret_access_key: str
    directory: Path
    tasks: int = 2
    grace_seconds: float = 10.0
    region: str | None = None
    attached: bool = True
    proxy: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"RunnerOrder({self.worker_groups!r}, {self.endpoint!r}, …)"


class LocalRunner:
    """A runner process that this process has started."""

    def __init__(self, process: "subprocess.Popen[bytes]", directory: Path) -> None:
        self._process = process
        self._directory = directory

    @property
    def process_id(self) -> int:
        """The operating system's number of the process."""
        return self._process.pid

    def ended(self) -> str | None:
        """How the process ended, with the last line that it said; None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        return f"the runner ended with status {status}{last_words(self._directory)}"

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end; kill it if it does not within the grace time and what follows it."""
        self._process.terminate()
        try:
            self._process.wait(grace_seconds + _KILL_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.tidy()

    def tidy(self) -> None:
        """Put away what is left of one that has ended, or was killed just now."""
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        (self._directory / KEYS_FILE).unlink(missing_ok=True)


def start_runner(order: RunnerOrder, environ: Mapping[str, str] = os.environ) -> LocalRunner:
    """Start a runner; raises OSError if that cannot be done here, or one runs there already."""
    directory = order.directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK_FILE).open("ab") as lock, (directory / OUTPUT_FILE).open("wb") as output:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (directory / PROCESS_FILE).unlink(missing_ok=True)
        _write_keys(directory / KEYS_FILE, order)
        process = subprocess.Popen(
            ["/bin/sh", "-c", _NOTED, str(directory / PROCESS_FILE), *_command(order, directory)],
            stdin=subprocess.PIPE if order.attached else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # What it inherits, it holds; its own children do not inherit it.
            pass_fds=(lock.fileno(),),
            env=_environment(order, environ),
        )
    return LocalRunner(process, directory)


def is_running(directory: Path) -> bool:
    """Whether a runner is alive there, whoever started it."""
    try:
        with (directory / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def process_of(directory: Path) -> int | None:
    """The process of the runner that is running there; None in the moment before it is known."""
    try:
        return int((directory / PROCESS_FILE).read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return None


def tell(directory: Path, number: signal.Signals) -> None:
    """Signal the runner that is running there; one that ended in the same moment is let be."""
    process_id = process_of(directory)
    if process_id is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, number)


def last_words(directory: Path) -> str:
    """The last line that a runner said, and where all of them are; to be put after a sentence."""
    path = directory / OUTPUT_FILE
    lines: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = f": {lines[-1]}" if lines else ""
    return f"{said} (see {path})"


def _command(order: RunnerOrder, directory: Path) -> list[str]:
    groups = [f"--workerGroup={group}" for group in order.worker_groups]
    return [
        sys.executable,
        "-m",
        "penstock",
        "runner",
        *groups,
        f"--config={directory / KEYS_FILE}",
        f"--endpoint={order.endpoint}",
        f"--output={directory}",
        f"--tasks={order.tasks}",
        f"--grace={order.grace_seconds}",
        *([f"--region={order.region}"] if order.region else []),
        # These keys mean nothing to S3 and are nobody's business in a command.
        "--separateKeys",
        *(["--endWithInput"] if order.attached else []),
    ]


def _environment(order: RunnerOrder, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: text for name, text in environ.items() if name[:9] != _PRIVATE_PREFIX}
    if order.proxy:
        # The proxy is for what lies beyond this host: the server itself is on it.
        others = kept.pop("no_proxy", "") or kept.get("NO_PROXY", "")
        kept["NO_PROXY"] = f"{others},localhost,127.0.0.1,::1"
    return kept


def _write_keys(path: Path, order: RunnerOrder) -> None:
    """The keys in a file for the owner only: a command line can be read by everybody."""
    keys = {"access-id": order.access_key_id, "private-key": order.secret_access_key}
    keys |= order.proxy
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(keys, file)
