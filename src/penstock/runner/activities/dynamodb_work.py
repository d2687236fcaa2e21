"""What export, import and copy of DynamoDB tables share: parts done at once, and their memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec
from msgspec import Struct

from penstock.model.definition import PipelineObject
from penstock.model.times import HOUR_MS, Instant
from penstock.runner.activities.context import Context
from penstock.runner.connectors.dynamodb import DEFAULT_PERCENT, WORKERS, DynamoTable
from penstock.runner.errors import LocationError, Stopped, TaskFailed
from penstock.runner.locations import Locations, join_uri, no_tick
from penstock.runner.logs import attempt_path
from penstock.runner.stop import Stop

RESUME_HOURS = 24
"""A later attempt begins anew: what was read so long ago is not the table of today."""

_HEAD = "begun.json"


class Crew:
    """Does the parts of one piece of work in a few threads; the first failure ends them all."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._halted = threading.Event()
        stop.on_request(self._halted.set)

    def pause(self, seconds: float) -> None:
        """Wait; raises `Stopped` as soon as the work shall stop or another part has failed."""
        if seconds > 0:
            self._halted.wait(seconds)
        if self._halted.is_set():
            self._stop.check()
            raise Stopped("another part of the work has failed")

    def tick(self, _count: int) -> None:
        """The same as a location's `Tick`."""
        self.pause(0)

    def run(self, parts: Iterable[Callable[[], None]]) -> None:
        """Do all parts; raises what the first that failed has raised."""
        with ThreadPoolExecutor(WORKERS, "part") as pool:
            futures = [pool.submit(self._do, part) for part in parts]
        errors = [error for future in futures if (error := future.exception()) is not None]
        # Those that only obeyed say nothing of the reason.
        for error in sorted(errors, key=lambda one: isinstance(one, Stopped)):
            raise error

    def _do(self, part: Callable[[], None]) -> None:
        try:
            self.pause(0)
            part()
        except BaseException:
            self._halted.set()
            raise


class _Head(Struct, frozen=True):
    owner: str
    parts: int
    begun: Instant


class Memory:
    """How far each part is, kept at a location so that a retry, wherever it runs, goes on there.

    `owner` says whose work it is; what another one left is removed. What cannot be remembered is
    only noted where `needed` is false: then a retry begins anew.
    """

    def __init__(self, locations: Locations, uri: str, owner: str, needed: bool = True) -> None:
        self._locations = locations
        self._uri = uri
        self._owner = owner
        self._needed = needed

    def recall(self, now: Instant) -> tuple[int, dict[str, bytes]] | None:
        """The number of parts and what was remembered of each, by name; None to begin anew."""
        try:
            names = [entry.name for entry in self._locations.entries(self._uri)]
            if not names:
                return None
            head = self._head() if _HEAD in names else None
            if head is None or head.owner != self._owner:
                return None
            if now - head.begun > RESUME_HOURS * HOUR_MS:
                return None
            found = {name: self._read(name) for name in names if name != _HEAD}
        except LocationError:
            if self._needed:
                raise
            return None
        return head.parts, found

    def begin(self, parts: int, now: Instant) -> None:
        """Forget everything, and remember this number of parts."""
        self.clear()
        self.save(_HEAD, msgspec.json.encode(_Head(self._owner, parts, now)))

    def save(self, name: str, content: bytes) -> None:
        """Remember a part."""
        try:
            with self._locations.open_write(join_uri(self._uri, name), no_tick) as writer:
                writer.write(content)
        except LocationError:
            if self._needed:
                raise

    def clear(self) -> None:
        """Remove it all, the head first: without it the rest means nothing."""
        try:
            self._locations.delete(join_uri(self._uri, _HEAD))
            for entry in list(self._locations.entries(self._uri)):
                self._locations.delete(join_uri(self._uri, entry.name))
        except LocationError:
            if self._needed:
                raise

    def leftovers(self) -> dict[str, bytes]:
        """What stands there, whoever left it."""
        names = [entry.name for entry in self._locations.entries(self._uri)]
        return {name: self._read(name) for name in names if name != _HEAD}

    def _head(self) -> _Head | None:
        try:
            return msgspec.json.decode(self._read(_HEAD), type=_Head)
        except msgspec.DecodeError:
            return None

    def _read(self, name: str) -> bytes:
        return b"".join(self._locations.chunks(join_uri(self._uri, name)))


def beside_logs(context: Context, identity: str) -> Memory:
    """A memory for work that has no output of its own to keep it with: beside the attempts' logs.

    With `pipelineLogUri` every runner finds it; else only runners that share this output directory.
    """
    log_uri = context.task.attempt.string("pipelineLogUri")
    if log_uri:
        instance = attempt_path(context.task).rpartition("/")[0]
        place = join_uri(log_uri, instance)
    else:
        place = context.logs.directory.parent.as_uri()
    owner = f"{context.task.instance_id} {identity}"
    return Memory(context.locations, join_uri(place, "progress"), owner, needed=False)


def open_table(context: Context, node: PipelineObject, crew: Crew) -> DynamoTable:
    """The table of a DynamoDBDataNode; raises `TaskFailed`."""
    name = node.string("tableName")
    if not name:
        raise TaskFailed("InvalidActivity", f"{node.name!r} has no tableName.")
    return DynamoTable(context.aws, name, node.string("region"), crew.pause)


def percent_of(node: PipelineObject | None, key: str) -> float:
    """A data node's share of the throughput, 0.1 to 1, or the default; raises `TaskFailed`."""
    text = node.string(key) if node else None
    if node is None or not text:
        return DEFAULT_PERCENT
    try:
        percent = float(text)
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 1.5:
        message = f"{key} of {node.name!r} is {text!r}; it must lie between 0.1 and 1.0."
        raise TaskFailed("InvalidActivity", message)
    return percent
