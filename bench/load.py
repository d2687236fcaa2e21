"""The load generator, a process of its own: a job comes in, what came of it goes out.

    python -m bench.load < job.json

Closed loop: each connection has one call under way and sends the next when it is answered.
"""

import asyncio
import resource
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
import uvloop

from bench.connection import Connection, connect
from bench.jobs import Job, Told, percentiles
from penstock.wire.serve import raise_open_files_limit
from penstock.wire.sigv4 import Credentials

_decode = msgspec.json.Decoder


class _Handed(msgspec.Struct, rename="camel"):
    task_id: str


class _Polled(msgspec.Struct, rename="camel"):
    task_object: _Handed | None = None


class _Reported(msgspec.Struct):
    canceled: bool


_polled = _decode(_Polled).decode
_reported = _decode(_Reported).decode


class WrongAnswer(Exception):
    """An answer that the job cannot go on with."""


def task_id(answer: bytes) -> str:
    """The task that a poll got; there must be one."""
    found = _polled(answer).task_object
    if found is None:
        raise WrongAnswer("a poll ended with nothing")
    return found.task_id


def poll_body(worker_group: str) -> bytes:
    """A PollForTask request."""
    return msgspec.json.encode({"workerGroup": worker_group, "hostname": "bench.example"})


def report_body(task: str) -> bytes:
    """A ReportTaskProgress request."""
    return msgspec.json.encode({"taskId": task, "fields": []})


def finish_body(task: str) -> bytes:
    """A SetTaskStatus request."""
    return msgspec.json.encode({"taskId": task, "taskStatus": "FINISHED"})


class Race:
    """Many connections share a number of rounds; done when the last round has ended."""

    def __init__(self, rounds: int, failed: asyncio.Future[None]) -> None:
        self._left_to_begin = rounds
        self._left_to_end = rounds
        self._end = failed
        self.latencies_ms: list[float] = []

    def begin(self) -> bool:
        """Whether there is another round to begin; then it counts as begun."""
        if not self._left_to_begin:
            return False
        self._left_to_begin -= 1
        return True

    def end(self, began: float) -> None:
        """A round has ended."""
        self.latencies_ms.append((time.perf_counter() - began) * 1000)
        self._left_to_end -= 1
        if not self._left_to_end and not self._end.done():
            self._end.set_result(None)


def echo(race: Race, connection: Connection, body: bytes) -> None:
    """Rounds of one call that is answered with what it says."""
    began = 0.0

    def answered(_answer: bytes) -> None:
        race.end(began)
        go_on()

    def go_on() -> None:
        nonlocal began
        if race.begin():
            began = time.perf_counter()
            connection.call("Echo", body, answered)

    go_on()


def live(race: Race, connection: Connection, worker_group: str) -> None:
    """Rounds of a task's whole life: poll, report, finish. The latency is the life's."""
    poll = poll_body(worker_group)
    began, task = 0.0, ""

    def polled(answer: bytes) -> None:
        nonlocal task
        task = task_id(answer)
        connection.call("ReportTaskProgress", report_body(task), reported)

    def reported(answer: bytes) -> None:
        if _reported(answer).canceled:
            raise WrongAnswer("a task was cancelled")
        connection.call("SetTaskStatus", finish_body(task), finished)

    def finished(_answer: bytes) -> None:
        race.end(began)
        go_on()

    def go_on() -> None:
        nonlocal began
        if race.begin():
            began = time.perf_counter()
            connection.call("PollForTask", poll, polled)

    go_on()


async def run_race(job: Job, begin: Callable[[Race, Connection], None]) -> Told:
    """Let all connections begin, and wait for the end."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    _fail_on_defects(failed)
    connections = await open_connections(job, job.connections, failed)
    race = Race(job.count, failed)
    cpu, began = cpu_seconds(), time.perf_counter()
    for connection in connections:
        begin(race, connection)
    await failed
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    for connection in connections:
        connection.close()
    return Told(seconds, cpu, job.count, percentiles(race.latencies_ms))


def _fail_on_defects(failed: asyncio.Future[None]) -> None:
    """What is raised inside a callback must end the job, not only be logged by the loop."""

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if not failed.done():
            failed.set_exception(
                error if isinstance(error, Exception) else WrongAnswer(str(context["message"]))
            )

    asyncio.get_running_loop().set_exception_handler(handle)


async def open_connections(job: Job, count: int, failed: asyncio.Future[None]) -> list[Connection]:
    """Connections to the job's server, or by turns to its two servers, signing with its key."""
    credentials = Credentials(job.access_key_id, job.secret_access_key)
    if not job.other_port:
        return await connect(job.host, job.port, credentials, count, failed)
    half = count // 2
    here = await connect(job.host, job.port, credentials, count - half, failed)
    there = await connect(job.host, job.other_port, credentials, half, failed)
    return here + there


def cpu_seconds() -> float:
    """Processor time that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run_echo(job: Job) -> Told:
    """Signed echoes."""
    filling = "x" * (job.body_bytes - len(msgspec.json.encode({"text": ""})))
    body = msgspec.json.encode({"text": filling})
    return await run_race(job, lambda race, connection: echo(race, connection, body))


async def run_lives(job: Job) -> Told:
    """Full lives of tasks that are ready."""
    return await run_race(job, lambda race, connection: live(race, connection, job.worker_group))


async def run_handover(job: Job) -> Told:
    """From SetTaskStatus of one activity to the answer of the poll that waits for its dependent.

    Two connections take turns: one holds the task, the other the poll. The pause lets the poll
    become one that waits. Each worker group has one chain of `count` hops.
    """
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    _fail_on_defects(failed)
    first, second = await open_connections(job, 2, failed)
    latencies: list[float] = []
    cpu, began = cpu_seconds(), time.perf_counter()
    for number in range(job.chains):
        poll = poll_body(f"{job.worker_group}-{number}")
        latencies += await follow_chain(job, first, second, poll, failed)
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    return Told(seconds, cpu, len(latencies), percentiles(latencies))


async def follow_chain(
    job: Job,
    holder: Connection,
    waiter: Connection,
    poll: bytes,
    failed: asyncio.Future[None],
) -> list[float]:
    """The time of each hop along one chain, in milliseconds."""
    latencies: list[float] = []
    task = task_id(await call(holder, "PollForTask", poll, failed))
    while len(latencies) < job.count:
        handed = _begin(waiter, "PollForTask", poll)
        await call(holder, "ReportTaskProgress", report_body(task), failed)
        await asyncio.sleep(job.pause_ms / 1000)
        sent = time.perf_counter()
        done = _begin(holder, "SetTaskStatus", finish_body(task))
        answer, arrived = await either(handed, failed)
        latencies.append((arrived - sent) * 1000)
        await either(done, failed)
        task = task_id(answer)
        holder, waiter = waiter, holder
    await call(holder, "SetTaskStatus", finish_body(task), failed)
    return latencies


Answered = tuple[bytes, float]
"""An answer's body, and when it arrived."""


def _begin(connection: Connection, operation: str, body: bytes) -> asyncio.Future[Answered]:
    future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
    connection.call(
        operation, body, lambda answer: future.set_result((answer, time.perf_counter()))
    )
    return future


async def either(future: asyncio.Future[Answered], failed: asyncio.Future[None]) -> Answered:
    """The answer, unless something failed meanwhile."""
    await asyncio.wait((future, failed), return_when=asyncio.FIRST_COMPLETED)
    if failed.done():
        failed.result()
    return future.result()


async def call(
    connection: Connection, operation: str, body: bytes, failed: asyncio.Future[None]
) -> bytes:
    """One call, waited for."""
    answer, _ = await either(_begin(connection, operation, body), failed)
    return answer


async def run_hold(job: Job) -> Told:
    """Hold polls that nothing comes for, over 50 worker groups, until standard input ends."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cpu, began = cpu_seconds(), time.perf_counter()
    for number, connection in enumerate(await open_connections(job, job.count, failed)):
        connection.call("PollForTask", poll_body(f"idle-{number % 50}"), lambda _answer: None)
        if number % 64 == 0:
            await asyncio.sleep(0.01)
    print("held", flush=True)
    reading = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.wait((reading, failed), return_when=asyncio.FIRST_COMPLETED)
    if failed.done():
        failed.result()
    return Told(time.perf_counter() - began, cpu_seconds() - cpu, job.count, [])


JOBS: dict[str, Callable[[Job], Awaitable[Told]]] = {
    "echo": run_echo,
    "lives": run_lives,
    "handover": run_handover,
    "hold": run_hold,
}


async def run(job: Job) -> Told:
    """Do a job."""
    return await JOBS[job.kind](job)


def main() -> None:
    """Read a job (one line), do it, tell."""
    raise_open_files_limit()
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    told = uvloop.run(run(job))
    print(msgspec.json.encode(told).decode(), flush=True)


if __name__ == "__main__":
    main()
