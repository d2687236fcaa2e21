"""The shell that runs commands, with the environment of a login.

Commands are meant to see what the machine's user sees after logging in. Asking the shell for a
login each time is dear: on a machine whose profile sets up a version manager, `bash -l -c true`
took 190 ms, `bash -c true` 2 ms. So a login is made once, when the runner starts, and the
environment it leaves is given to every command. Functions and limits that a profile sets are not
carried over. bash rather than sh, where it is there, since commands written for the original ran
where sh was bash.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from penstock.runner.errors import OptionsError

LOGIN_TIMEOUT_SECONDS = 20.0
"""A profile that takes longer (it may wait for an answer) is given up."""

_MARK = b"\0penstock environment\0"
_LOGIN_FLAGS = ("-l", "--login")
# Linux refuses one argument of more than 128 KiB; a longer command goes through a file.
_LONGEST_ARGUMENT_BYTES = 100_000


class Shell:
    """How to run a command line, and the environment to run it in. Safe to use from threads."""

    def __init__(
        self,
        command: str | None,
        environ: Mapping[str, str],
        extra: Mapping[str, str],
        log: Callable[[str], None],
    ) -> None:
        """`extra` is added to the environment where it sets nothing; raises `OptionsError`."""
        words = shlex.split(command) if command else _default_shell()
        if not words or shutil.which(words[0]) is None:
            raise OptionsError(f"--shell {command!r}: no such program")
        self._login = any(word in _LOGIN_FLAGS for word in words[1:])
        self._words = [word for word in words if word not in _LOGIN_FLAGS]
        self._environ = dict(environ)
        self._extra = extra
        self._log = log
        self._lock = threading.Lock()
        self._environment: dict[str, str] | None = None

    def argv(self, command: str, arguments: Sequence[str], directory: Path) -> list[str]:
        """The words that run a command line with its positional parameters `$1`, `$2`, …"""
        name = Path(self._words[0]).name
        if len(command.encode()) <= _LONGEST_ARGUMENT_BYTES:
            return [*self._words, "-c", command, name, *arguments]
        script = directory / "command"
        script.write_text(command, encoding="utf-8")
        return [*self._words, str(script), *arguments]

    def script_argv(self, script: Path, arguments: Sequence[str]) -> list[str]:
        """The words that run a script that names no interpreter of its own."""
        return [*self._words, str(script), *arguments]

    def environment(self) -> dict[str, str]:
        """The environment of commands; the first call makes the login."""
        with self._lock:
            if self._environment is None:
                found = self._log_in() if self._login else self._environ
                self._environment = {**self._extra, **found}
            return dict(self._environment)

    def _log_in(self) -> dict[str, str]:
        """What a login leaves in the environment; if it fails, the runner's own environment."""
        script = "printf '\\0penstock environment\\0'; env -0"
        try:
            done = subprocess.run(
                [*self._words, "-l", "-c", script],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=LOGIN_TIMEOUT_SECONDS,
                start_new_session=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self._log(f"login environment not read ({error}); commands get the runner's own")
            return self._environ
        # A profile may print something of its own before.
        found = _parse_environment(done.stdout.rpartition(_MARK)[2])
        if done.returncode or not found:
            self._log("login environment not read; commands get the runner's own")
            return self._environ
        return found


def _default_shell() -> list[str]:
    return ["bash" if shutil.which("bash") else "sh", "-l"]


def _parse_environment(output: bytes) -> dict[str, str]:
    pairs = (item.partition(b"=") for item in output.split(b"\0") if b"=" in item)
    decoded = {
        key.decode(errors="surrogateescape"): value.decode(errors="surrogateescape")
        for key, _, value in pairs
    }
    # These describe the shell that told us, not the one to come.
    for name in ("_", "SHLVL", "PWD", "OLDPWD"):
        decoded.pop(name, None)
    return decoded
