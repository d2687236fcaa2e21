"""A real server: `penstock serve` as a process that a test may kill and start again."""

from __future__ import annotations

import configparser
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.wire.client import Client
from penstock.wire.sigv4 import Credentials

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
START_SECONDS = 60
"""Only a bound for a machine in trouble; a start takes half a second."""


def clean_environ() -> dict[str, str]:
    """This process's environment without what would give a client other keys or places."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "HOME": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": str(ROOT / "src"),
    }


class Server:
    """The process, its directory, and the way to call it; restarts keep directory and port."""

    def __init__(
        self,
        data: Path,
        *options: str,
        arguments: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`options` are settings, `arguments` go to the command line as they are."""
        self._environ = clean_environ() | dict(environ or {})
        self.data = data
        self.port = 0
        self._options = options
        self._arguments = arguments
        self._log = data.with_name(data.name + ".log")
        self._process: subprocess.Popen[str] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> Credentials:
        return read_profile((self.data / "credentials").read_text("utf-8"))

    @property
    def log(self) -> str:
        """What the server has written to its standard error, over all its lives."""
        return self._log.read_text("utf-8")

    def start(self) -> None:
        """Start, or start again, and wait until it listens."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*_PENSTOCK, "serve", "--data", self.data, "--port", str(self.port)]
                + list(self._arguments)
                + [word for option in self._options for word in ("--set", option)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environ,
            )
        assert self._process.stdout is not None
        greeting = self._process.stdout.readline().split()
        assert greeting[:2] == ["Penstock", "serves"], self.log
        self.port = int(greeting[2].rpartition(":")[2])

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: the server gets no chance to put anything away."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, as an operator would; the exit status."""
        return self._end(signal.SIGTERM)

    @contextmanager
    def halted(self) -> Iterator[None]:
        """The process stands still: what is sent meanwhile reaches it all at once."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdout is not None
        with process.stdout:
            process.send_signal(number)
            return process.wait(START_SECONDS)

    def other_account(self, name: str = "other") -> Credentials:
        """A key of another account, made by the command that an operator would use."""
        made = subprocess.run(
            [*_PENSTOCK, "keys", "create", "--data", self.data, "--account", name],
            capture_output=True,
            text=True,
            check=True,
            env=clean_environ(),
        )
        return read_profile(made.stdout)

    def caller(self, credentials: Credentials | None = None, **how: Any) -> Client:
        """Our own client, which tries once."""
        how = {"tries": 1, "read_timeout_seconds": 30} | how
        return Client(self.endpoint, credentials or self.credentials, REGION, **how)

    def boto(self, credentials: Credentials | None = None, read_timeout: float = 30) -> Any:
        """A stock boto3 client that tries once, so that a test sees what the server did."""
        key = credentials or self.credentials
        return boto_client(self.endpoint, key.access_key_id, key.secret_access_key, read_timeout)


def boto_client(endpoint: str, key_id: str, secret: str, read_timeout: float = 30) -> Any:
    """boto3 as it is, but for its patience."""
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"total_max_attempts": 1},
        read_timeout=read_timeout,
        max_pool_connections=32,
        proxies={},
    )
    session = boto3.session.Session(key_id, secret)
    return session.client("datapipeline", endpoint_url=endpoint, region_name=REGION, config=config)


_PENSTOCK = (sys.executable, "-m", "penstock")


def read_profile(text: str) -> Credentials:
    """The key in a section `penstock` of an AWS credentials file."""
    profile = configparser.RawConfigParser()
    profile.read_string(text)
    key = profile["penstock"]
    return Credentials(key["aws_access_key_id"], key["aws_secret_access_key"])


@contextmanager
def serving(data: Path, *options: str, arguments: Sequence[str] = ()) -> Iterator[Server]:
    """A server for the length of a block. Afterwards its log must tell of no defect."""
    server = Server(data, *options, arguments=arguments)
    server.start()
    try:
        yield server
        assert server.running, f"the server has died:\n{server.log}"
        assert server.stop() == 0, server.log
    finally:
        server.kill()
    assert "failed" not in server.log, server.log
