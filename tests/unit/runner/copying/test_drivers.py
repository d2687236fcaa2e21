"""Databases looked up by name, reached through Java, and through stand-ins of drivers."""

from __future__ import annotations

import select
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest

from penstock.model.definition import Field, PipelineObject
from penstock.runner.aws import Aws
from penstock.runner.connectors.opening import find_address
from penstock.runner.errors import TaskFailed
from penstock.runner.options import RunnerOptions
from tests.support.object_store import object_store
from tests.unit.runner.copying.conftest import Shop, copy_task, fail, finish, in_file, in_table
from tests.unit.runner.scripted import make_task

JAR = Path("/usr/share/java/postgresql.jar")
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        yield url


def node(**fields: str) -> PipelineObject:
    return PipelineObject("Db", "Db", tuple(Field(key, value) for key, value in fields.items()))


def test_instances_and_clusters_are_looked_up(endpoint: str) -> None:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    rds = boto3.client("rds", endpoint_url=endpoint, **keys)
    rds.create_db_instance(
        DBInstanceIdentifier="shop", DBInstanceClass="db.t3.micro", Engine="mysql", DBName="orders"
    )
    redshift = boto3.client("redshift", endpoint_url=endpoint, **keys)
    redshift.create_cluster(
        ClusterIdentifier="house",
        NodeType="ra3.large",
        MasterUsername="m",
        MasterUserPassword="Secret123",
        DBName="dev",
    )
    context: Any = SimpleNamespace(
        aws=Aws(RunnerOptions(worker_groups=("w",)), KEYS | {"AWS_ENDPOINT_URL": endpoint})
    )
    found = find_address(node(rdsInstanceId="shop", username="u"), context)
    assert (found.kind, found.port, found.database, found.user) == ("mysql", 3306, "orders", "u")
    found = find_address(node(clusterId="house", databaseName="other"), context)
    assert (found.kind, found.port, found.database) == ("redshift", 5439, "other")
    with pytest.raises(TaskFailed, match="rds could not say where none is"):
        find_address(node(rdsInstanceId="none"), context)
    with pytest.raises(TaskFailed, match="says nowhere where the database is"):
        find_address(node(), context)


@pytest.mark.skipif(not JAR.exists(), reason="needs libpostgresql-jdbc-java")
def test_through_a_jdbc_driver(shop: Shop, tmp_path: Path) -> None:
    pytest.importorskip("jpype")
    (tmp_path / "in.csv").write_text("1,a\n2,\n")
    java = {
        "type": "JdbcDatabase",
        "connectionString": "jdbc:other://nowhere/x",
        "jdbcDriverClass": "org.postgresql.Driver",
        "jdbcDriverJarUri": f"file://{JAR}",
    }
    task = copy_task(in_file(tmp_path / "in.csv"), in_table("t"), Db=java)
    message = fail(tmp_path, task, "InvalidDatabase")
    assert message == "org.postgresql.Driver does not understand jdbc:other://nowhere/x."
    task = copy_task(
        in_file(tmp_path / "in.csv"), in_table("t"), Db=java | {"jdbcDriverClass": "no.Such"}
    )
    assert "has no class no.Such" in fail(tmp_path, task, "InvalidDatabase")


def forward(listener: socket.socket, target: str) -> None:
    """One connection after the other to a socket in a directory, which Java knows nothing of."""
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(target)
            while True:
                ends = select.select([near, far], [], [])[0]
                contents = [(end, end.recv(65536)) for end in ends]
                if not all(content for _, content in contents):
                    break
                for end, content in contents:
                    (far if end is near else near).sendall(content)


@pytest.mark.skipif(not JAR.exists(), reason="needs libpostgresql-jdbc-java")
def test_rows_through_a_jdbc_driver(shop: Shop, tmp_path: Path) -> None:
    """Without `//` the string is none of ours, and so the driver's business."""
    pytest.importorskip("jpype")
    shop.run("CREATE TABLE t (id text PRIMARY KEY, note text)")
    (tmp_path / "in.csv").write_text('1,"a, b"\n2,\n')
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = str(shop.cluster.directory / ".s.PGSQL.5432")
        forwarder = threading.Thread(target=forward, args=(listener, target))
        forwarder.start()
        port = listener.getsockname()[1]
        java = shop.node | {
            "connectionString": f"jdbc:postgresql:{shop.name}?PGPORT={port}&PGHOST=127.0.0.1",
            "jdbcDriverClass": "org.postgresql.Driver",
            "jdbcDriverJarUri": f"file://{JAR}",
        }
        task = copy_task(in_file(tmp_path / "in.csv"), in_table("t"), Db=java)
        finish(tmp_path, task)
        assert shop.run("SELECT * FROM t ORDER BY id") == [("1", "a, b"), ("2", None)]
        assert "duplicate key" in fail(tmp_path, task, "DatabaseError")
        finish(tmp_path, copy_task(in_table("t"), in_file(tmp_path / "out.csv"), Db=java))
        assert (tmp_path / "out.csv").read_text() == '1,"a, b"\n2,\n'
        listener.shutdown(socket.SHUT_RDWR)
    forwarder.join(30)


def fake_driver(name: str, **more: Any) -> Any:
    """A driver over SQLite, of which only the calls and the placeholders are the real one's."""
    module: Any = ModuleType(name)

    class Cursor:
        def __init__(self, inner: sqlite3.Cursor) -> None:
            self.inner = inner

        def execute(self, text: str, arguments: Any = ()) -> None:
            self.inner.execute(text.replace("%s", "?"), arguments)

        def executemany(self, text: str, rows: Any) -> None:
            self.inner.executemany(text.replace("%s", "?"), rows)

        def __getattr__(self, key: str) -> Any:
            return getattr(self.inner, key)

    class Connection:
        def __init__(self, **options: Any) -> None:
            module.options = options
            self.inner = sqlite3.connect(module.path, check_same_thread=False)
            self.autocommit = False
            self.cancel = self.inner.interrupt

        def cursor(self) -> Cursor:
            return Cursor(self.inner.cursor())

        def __getattr__(self, key: str) -> Any:
            return getattr(self.inner, key)

    module.connect = Connection
    module.Error = sqlite3.Error
    module.__dict__.update(more)
    return module


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("pytds", "jdbc:sqlserver://db:1433;databaseName=shop", {"dsn": "db", "database": "shop"}),
        ("oracledb", "jdbc:oracle:thin:@db:1521:ORCL", {"dsn": "db/1521/ORCL"}),
    ],
)
def test_stand_ins_of_sql_server_and_oracle(
    name: str, url: str, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = fake_driver(name, makedsn=lambda h, p, sid, service_name: f"{h}/{p}/{sid}")
    driver.path = str(tmp_path / "db")
    monkeypatch.setitem(sys.modules, name, driver)
    (tmp_path / "in.csv").write_text("1,a\n2,\n")
    there = {"type": "JdbcDatabase", "connectionString": url, "username": "u", "*password": "p"}
    create = "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)"
    target = in_table("orders", createTableSql=create)
    finish(tmp_path, copy_task(in_file(tmp_path / "in.csv"), target, Db=there))
    assert expected.items() <= driver.options.items()
    assert (driver.options["user"], driver.options["password"]) == ("u", "p")
    finish(tmp_path, copy_task(in_table("orders"), in_file(tmp_path / "out.csv"), Db=there))
    assert (tmp_path / "out.csv").read_text() == "1,a\n2,\n"
    script = "UPDATE orders SET note = ? WHERE id = ?; SELECT broken"
    task = make_task(
        type="SqlActivity",
        database=("ref", "Db"),
        script=script,
        scriptArgument=["x", "1"],
        objects={"Db": there},
    )
    assert "Statement 2 of 2" in fail(tmp_path, task, "DatabaseError")
    finish(tmp_path, copy_task(in_table("orders"), in_file(tmp_path / "out.csv"), Db=there))
    assert (tmp_path / "out.csv").read_text() == "1,a\n2,\n"


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    there = {"type": "JdbcDatabase", "connectionString": "jdbc:mysql://db/x"}
    task = copy_task(in_table("orders"), in_file(tmp_path / "out.csv"), Db=there)
    message = fail(tmp_path, task, "MissingLibrary")
    assert message == (
        "A MySQL database needs `pip install 'penstock[mysql]'` where the runner is."
    )
