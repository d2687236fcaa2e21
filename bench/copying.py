"""(k) CopyActivity with a large CSV, against the databases' own clients and `cat` in a pipe."""

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from bench.figures import Figure
from bench.ground import Ground
from bench.postgres import clustered
from tests.support.mariadb import PASSWORD, USER, Maria, running_mariadb
from tests.support.postgres import SUPERUSER, Cluster
from tests.unit.runner.scripted import House, make_task

ROWS, QUICK_ROWS = 10_000_000, 500_000
TARGET = 0.7
MOST_MIB = 300.0
_COLUMNS = "id bigint, customer varchar(40), amount numeric(12,2), at timestamp, state varchar(8)"
_CREATE = f"CREATE TABLE t ({_COLUMNS}, note varchar(60))"


class Run(Struct, frozen=True):
    """One copy by a runner of its own: its time, and the most memory that the process held."""

    seconds: float
    mib: float


def measure_copying(ground: Ground) -> list[Figure]:
    """All directions, each by turns with what it is compared with."""
    path = ground.directory / "in.csv"
    generate(path, ground.pick(ROWS, QUICK_ROWS))
    figures = [*_files(ground, path)]
    with clustered(ground) as cluster:
        figures += _postgres(ground, cluster, path)
    if shutil.which("mariadb") and shutil.which("mariadbd", path="/usr/sbin:/usr/bin"):
        with running_mariadb(ground.directory) as maria:
            figures += _mysql(ground, maria, path)
    return figures


def generate(path: Path, rows: int) -> None:
    """The same rows each time, 100 bytes each, a tenth of the states NULL."""
    with path.open("w") as writer:
        for start in range(0, rows, 10_000):
            writer.writelines(_line(number) for number in range(start, start + 10_000))


def _line(number: int) -> str:
    state = "" if number % 10 == 0 else f"state{number % 7}"
    moment = f"2026-01-{number % 28 + 1:02d} 12:{number % 60:02d}:00"
    note = f"a note of some length about {number % 977}"
    return f"{number},Customer number {number % 1000},{number / 100:.2f},{moment},{state},{note}\n"


def _files(ground: Ground, path: Path) -> Iterator[Figure]:
    out, tsv = ground.data("out.tsv"), {"F": {"type": "TSV"}}
    task = _copy(_file(path), _file(out) | {"dataFormat": ("ref", "F")}, **tsv)
    cat = f"cat {shlex.quote(str(path))} | cat > {shlex.quote(str(ground.data('cat')))}"
    shell = ["sh", "-c", cat]
    yield from _compare(ground, "CSV to TSV, file to file", "cat", shell, task, out, None)


def _postgres(ground: Ground, cluster: Cluster, path: Path) -> Iterator[Figure]:
    database = cluster.create()
    url, out = cluster.url(database), ground.data("out.csv")

    def psql(command: str) -> list[str]:
        return ["psql", url, "-qXc", command]

    def empty() -> None:
        subprocess.run(psql("DROP TABLE IF EXISTS t"), check=True, stderr=subprocess.DEVNULL)
        subprocess.run(psql(_CREATE), check=True)

    host = quote(str(cluster.directory), safe="")
    node = {
        "type": "JdbcDatabase",
        "connectionString": f"jdbc:postgresql://{host}/{database}",
        "username": SUPERUSER,
    }
    table = {"table": "t", "database": ("ref", "Db")}
    theirs = psql(f"\\copy t from '{path}' with (format csv)")
    task = _copy(_file(path), table, Db=node)
    yield from _compare(ground, "CSV to PostgreSQL", "psql", theirs, task, None, TARGET, empty)
    theirs = psql(f"\\copy t to '{ground.data('psql.csv')}' with (format csv)")
    task = _copy(table, _file(out), Db=node)
    yield from _compare(ground, "PostgreSQL to CSV", "psql", theirs, task, out, TARGET)


def _mysql(ground: Ground, maria: Maria, path: Path) -> Iterator[Figure]:
    name, out = maria.create(), ground.data("out.csv")
    maria.run(name, _CREATE.replace("timestamp", "datetime"))
    node = {
        "type": "JdbcDatabase",
        "connectionString": maria.url(name),
        "username": USER,
        "*password": PASSWORD,
    }
    table = {"table": "t", "database": ("ref", "Db")}
    loaded = copy_once(ground, _copy(_file(path), table, Db=node))
    yield Figure("k", "CSV to MySQL, memory", loaded.mib, "MiB", MOST_MIB, at_least=False)
    command = (
        f"mariadb --no-defaults -S {maria.socket} -u {USER} {name} --quick -NBe 'SELECT * FROM t'"
    )
    theirs = ["sh", "-c", f"MYSQL_PWD={PASSWORD} {command} > {ground.data('mariadb.tsv')}"]
    task = _copy(table, _file(out), Db=node)
    yield from _compare(ground, "MySQL to CSV", "mariadb", theirs, task, out, None)


def _compare(
    ground: Ground,
    name: str,
    client: str,
    theirs: list[str],
    task: Any,
    output: Path | None,
    target: float | None,
    before: Callable[[], None] = lambda: None,
) -> Iterator[Figure]:
    """The client's time by ours, by turns, and the most memory that a copy took."""
    others: list[float] = []
    runs: list[Run] = []
    for _ in range(ground.pick(3, 2)):
        before()
        began = time.monotonic()
        subprocess.run(theirs, check=True)
        others.append(time.monotonic() - began)
        before()
        runs.append(copy_once(ground, task))
        if output is not None:
            output.unlink()
    ours = median(run.seconds for run in runs)
    ratio = median(other / run.seconds for other, run in zip(others, runs, strict=True))
    note = f"{ours:.1f} s, {client} {median(others):.1f} s"
    yield Figure("k", f"{name}, {client}'s time by ours", ratio, "", target, note=note)
    most = max(run.mib for run in runs)
    yield Figure("k", f"{name}, memory", most, "MiB", MOST_MIB, at_least=False)


def copy_once(ground: Ground, task: Any) -> Run:
    """Have a process of its own do a task; its memory would else be that of all before it."""
    directory = ground.data("runner")
    directory.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "bench.copying", str(directory)],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ,
    )
    told = json.loads(done.stdout)
    return Run(told["seconds"], told["mib"])


def _copy(source: dict[str, Any], target: dict[str, Any], **objects: Any) -> Any:
    nodes = {"In": source, "Out": target} | objects
    ends: dict[str, Any] = {"input": ("ref", "In"), "output": ("ref", "Out")}
    return make_task(type="CopyActivity", objects=nodes, **ends)


def _file(path: Path) -> dict[str, Any]:
    return {"filePath": f"file://{path.resolve()}"}


def main() -> None:
    """A runner that does one task, from its standard input; what that took goes to the other."""
    house = House(Path(sys.argv[1]))
    task = json.load(sys.stdin)
    house.start()
    began = time.monotonic()
    house.service.offer(task)
    # A gigabyte may take longer than tests wait for anything.
    house.service.settled.acquire()
    seconds = time.monotonic() - began
    house.close()
    status = house.service.status()
    if status["taskStatus"] != "FINISHED":
        sys.exit(f"the copy failed: {status}")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "mib": most}))


if __name__ == "__main__":
    main()
