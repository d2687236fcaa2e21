"""Servers, runners and load generators as processes, and what the system says of them (Linux)."""

import configparser
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from bench.jobs import Job, Told
from penstock.wire.client import Client
from penstock.wire.sigv4 import Credentials

HOST = "127.0.0.1"
_READY_SECONDS = 30.0
_LOOK_SECONDS = 0.002
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A process of the bench did not do what it should."""


class Process:
    """A child process, stopped by SIGTERM."""

    def __init__(self, arguments: Sequence[str], log: Path, **environment: str) -> None:
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def stdin(self) -> IO[bytes]:
        """Its standard input."""
        assert self._child.stdin is not None
        return self._child.stdin

    def running(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.running():
            self._child.send_signal(signal.SIGTERM)
        self.stdin.close()
        self._child.wait(_READY_SECONDS)


class Server(Struct, frozen=True):
    """A server that answers, and how to call it."""

    process: Process
    port: int
    credentials: Credentials
    data: Path

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://{HOST}:{self.port}"

    def client(self) -> Client:
        """A client for what is not measured."""
        return Client(self.url, self.credentials, tries=1)

    def job(self, kind: str, count: int, **facts: object) -> Job:
        """A job against this server."""
        keys = self.credentials
        told = {"kind": kind, "count": count, "host": HOST, "port": self.port, **facts}
        told |= {
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
        }
        return msgspec.convert(told, Job)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(process: Process, port: int) -> None:
    """Return as soon as /health answers."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.running():
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(_LOOK_SECONDS)
        finally:
            connection.close()
    raise Broken(f"no server came up; see {process.log}:\n{process.log.read_text()[-2000:]}")


def start_server(data: Path, *options: str) -> Server:
    """`penstock serve` on a directory, ready to answer."""
    port = free_port()
    process = Process(
        ["penstock", "serve", "--data", str(data), "--port", str(port), *options],
        data.with_name(f"{data.name}-{port}.server.log"),
    )
    wait_until_ready(process, port)
    return Server(process, port, read_credentials(data / "credentials"), data)


@contextmanager
def serving(data: Path, *options: str) -> Iterator[Server]:
    """A server for the length of a block."""
    server = start_server(data, *options)
    try:
        yield server
    finally:
        server.process.stop()


@contextmanager
def echoing(directory: Path) -> Iterator[Server]:
    """The echo server for the length of a block."""
    port = free_port()
    process = Process(["bench.echo", HOST, str(port)], directory / "echo.log")
    credentials = Credentials("AKIDECHO", "an-echo-keeps-no-secret")
    process.stdin.write(f"{credentials.access_key_id}\n{credentials.secret_access_key}\n".encode())
    process.stdin.close()
    wait_until_ready(process, port)
    try:
        yield Server(process, port, credentials, directory)
    finally:
        process.stop()


def read_credentials(path: Path) -> Credentials:
    """The first key of a server's directory."""
    parser = configparser.ConfigParser()
    parser.read(path)
    section = parser["penstock"]
    return Credentials(section["aws_access_key_id"], section["aws_secret_access_key"])


@contextmanager
def running(server: Server, directory: Path, worker_group: str, slots: int) -> Iterator[Process]:
    """`penstock runner` for the length of a block."""
    directory.mkdir(parents=True, exist_ok=True)
    process = Process(
        [
            *("penstock", "runner", "--workerGroup", worker_group, "--tasks", str(slots)),
            *("--endpoint", server.url, "--output", str(directory)),
        ],
        directory / "runner.log",
        AWS_SHARED_CREDENTIALS_FILE=str(server.data / "credentials"),
        AWS_PROFILE="penstock",
    )
    try:
        yield process
    finally:
        process.stop()


def run_job(job: Job) -> Told:
    """Have a load generator do a job."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=msgspec.json.encode(job) + b"\n",
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise Broken(f"the load generator failed at {job.kind}")
    return msgspec.json.decode(done.stdout, type=Told)


@contextmanager
def holding(job: Job) -> Iterator[None]:
    """Polls held for the length of a block."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(msgspec.json.encode(job) + b"\n")
        child.stdin.flush()
        if child.stdout.readline() != b"held\n":
            raise Broken("the polls could not be held")
        try:
            yield
        finally:
            child.stdin.close()
            child.wait(_READY_SECONDS)
        if child.returncode:
            raise Broken("held polls were lost")


class Memory(Struct, frozen=True):
    """Memory of a process and its children in KiB; `pss_kib` counts shared pages by their share."""

    rss_kib: int
    pss_kib: int


def memory(pid: int) -> Memory:
    """What a process and its children hold now."""
    rss = pss = 0
    for each in family(pid):
        facts = _rollup(each)
        rss += facts.get("Rss", 0)
        pss += facts.get("Pss", 0)
    return Memory(rss, pss)


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found.extend(int(child) for child in children.read_text().split())
    return found


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (ln.partition(":") for ln in lines)}


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
