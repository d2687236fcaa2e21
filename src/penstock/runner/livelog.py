"""Live logs: what tasks write goes to the server while they run, and is kept there.

Files are looked at every second. What is new is sent at once if nothing was sent for ten seconds,
or if somebody follows the task, which the server tells in its answers; else when the ten seconds
are over. Of a task that has ended the rest is read at once, since its
files may go, and sent soon, together with that of others: most tasks are short, and a call for each
would make a third more calls than they cost anyhow.

Lines are sent whole where that can be, so that a secret is not cut in two and slips through. All is
bounded: what is read at a time, what waits to be sent. What does not fit is left out, the older
first; the position of each piece shows that. Logs never delay or fail a task.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from penstock.language.secrecy import spellings, strike_out
from penstock.runner.logs import AttemptLogs
from penstock.runner.progress import ServiceClient
from penstock.runner.task import Task
from penstock.wire.client import ConnectionFailed, ServiceError

LOOK_SECONDS = 1.0
UNFOLLOWED_SECONDS = 10.0
"""From one piece to the next while nobody follows."""

FOLLOWED_SECONDS = 15.0
"""How long somebody who is said to follow is believed to."""

GATHER_SECONDS = 0.25
"""How long the rest of an ended task waits for that of others."""

AFTER_A_FAILURE_SECONDS = 5.0
BYTES_AT_A_LOOK = 1024 * 1024
"""What is read of a stream at a time; the server keeps no more of it anyhow."""

PIECE_BYTES = 128 * 1024
BYTES_PER_CALL = 1024 * 1024
PIECES_PER_CALL = 200
BYTES_WAITING = 8 * 1024 * 1024

_UNKNOWN_OPERATION = "UnknownOperationException"


class Piece(Struct, frozen=True):
    """A piece of a task's stream: `text` stands for `size` bytes from `position` on."""

    task_id: str
    stream: str
    position: int
    size: int
    text: str
    final: bool = False

    def wire(self) -> dict[str, Any]:
        """As ReportTaskLogs takes it."""
        found: dict[str, Any] = {
            "taskId": self.task_id,
            "stream": self.stream,
            "position": self.position,
            "size": self.size,
            "text": self.text,
        }
        return found | {"final": True} if self.final else found


class _Stream:
    """A file that grows, and how far it has been read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self._held_at = -1

    def read(self, whole: bool) -> tuple[int, bytes]:
        """What is new: its position and its bytes, to the end of the last whole line.

        All of it if `whole`, or if what follows the last line has stood still since the last look.
        """
        try:
            size = self.path.stat().st_size
            if size <= self.position:
                return self.position, b""
            begin = max(self.position, size - BYTES_AT_A_LOOK)
            with self.path.open("rb") as file:
                file.seek(begin)
                found = file.read(size - begin)
        except OSError:
            return self.position, b""
        if begin > self.position:
            # The first line of what is left is broken.
            begin, found = _without_first_line(begin, found)
        if not whole and size != self._held_at:
            end = _last_line_end(found)
            found = found[:end] if end or len(found) <= PIECE_BYTES else found
        self._held_at = size
        self.position = begin + len(found)
        return begin, found


class _Followed:
    """A task in hand: its streams, its secrets, and when to look again (monotonic seconds)."""

    def __init__(self, task: Task, logs: AttemptLogs, secrets: tuple[str, ...], due: float) -> None:
        self.task_id = task.task_id
        self.due = due
        self._sent_at = float("-inf")
        self._followed_until = float("-inf")
        self._secrets = secrets
        self._lock = threading.Lock()
        self._streams = {
            "activity": _Stream(logs.directory / "Activity.log"),
            "stdout": _Stream(logs.stdout_path),
            "stderr": _Stream(logs.stderr_path),
        }

    def look(self, now: float) -> list[Piece]:
        """What is new, if it is its turn."""
        self.due = now + LOOK_SECONDS
        if now < self._sent_at + UNFOLLOWED_SECONDS and now >= self._followed_until:
            return []
        found = self.take()
        if found:
            self._sent_at = now
        return found

    def note_follower(self, now: float) -> None:
        """Somebody follows."""
        self._followed_until = now + FOLLOWED_SECONDS

    def take(self, final: bool = False) -> list[Piece]:
        """What is new; with `final`, which comes last, all that is left and the mark of the end."""
        with self._lock:
            found = [
                self._piece(name, position, part)
                for name, stream in self._streams.items()
                for position, part in _parts(*stream.read(final))
            ]
            if final:
                end = self._streams["activity"].position
                found.append(Piece(self.task_id, "activity", end, 0, "", True))
        return found

    def _piece(self, stream: str, position: int, part: bytes) -> Piece:
        text = strike_out(part.decode(errors="replace"), self._secrets)
        return Piece(self.task_id, stream, position, len(part), text)


class LiveLogs:
    """Sends what tasks write, from one thread."""

    def __init__(
        self,
        client: ServiceClient,
        log: Callable[[str], None],
        secrets: Iterable[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`secrets` are the runner's own, which commands find in their environment."""
        self._client = client
        self._log = log
        self._own_secrets = tuple(secrets)
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._tasks: dict[str, _Followed] = {}
        self._waiting: deque[Piece] = deque()
        self._waiting_bytes = 0
        self._send_due = 0.0
        self._wakes_at = 0.0
        self._closed = threading.Event()
        self._unwanted = threading.Event()

    def watch(self, task: Task, logs: AttemptLogs) -> None:
        """Send what this task writes until `end`."""
        if self._unwanted.is_set():
            return
        due = self._monotonic() + LOOK_SECONDS
        followed = _Followed(task, logs, _secrets_of(task, self._own_secrets), due)
        with self._changed:
            self._tasks[task.task_id] = followed
            self._wake_before(due)

    def end(self, task: Task) -> None:
        """Send the rest: the task writes no more, and its files may go."""
        with self._changed:
            followed = self._tasks.pop(task.task_id, None)
        if followed is not None and not self._unwanted.is_set():
            self._put(followed.take(final=True), self._monotonic() + GATHER_SECONDS)

    def run(self) -> None:
        """The thread's work, until closed: then what waits is sent, once more."""
        while not self._closed.is_set():
            due = self.tick()
            with self._changed:
                if self._closed.is_set():
                    break
                now = self._monotonic()
                self._wakes_at = min([due, *self._dues()])
                self._changed.wait(max(0.0, min(self._wakes_at - now, threading.TIMEOUT_MAX)))
                self._wakes_at = 0.0
        while self._waiting and self._send():
            pass

    def close(self) -> None:
        """End the thread after what it is at; what waits is still sent if the server answers."""
        with self._changed:
            self._closed.set()
            self._changed.notify()

    def tick(self) -> float:
        """Do what is due now; when the next is due, in monotonic seconds."""
        now = self._monotonic()
        with self._changed:
            due = [each for each in self._tasks.values() if each.due <= now]
        for each in due:
            self._put(each.look(now), now)
        while self._waiting and self._send_due <= self._monotonic():
            if not self._send():
                self._send_due = self._monotonic() + AFTER_A_FAILURE_SECONDS
        with self._changed:
            return min(self._dues(), default=now + UNFOLLOWED_SECONDS)

    def _dues(self) -> list[float]:
        return [each.due for each in self._tasks.values()] + [self._send_due] * bool(self._waiting)

    def _wake_before(self, due: float) -> None:
        if due < self._wakes_at:
            self._changed.notify()

    def _put(self, pieces: list[Piece], due: float) -> None:
        """Have pieces sent; if too much waits the oldest are left out."""
        with self._changed:
            if not self._waiting:
                self._send_due = due
            self._waiting.extend(pieces)
            self._waiting_bytes += sum(piece.size for piece in pieces)
            while self._waiting_bytes > BYTES_WAITING:
                self._waiting_bytes -= self._waiting.popleft().size
            if pieces:
                self._wake_before(self._send_due)

    def _send(self) -> bool:
        """Send the first of what waits; False if it could not be delivered."""
        pieces = self._first()
        try:
            answer = self._client.call(
                "ReportTaskLogs", {"logs": [piece.wire() for piece in pieces]}
            )
        except ConnectionFailed as error:
            self._log(f"logs not delivered, to be repeated: {error}")
            return False
        except ServiceError as error:
            if error.status >= 500 or "Throttl" in error.code:
                self._log(f"logs not taken, to be repeated: {error}")
                return False
            if error.code == _UNKNOWN_OPERATION:
                self._log(f"this server takes no live logs: {error}")
                self._give_up()
                return True
            self._log(f"logs refused: {error}")
            answer = {}
        self._drop(pieces)
        self._note(answer)
        return True

    def _first(self) -> list[Piece]:
        size = 0
        found: list[Piece] = []
        with self._changed:
            for piece in self._waiting:
                size += piece.size
                if found and (size > BYTES_PER_CALL or len(found) == PIECES_PER_CALL):
                    break
                found.append(piece)
        return found

    def _drop(self, pieces: list[Piece]) -> None:
        """Forget what was sent; some of it may have been left out meanwhile."""
        with self._changed:
            for piece in pieces:
                if self._waiting and self._waiting[0] is piece:
                    self._waiting_bytes -= self._waiting.popleft().size

    def _give_up(self) -> None:
        self._unwanted.set()
        with self._changed:
            self._tasks.clear()
            self._waiting.clear()
            self._waiting_bytes = 0

    def _note(self, answer: Mapping[str, Any]) -> None:
        now = self._monotonic()
        with self._changed:
            for task_id in answer.get("followed", ()):
                if task_id in self._tasks:
                    self._tasks[task_id].note_follower(now)
            for task_id in answer.get("refused", ()):
                self._tasks.pop(task_id, None)


def _secrets_of(task: Task, own: tuple[str, ...]) -> tuple[str, ...]:
    """What must not be sent: the runner's own secrets, and the starred fields of a task."""
    starred = [
        field.string_value
        for each in task.objects.values()
        for field in each.fields
        if field.key.startswith("*") and field.string_value
    ]
    return spellings([*own, *starred])


def _parts(position: int, found: bytes) -> Iterable[tuple[int, bytes]]:
    """Bytes in pieces of bounded length, cut between lines where there are any."""
    while found:
        cut = len(found)
        if cut > PIECE_BYTES:
            cut = _last_line_end(found[:PIECE_BYTES]) or PIECE_BYTES
        yield position, found[:cut]
        position, found = position + cut, found[cut:]


def _without_first_line(position: int, found: bytes) -> tuple[int, bytes]:
    end = found.find(b"\n") + 1
    return position + end, found[end:]


def _last_line_end(found: bytes) -> int:
    """Where the last whole line ends, 0 if there is none; a progress bar's line ends with CR."""
    return max(found.rfind(b"\n"), found.rfind(b"\r")) + 1
