"""The provider `local`: resources of any type are runner processes on the server's host.

So a definition written for machines of a cloud runs on a laptop as it is. What describes the
machine (its type, image, groups, price) means nothing here.
"""

import hashlib
import re
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from penstock.resources.local import (
    LocalRunner,
    RunnerOrder,
    is_running,
    last_words,
    start_runner,
    tell,
)
from penstock.resources.provider import Found, Gone, Keys, Made, Order, Pending, ProviderError, Up
from penstock.resources.proxy import proxy_options

STATE_FILE = "resource.json"
GRACE_SECONDS = 10.0
TASKS = 4
"""Slots of a runner here: tasks that a resource does at a time."""

_END_SECONDS = 5.0
"""How long one step waits for a runner to end: an idle one needs a fraction of it."""

_LOOK_SECONDS = 0.02
_PATIENCE = 2
"""So often a runner is asked to end, which the second time means at once; then it is killed."""

_PLAIN = re.compile(r"[\w@.:=-]{1,200}", re.ASCII)


class State(Struct, frozen=True):
    """For whom a runner was started; kept in its directory for later servers."""

    account_id: str
    token: str


class LocalProvider:
    """Starts a runner for each resource, in a directory beneath `place`; see `Provider`.

    `attached`: they end with this process, by `close` or by its death. Otherwise they go on, and
    the next server finds them.
    """

    def __init__(
        self, place: Path, endpoint: str, keys: Keys, attached: bool = False, tasks: int = TASKS
    ) -> None:
        self._place = place.absolute()
        self._endpoint = endpoint
        self._keys = keys
        self._attached = attached
        self._tasks = tasks
        self._lock = threading.Lock()
        self._started: dict[str, LocalRunner] = {}
        self._asked: dict[str, int] = {}

    def check(self, order: Order) -> Sequence[str]:
        """As `Provider.check`: whatever the fields say, a process can be started."""
        return ()

    def create(self, order: Order) -> Made:
        """As `Provider.create`."""
        directory = self._directory(order.token)
        if not is_running(directory):
            self._start(order, directory)
        return Made(directory.name, {"@resourceId": directory.name})

    def look(self, order: Order, handle: str) -> Up | Pending | Gone:
        """As `Provider.look`."""
        directory = self._directory(order.token)
        if is_running(directory):
            return Up()
        runner = self._started.get(directory.name)
        ended = runner.ended() if runner is not None else None
        return Gone(ended or f"the runner's process is gone{last_words(directory)}")

    def restart_runner(self, order: Order, handle: str) -> None:
        """As `Provider.restart_runner`: it is killed if it still runs."""
        directory = self._directory(order.token)
        if is_running(directory):
            tell(directory, signal.SIGKILL)
            if not self._over(directory):
                raise ProviderError(f"the runner in {directory} cannot be killed")
        self._forget(directory)
        self._start(order, directory)

    def stop(self, order: Order, handle: str | None) -> bool:
        """As `Provider.stop`. Its logs stay."""
        return self._end(self._directory(order.token), order.token)

    def found(self) -> Sequence[Found]:
        """As `Traceable.found`: all runners that are alive here."""
        if not self._place.is_dir():
            return []
        states = [
            (directory.name, _state(directory))
            for directory in sorted(self._place.iterdir())
            if is_running(directory)
        ]
        return [Found(state.account_id, state.token, name) for name, state in states if state]

    def discard(self, found: Found) -> None:
        """As `Traceable.discard`."""
        self._end(self._place / found.handle, found.token)

    def close(self) -> None:
        """End what is attached to this process, and wait for it."""
        if not self._attached:
            return
        with self._lock:
            runners = dict(self._started)
        for runner in runners.values():
            runner.stop(GRACE_SECONDS)

    def _start(self, order: Order, directory: Path) -> None:
        key = self._keys.grant(order.account_id, order.token)
        wanted = RunnerOrder(
            worker_groups=(order.worker_group,),
            endpoint=self._endpoint,
            access_key_id=key.access_key_id,
            secret_access_key=key.secret,
            directory=directory,
            tasks=self._tasks,
            grace_seconds=GRACE_SECONDS,
            region=order.fields.string("region"),
            attached=self._attached,
            proxy=proxy_options(order),
        )
        try:
            directory.mkdir(parents=True, exist_ok=True)
            state = State(order.account_id, order.token)
            (directory / STATE_FILE).write_bytes(msgspec.json.encode(state))
            runner = start_runner(wanted)
        except OSError as error:
            raise ProviderError(f"no runner can be started in {directory}: {error}") from error
        with self._lock:
            self._started[directory.name] = runner

    def _end(self, directory: Path, token: str) -> bool:
        """Ask a runner to end, ever more firmly; whether it has."""
        if is_running(directory):
            asked = self._asked[directory.name] = self._asked.get(directory.name, 0) + 1
            tell(directory, signal.SIGTERM if asked <= _PATIENCE else signal.SIGKILL)
            if not self._over(directory):
                return False
        self._forget(directory)
        (directory / STATE_FILE).unlink(missing_ok=True)
        # Not before: what it says of its last tasks, it signs with this.
        self._keys.revoke(token)
        return True

    def _over(self, directory: Path) -> bool:
        """Whether a runner ends within a little while."""
        until = time.monotonic() + _END_SECONDS
        waiting = threading.Event()
        while is_running(directory):
            if time.monotonic() > until:
                return False
            waiting.wait(_LOOK_SECONDS)
        return True

    def _forget(self, directory: Path) -> None:
        """What this process knows of a runner that has ended, or is killed just now."""
        with self._lock:
            runner = self._started.pop(directory.name, None)
            self._asked.pop(directory.name, None)
        if runner is not None:
            runner.tidy()

    def _directory(self, token: str) -> Path:
        """A directory named after the try, as far as its name can be a directory's."""
        if _PLAIN.fullmatch(token):
            return self._place / token
        digest = hashlib.sha256(token.encode()).hexdigest()[:16]
        return self._place / f"{re.sub(r'[^a-zA-Z0-9@.=_-]', '-', token)[:150]}-{digest}"


def _state(directory: Path) -> State | None:
    try:
        return msgspec.json.decode((directory / STATE_FILE).read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
