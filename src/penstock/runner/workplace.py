"""Working directories of attempts, and the removal of those that a dead runner left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

_PREFIX = "penstock-runner-"
_LOCK = "lock"


class Workplace:
    """One runner's directory, in which each attempt gets its own.

    A file in it is locked as long as the runner lives, however it dies. So whoever starts can tell
    the directories of the dead from those of the living, and removes them; those that were to be
    kept for inspection have no such file.
    """

    def __init__(self, parent: Path | None, keep: bool, log: Callable[[str], None]) -> None:
        """Raises `OSError` if no directory can be made."""
        self._keep = keep
        root = parent or Path(tempfile.gettempdir())
        root.mkdir(parents=True, exist_ok=True)
        for path in _abandoned(root):
            shutil.rmtree(path, ignore_errors=True)
            log(f"{path} removed, which a runner that died has left")
        self.directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        self._lock = None if keep else _make_lock(self.directory / _LOCK)

    def make(self) -> Path:
        """A new, empty directory; raises `OSError`."""
        return Path(tempfile.mkdtemp(prefix="attempt-", dir=self.directory))

    def remove(self, directory: Path) -> None:
        """An attempt's directory is done with."""
        if not self._keep:
            shutil.rmtree(directory, ignore_errors=True)

    def close(self) -> None:
        """The runner has ended: its directory goes, unless something is kept in it."""
        if not self._keep:
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            try:
                self.directory.rmdir()
            except OSError:
                pass
        if self._lock is not None:
            self._lock.close()


def _make_lock(path: Path) -> IO[bytes]:
    """A file that is locked before it can be seen under its name."""
    fresh = path.with_name("lock.new")
    file = fresh.open("wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    fresh.rename(path)
    return file


def _locked(path: Path) -> IO[bytes] | None:
    """A file locked by us; None if another one holds it, or it is not there."""
    try:
        file = path.open("rb")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _abandoned(root: Path) -> list[Path]:
    """Directories of runners of this user that are dead."""
    found = []
    for path in root.glob(f"{_PREFIX}*"):
        try:
            ours = path.stat().st_uid == os.getuid() and not path.is_symlink()
        except OSError:
            continue
        if ours and (lock := _locked(path / _LOCK)) is not None:
            lock.close()
            found.append(path)
    return found
