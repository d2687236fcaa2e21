"""The runner itself: slots that poll, work and report; starting, stopping.

A slot is a thread: it polls, does the task it is given, polls again. One more thread reports
progress for all of them and sends heartbeats, and one keeps the runner's own log files.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.clock import Clock, system_clock
from penstock.model.times import HOUR_MS
from penstock.runner import credentials
from penstock.runner.aws import Aws
from penstock.runner.errors import LocationError, OptionsError
from penstock.runner.execution import Equipment, Seat, perform
from penstock.runner.livelog import LiveLogs
from penstock.runner.locations import Locations
from penstock.runner.logs import RunnerLog
from penstock.runner.options import RunnerOptions
from penstock.runner.processes import KILL_AFTER_SECONDS, Processes
from penstock.runner.progress import Reporter, ServiceClient
from penstock.runner.proxies import proxy_for
from penstock.runner.shell import Shell
from penstock.runner.slots import Slots
from penstock.runner.stop import RUNNER_STOPPED, Stop
from penstock.runner.task import Task, read_task
from penstock.runner.workplace import Workplace
from penstock.wire.client import Aborted, Client, ConnectionFailed, ServiceError

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_LAST_CALLS_SECONDS = 10.0
"""After the grace time: how long the last statuses may take to be delivered."""

QUIET_SECONDS = 5.0
"""With `--once`: how long polls must have waited in vain. The service answers at once if there is
something, and this leaves it the time to see what an ended task has made ready."""

_QUIET_LOOK_SECONDS = 0.2

Announce = Callable[[str], None]
"""Called with what the runner's user should see at once, beside the log."""


def connect(options: RunnerOptions, environ: Mapping[str, str]) -> Client:
    """A client of the service as the options say; raises `NoCredentials` or `OptionsError`."""
    keys = credentials.resolve_credentials(options, environ)
    endpoint = credentials.endpoint_url(options, environ)
    try:
        proxy = proxy_for(endpoint, options, environ)
        return Client(endpoint, keys, options.region, proxy=proxy)
    except ValueError as error:
        raise OptionsError(str(error)) from error


class Runner:
    """Runs the tasks of its worker groups until it is stopped.

    It owns the polls of `client`: stopping breaks them off for good, so two runners must not share
    one. Embedding: `start()`, then `stop()` from any thread; `wait()` returns when all is done.
    """

    def __init__(
        self,
        options: RunnerOptions,
        client: ServiceClient,
        environ: Mapping[str, str] = os.environ,
        clock: Clock = system_clock,
        announce: Announce | None = None,
    ) -> None:
        """Raises `OptionsError` for a missing shell, `OSError` for a directory not to be made."""
        options = replace(
            options,
            output=options.output.absolute(),
            work=options.work.absolute() if options.work else None,
        )
        self.options = options
        self.log = RunnerLog(options.output, clock)
        self.hostname = socket.gethostname()
        self.taskrunner_id = options.taskrunner_id or f"{self.hostname}-{uuid.uuid4()}"
        self._client = client
        self._announce = announce or (lambda _text: None)
        self._announced: set[str] = set()
        self._draining = threading.Event()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._stops: set[Stop] = set()
        self._finishing = False
        self._statuses: Counter[str] = Counter()
        self._equipment = self._equip(environ, clock)
        self._desks = [
            (group, Slots(options.tasks, options.preconditions)) for group in options.worker_groups
        ]
        seats = [desk for desk in self._desks for _ in range(desk[1].threads)]
        self._slots = [
            threading.Thread(target=self._slot, args=desk, name=f"slot-{number}", daemon=True)
            for number, desk in enumerate(seats, start=1)
        ]
        self._helpers = [
            threading.Thread(target=self._equipment.reporter.run, name="reporter", daemon=True),
            threading.Thread(target=self._equipment.live_logs.run, name="logs", daemon=True),
            threading.Thread(target=self._keep_house, name="housekeeper", daemon=True),
            *([threading.Thread(target=self._end_once, name="once", daemon=True)] * options.once),
        ]

    def start(self) -> None:
        """Begin to poll; returns at once."""
        groups = ", ".join(self.options.worker_groups)
        each = f"{self.options.tasks} and {self.options.preconditions} slots"
        self.log.write(f"{self.taskrunner_id} serves {groups} with {each} each")
        if self.options.ignored:
            self.log.write(f"keys of --config without meaning: {', '.join(self.options.ignored)}")
        for thread in self._helpers + self._slots:
            thread.start()

    def drain(self) -> None:
        """Take no more tasks; those in hand go on."""
        if not self._draining.is_set():
            self._draining.set()
            for _, slots in self._desks:
                slots.close()
            self._client.abort()
            self.log.write("takes no more tasks")

    def stop(self, grace_seconds: float | None = None) -> None:
        """Take no more tasks, give those in hand some time, report the rest FAILED.

        Returns when all is done. The grace time is that of the options unless given.
        """
        self.drain()
        grace = self.options.grace_seconds if grace_seconds is None else grace_seconds
        if not self._join_slots(grace):
            self._stop_tasks()
            if not self._join_slots(KILL_AFTER_SECONDS + _LAST_CALLS_SECONDS):
                self._equipment.halted.set()
                self._join_slots(_LAST_CALLS_SECONDS)
        self._finish()

    def kill(self) -> None:
        """Kill whatever runs, now. A `stop` under way then ends soon."""
        self.drain()
        self._stop_tasks()
        self._equipment.processes.kill_all()
        self._equipment.halted.set()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the runner has ended; False if the time was over first.

        A runner that drains because the service asked it to ends by itself.
        """
        return self._done.wait(timeout_seconds)

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many tasks have ended with each status (`taken away`: cancelled, or not ours)."""
        with self._lock:
            return dict(self._statuses)

    def _equip(self, environ: Mapping[str, str], clock: Clock) -> Equipment:
        options = self.options
        heartbeats = [
            {
                "taskrunnerId": self.taskrunner_id,
                "workerGroup": group,
                "hostname": self.hostname,
            }
            for group in dict.fromkeys(options.worker_groups)
        ]
        aws = Aws(options, environ)
        return Equipment(
            options=options,
            client=self._client,
            locations=Locations(options, environ, aws),
            aws=aws,
            processes=Processes(),
            reporter=Reporter(self._client, heartbeats, self.log.write, self._terminate),
            live_logs=LiveLogs(self._client, self.log.write, _secrets(options, environ)),
            shell=Shell(options.shell, environ, _command_extras(options, environ), self.log.write),
            log=self.log,
            workplace=Workplace(options.work, options.keep_work, self.log.write),
            clock=clock,
            halted=threading.Event(),
        )

    def _terminate(self) -> None:
        """The service wants this runner to end: finish what runs, however long it takes."""
        if not self._draining.is_set():
            self.drain()
            threading.Thread(target=self._finish_drained, name="drain", daemon=True).start()

    def _finish_drained(self) -> None:
        self._join_slots(threading.TIMEOUT_MAX)
        self._finish()

    def _end_once(self) -> None:
        """End when polls have waited a while without a task, and none is at work."""
        while not self._draining.wait(_QUIET_LOOK_SECONDS):
            if all(slots.quiet_for(QUIET_SECONDS) for _, slots in self._desks):
                self._terminate()

    def _slot(self, group: str, slots: Slots) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while slots.admit():
            try:
                task = self._poll(group, slots)
                self._reassure()
                if task is not None:
                    with slots.hand() as hand:
                        self._perform(task, hand.seat)
                pause = _FIRST_PAUSE_SECONDS
            except Aborted:
                return
            except Exception as error:  # noqa: BLE001 - whatever it was, the slot polls on
                self._complain(error)
                self._draining.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _poll(self, group: str, slots: Slots) -> Task | None:
        """A task, which then counts as in hand, or None."""
        task = None
        try:
            answer = self._client.call(
                "PollForTask", {"workerGroup": group, "hostname": self.hostname}
            )
            task = read_task(answer)
        except (msgspec.ValidationError, KeyError) as error:
            # It will be offered again when it is not acknowledged.
            raise ValueError(f"a task that cannot be understood: {error}") from error
        finally:
            slots.answered(task is not None)
        return task

    def _perform(self, task: Task, seat: Seat) -> None:
        stop = Stop()
        with self._lock:
            self._stops.add(stop)
            late = self._equipment.halted.is_set()
        try:
            if late:
                stop.request(RUNNER_STOPPED)
            status = perform(task, stop, self._equipment, seat)
            with self._lock:
                self._statuses[status or "taken away"] += 1
        finally:
            with self._lock:
                self._stops.discard(stop)

    def _complain(self, error: Exception) -> None:
        """Log a problem of polling, and announce each kind of it once."""
        expected = isinstance(error, (ServiceError, ConnectionFailed, LocationError))
        text = str(error) if expected else f"defect of the runner: {error!r}"
        self.log.write(f"to be tried again: {text}")
        kind = error.code if isinstance(error, ServiceError) else type(error).__name__
        if kind not in self._announced:
            self._announced.add(kind)
            self._announce(f"{text} (trying again)")

    def _reassure(self) -> None:
        """After a poll was answered: say so if its problems were announced."""
        if self._announced:
            self._announced.clear()
            self.log.write("polls are answered again")
            self._announce("polls are answered again")

    def _stop_tasks(self) -> None:
        with self._lock:
            stops = list(self._stops)
        for stop in stops:
            stop.request(RUNNER_STOPPED)

    def _join_slots(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        for thread in self._slots:
            if thread.ident is not None:
                remaining = deadline - time.monotonic()
                thread.join(min(max(0.0, remaining), threading.TIMEOUT_MAX))
        return not any(thread.is_alive() for thread in self._slots)

    def _finish(self) -> None:
        """End the helpers and push the log, once."""
        with self._lock:
            first, self._finishing = not self._finishing, True
        if not first:
            self._done.wait()
            return
        self._equipment.halted.set()
        self._equipment.reporter.close()
        self._equipment.live_logs.close()
        for thread in self._helpers:
            if thread.ident is not None:
                thread.join(_LAST_CALLS_SECONDS)
        self._equipment.processes.close()
        self._equipment.workplace.close()
        self.log.write("ended")
        self._push_log()
        self.log.close()
        self._done.set()

    def _keep_house(self) -> None:
        """Make the login that commands need, then look after the log files every hour."""
        self._equipment.shell.environment()
        while True:
            to_next_hour_ms = HOUR_MS - self._equipment.clock() % HOUR_MS
            if self._equipment.halted.wait(to_next_hour_ms / 1000 + 1):
                return
            self._push_log()
            try:
                self.log.compress_old()
            except (OSError, LocationError) as error:
                self.log.write(f"old log files not compressed: {error}")

    def _push_log(self) -> None:
        if not self.options.log_uri:
            return
        try:
            self.log.push(self._equipment.locations, self.options.log_uri)
        except (OSError, LocationError) as error:
            self.log.write(f"log files not pushed to {self.options.log_uri}: {error}")


def _secrets(options: RunnerOptions, environ: Mapping[str, str]) -> list[str]:
    """What of the runner's own no log is to tell."""
    keys = credentials.storage_keys(options, environ)
    own = (keys.secret_access_key, keys.session_token) if keys is not None else ()
    return [secret for secret in (options.secret_key, *own) if secret]


def _command_extras(options: RunnerOptions, environ: Mapping[str, str]) -> dict[str, str]:
    """The runner's AWS keys and region for commands, where the login sets none.

    A role's passing keys are left out: a command's own AWS client finds the role, and keeps up
    with its changing keys.
    """
    extras: dict[str, Any] = {"AWS_DEFAULT_REGION": credentials.storage_region(options, environ)}
    keys = credentials.storage_keys(options, environ)
    if keys is not None:
        extras["AWS_ACCESS_KEY_ID"] = keys.access_key_id
        extras["AWS_SECRET_ACCESS_KEY"] = keys.secret_access_key
        if keys.session_token:
            extras["AWS_SESSION_TOKEN"] = keys.session_token
    return extras
