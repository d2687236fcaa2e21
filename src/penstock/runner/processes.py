"""Child processes of a runner: each the leader of its own group, none left behind.

A command may start others, so stopping it means signalling its whole process group: TERM, and
KILL to whatever is left ten seconds later. Processes are started without a `preexec_fn`, so that
Python may use vfork, which costs the same however large the runner has grown.

A runner that is killed outright cannot stop its children. Linux could (PR_SET_PDEATHSIG), but
only with code run between fork and exec, and only for the direct child. Instead one small shell,
the *guardian*, is told of each group over a pipe; when the pipe closes it stops those still open.
(Only a runner killed in the microseconds between starting a command and telling escapes this.)
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.runner.stop import Stop

KILL_AFTER_SECONDS = 10.0
"""Time between TERM and KILL."""

_GROUP_POLL_SECONDS = 0.05

# The trap keeps the guardian alive through signals meant for the runner; the first sleep is the
# same grace that the runner itself gives.
_GUARDIAN_SCRIPT = """
trap '' TERM INT HUP
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in
         *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;;
       esac ;;
  esac
done
[ "$groups" = ' ' ] && exit 0
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
sleep 10
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"""


class _Guardian:
    """Ends the process groups of a runner that died without doing so itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """Take charge of a group."""
        with self._lock:
            self._groups.add(group)
            self._tell(f"+ {group}\n")

    def release(self, group: int) -> None:
        """The group has ended; its number may soon belong to others."""
        with self._lock:
            self._groups.discard(group)
            self._tell(f"- {group}\n")

    def close(self) -> None:
        """End the guardian; groups still watched are stopped by it."""
        with self._lock:
            self._end()

    def _tell(self, line: str) -> None:
        if self._process is not None and not self._write(line):
            self._end()
        if self._process is None:
            # The first, or one in place of a guardian that someone ended.
            self._process = _start_guardian()
            self._write("".join(f"+ {group}\n" for group in sorted(self._groups)))

    def _write(self, lines: str) -> bool:
        pipe = self._process.stdin if self._process is not None else None
        try:
            return pipe is not None and os.write(pipe.fileno(), lines.encode()) > 0
        except BrokenPipeError:
            return False

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(KILL_AFTER_SECONDS + 5)


def _start_guardian() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARDIAN_SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


class Command:
    """A running command and its process group."""

    def __init__(self, process: subprocess.Popen[bytes], guardian: _Guardian) -> None:
        self._process = process
        self._guardian = guardian
        self._lock = threading.Lock()
        self._ended = False
        self._stopper: threading.Thread | None = None

    def wait(self) -> int:
        """Wait for the end; the exit status, or minus the signal's number.

        After `terminate` it returns only when the whole group is gone. Otherwise processes that
        the command left in the background on purpose are let be.
        """
        status = self._process.wait()
        with self._lock:
            self._ended = True
            stopper = self._stopper
        if stopper is not None:
            stopper.join()
        self._guardian.release(self._process.pid)
        return status

    def terminate(self) -> None:
        """Stop the group: TERM now, KILL after ten seconds. Returns at once."""
        with self._lock:
            # Once reaped, the group's number may belong to strangers.
            if self._ended or self._stopper is not None:
                return
            self._stopper = threading.Thread(target=self._stop, name="stop-command", daemon=True)
            self._stopper.start()

    def kill(self) -> None:
        """Stop the group at once."""
        with self._lock:
            if not self._ended:
                _signal_group(self._process.pid, signal.SIGKILL)

    def _stop(self) -> None:
        group = self._process.pid
        _signal_group(group, signal.SIGTERM)
        deadline = time.monotonic() + KILL_AFTER_SECONDS
        while time.monotonic() < deadline:
            if not _signal_group(group, 0):
                return
            time.sleep(_GROUP_POLL_SECONDS)
        _signal_group(group, signal.SIGKILL)


class Processes:
    """The running commands of one runner. Safe to use from several threads."""

    def __init__(self) -> None:
        self._guardian = _Guardian()
        self._lock = threading.Lock()
        self._running: set[Command] = set()

    def run(
        self,
        argv: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        streams: tuple[Path, Path],
        stop: Stop,
    ) -> int:
        """Run a command to its end; the exit status, or minus the signal's number.

        `streams` are the files that stdout and stderr are appended to. Raises `OSError` if it
        cannot be started, and `Stopped`, when the group is gone, if it was told to stop.
        """
        stop.check()
        with streams[0].open("ab") as stdout, streams[1].open("ab") as stderr:
            process = subprocess.Popen(
                argv,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        self._guardian.watch(process.pid)
        command = Command(process, self._guardian)
        with self._lock:
            self._running.add(command)
        try:
            stop.on_request(command.terminate)
            status = command.wait()
        finally:
            with self._lock:
                self._running.discard(command)
        stop.check()
        return status

    def kill_all(self) -> None:
        """Kill whatever runs, at once."""
        with self._lock:
            running = list(self._running)
        for command in running:
            command.kill()

    def close(self) -> None:
        """End the guardian; called when nothing runs any more."""
        self._guardian.close()


def _signal_group(group: int, number: int) -> bool:
    """Signal a group; False if nothing is left of it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # A member changed its user (sudo): out of our reach, and on some systems a zombie's mark.
        return False
    return True
