"""Logs: the runner's own, in hourly files, and those of each attempt.

The runner's files are named `TaskRunner.log.YYYY-MM-DD-HH` (UTC) and gzipped when they are eight
hours old; with `--logUri` they are pushed every hour and at the end (developer guide, "Task
Runner Configuration Options"). An attempt writes `Activity.log`, `StdOutput` and `StdError` as
plain files, so that they can be followed, and gzipped copies go to `pipelineLogUri`.

Neither log ever holds a field's value whose key begins with `*`, nor a key of the runner's.
"""

from __future__ import annotations

import gzip
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import IO

from penstock.clock import Clock
from penstock.model.times import HOUR_MS, Instant, format_instant, to_datetime
from penstock.runner.errors import LocationError
from penstock.runner.locations import Locations, join_uri
from penstock.runner.task import Task

GZIP_AFTER_HOURS = 8
"""Age at which an hourly file of the runner's own log is compressed."""

ATTEMPT_FILES = ("Activity.log", "StdOutput", "StdError")
"""The files of an attempt's log directory."""

_FILE_PREFIX = "TaskRunner.log."
_HOUR_FORMAT = "%Y-%m-%d-%H"


class RunnerLog:
    """The runner's own log: one line a call, a new file each hour. Safe to use from threads."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._hour: Instant = -1
        self._file: IO[str] | None = None
        self._closed = False
        self._unpushed: set[str] = set()

    def write(self, text: str) -> None:
        """Add a line: the time, the thread, the text (line breaks become blanks).

        A full disk must not end a task, so a line that cannot be written is dropped.
        """
        now = self._clock()
        line = " ".join(text.splitlines())
        thread = threading.current_thread().name
        with self._lock:
            if self._closed:
                return
            try:
                stamp = f"{format_instant(now)}.{now % 1000:03d}Z"
                self._open(now).write(f"{stamp} [{thread}] {line}\n")
            except OSError:
                pass

    def close(self) -> None:
        """Close the current file; later lines are dropped."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()
                self._file = None

    def compress_old(self) -> None:
        """Gzip the hourly files that are eight hours old."""
        oldest = to_datetime(self._clock()) - timedelta(hours=GZIP_AFTER_HOURS)
        limit = _FILE_PREFIX + oldest.strftime(_HOUR_FORMAT)
        for path in sorted(self.directory.glob(_FILE_PREFIX + "*")):
            if path.suffix != ".gz" and path.name <= limit:
                compress(path, path.with_name(path.name + ".gz"))
                path.unlink()

    def push(self, locations: Locations, uri: str) -> None:
        """Push to a directory what has been written since the last push that succeeded."""
        with self._lock:
            names = sorted(self._unpushed)
            current = self._name(self._hour)
        for name in names:
            path = self.directory / name
            if not path.exists():
                path = path.with_name(name + ".gz")
            locations.upload(path, join_uri(uri, path.name), _no_tick)
            if name != current:
                with self._lock:
                    self._unpushed.discard(name)

    def _open(self, now: Instant) -> IO[str]:
        hour = now - now % HOUR_MS
        if self._file is None or hour != self._hour:
            if self._file is not None:
                self._file.close()
            name = self._name(hour)
            self._unpushed.add(name)
            # Line buffering: what was logged can be read at once and survives a crash of ours.
            self._file = (self.directory / name).open("a", encoding="utf-8", buffering=1)
            self._hour = hour
        return self._file

    @staticmethod
    def _name(hour: Instant) -> str:
        return _FILE_PREFIX + to_datetime(hour).strftime(_HOUR_FORMAT)


class AttemptLogs:
    """The log directory of one attempt: its activity log and the files of its two streams."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.stdout_path = directory / "StdOutput"
        self.stderr_path = directory / "StdError"
        self._clock = clock
        self._activity = (directory / "Activity.log").open("a", encoding="utf-8", buffering=1)

    def write(self, text: str) -> None:
        """Add a line to the activity log; it is dropped if the disk is full."""
        now = self._clock()
        try:
            self._activity.write(f"{format_instant(now)}.{now % 1000:03d}Z {text}\n")
        except OSError:
            pass

    def close(self) -> None:
        """Close the activity log."""
        self._activity.close()


def attempt_path(task: Task) -> str:
    """`<pipelineId>/<componentId>/<instanceId>/<attemptId>`, as the original lays its logs out.

    Source: developer guide, "Viewing Pipeline Logs". A slash within an id would make another
    directory, so it is written as `%2F`.
    """
    parts = (task.pipeline_id, task.component_id, task.instance_id, task.attempt_id)
    return "/".join(_name(part) for part in parts)


def push_attempt(logs: AttemptLogs, locations: Locations, uri: str, work: Path) -> None:
    """Push gzipped copies of an attempt's logs to a directory, then remove the local ones.

    They stay if that fails: raises `LocationError`.
    """
    work.mkdir(parents=True, exist_ok=True)
    for name in ATTEMPT_FILES:
        path = logs.directory / name
        if path.exists():
            compressed = work / f"{name}.gz"
            compress(path, compressed)
            locations.upload(compressed, join_uri(uri, compressed.name), _no_tick)
    shutil.rmtree(logs.directory, ignore_errors=True)
    _remove_empty(logs.directory.parent, levels=3)


def compress(source: Path, target: Path) -> None:
    """Gzip a file, by way of a partial one; equal content gives equal bytes."""
    partial = target.with_name(target.name + ".partial")
    try:
        with (
            source.open("rb") as reader,
            partial.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as writer,
        ):
            shutil.copyfileobj(reader, writer)
        partial.replace(target)
    except OSError as error:
        raise LocationError(f"{source} cannot be compressed: {error.strerror}") from error


def _remove_empty(directory: Path, levels: int) -> None:
    for _ in range(levels):
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


def _name(part: str) -> str:
    return "%2E" * len(part) if part in (".", "..") else part.replace("/", "%2F")


def _no_tick(_count: int) -> None:
    return None
