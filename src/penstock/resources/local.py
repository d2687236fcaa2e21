"""The local provider: a runner process on this host, in a directory of its own.

A process and not a thread, so that a runner's fault, its memory and its children are its own. It
is started in a session of its own, so that Ctrl-C reaches only whoever started it, who then ends
it in good order; and it watches its standard input, whose end means that nobody is left to do so.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from penstock.resources.provider import RunnerOrder

KEYS_FILE = "runner.json"
OUTPUT_FILE = "runner.out"
_KILL_AFTER_SECONDS = 30.0
"""Beyond the grace time: what the runner may need to report what it stopped."""


class LocalRunner:
    """A runner process; see `provider.Compute`."""

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
        path = self._directory / OUTPUT_FILE
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return f"the runner ended with status {status}{said} (see {path})"

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end; kill it if it does not within the grace time and what follows it."""
        self._process.terminate()
        try:
            self._process.wait(grace_seconds + _KILL_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        (self._directory / KEYS_FILE).unlink(missing_ok=True)


class LocalProvider:
    """Starts runners on this host; see `provider.Starter`."""

    def __init__(self, grace_seconds: float = 10.0) -> None:
        self._grace_seconds = grace_seconds

    def start(self, order: RunnerOrder) -> LocalRunner:
        """Start a runner process; raises OSError if it cannot be started."""
        directory = order.directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        _write_keys(directory / KEYS_FILE, order)
        with (directory / OUTPUT_FILE).open("wb") as output:
            process = subprocess.Popen(
                self._command(order, directory),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return LocalRunner(process, directory)

    def _command(self, order: RunnerOrder, directory: Path) -> list[str]:
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
            f"--grace={self._grace_seconds}",
            # These keys mean nothing to S3 and are nobody's business in a command.
            "--separateKeys",
            "--endWithInput",
        ]


def _write_keys(path: Path, order: RunnerOrder) -> None:
    """The keys in a file for the owner only: a command line can be read by everybody."""
    keys = {"access-id": order.access_key_id, "private-key": order.secret_access_key}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(keys, file)
