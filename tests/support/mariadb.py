"""A MariaDB of the tests' own, from the system's binaries; tests that need one are skipped without.

Debian's package is `mariadb-server-core`; `.ci/install-test-tools` installs it.
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
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

# By name: whether its types are known depends on what else is installed.
pymysql: Any = import_module("pymysql")

USER, PASSWORD = "shopkeeper", "topsecret"
START_SECONDS = 60
"""Only a bound for a machine in trouble; a start takes a second."""


def find_server() -> Path:
    """The server's binary; skips the test where there is none."""
    found = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
    if found is None:
        pytest.skip("needs mariadbd (.ci/install-test-tools installs it)")
    return Path(found)


class Maria:
    """A running server, reached over a socket in its directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "s"
        self._server = find_server()
        self._owner: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            self._owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(directory, user.pw_uid, user.pw_gid)

    @property
    def _options(self) -> list[str]:
        return [
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--socket={self.socket}",
            f"--pid-file={self.directory / 'pid'}",
            "--skip-networking",
            "--innodb-flush-method=nosync",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=32M",
            "--character-set-server=utf8mb4",
        ]

    def prepare(self) -> None:
        """Make the data directory, with one user who may do all."""
        (self.directory / "data").mkdir()
        if self._owner:
            os.chown(self.directory / "data", self._owner["user"], self._owner["group"])
        install = shutil.which("mariadb-install-db") or "mariadb-install-db"
        subprocess.run(
            [install, *self._options, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
            cwd=self.directory,
            **self._owner,
        )

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._server, *self._options],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                **self._owner,
            )
        deadline = time.monotonic() + START_SECONDS
        # The socket appears when the server listens.
        while not self.socket.exists():
            assert time.monotonic() < deadline, (self.directory / "log").read_text()
            assert self._process.poll() is None, (self.directory / "log").read_text()
            time.sleep(0.05)
        with self.connect(user="root", password="") as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER IF NOT EXISTS {USER} IDENTIFIED BY '{PASSWORD}'")
            cursor.execute(f"GRANT ALL ON *.* TO {USER}")

    def stop(self) -> None:
        """At once."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(START_SECONDS)

    def connect(self, **options: Any) -> Any:
        settings = {"user": USER, "password": PASSWORD, "autocommit": True} | options
        return pymysql.connect(unix_socket=str(self.socket), charset="utf8mb4", **settings)

    def create(self) -> str:
        """A new database; answers its name."""
        name = f"test{next(self._names)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        return name

    def url(self, database: str) -> str:
        """How a definition names a database of it."""
        return f"jdbc:mariadb://{quote(str(self.socket), safe='')}/{database}"

    def run(self, database: str, statement: str) -> list[Any]:
        with self.connect(database=database) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


@contextmanager
def running_mariadb(parent: Path | None = None) -> Iterator[Maria]:
    """A server for the length of a block, in a directory that others may see into."""
    find_server()
    directory = Path(tempfile.mkdtemp(prefix="penstock-my-", dir=parent))
    try:
        maria = Maria(directory)
        maria.prepare()
        maria.start()
        try:
            yield maria
        finally:
            maria.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
