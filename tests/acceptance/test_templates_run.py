"""The published templates, filled in by the command and run to their end by a real server.

Its machines and clusters are processes of this host, S3 and DynamoDB are moto's, MySQL is a MariaDB
and Redshift a PostgreSQL.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.definitions import described, field_values, instances
from tests.support.dynamodb import client, make_table
from tests.support.mariadb import PASSWORD, USER, Maria, running_mariadb
from tests.support.object_store import get_objects, object_store, put_object
from tests.support.postgres import SUPERUSER, Cluster
from tests.support.server import Server, clean_environ
from tests.support.waiting import eventually

BUCKET = "templates"
ROWS = [("1", "pear"), ("2", "apple, red")]
SETTLED = ("FINISHED", "FAILED", "CASCADE_FAILED", "TIMEDOUT", "CANCELED")


class House:
    """A server with moto's stores, and the way to have a template run on it."""

    def __init__(self, server: Server, store: str) -> None:
        self.server = server
        self.store = store
        self.client = server.boto()

    def run(self, template: str, values: Mapping[str, str], *more: str) -> None:
        """Fill in, create, activate, and wait until all of it has finished."""
        pairs = [word for n, v in values.items() for word in ("--parameter", f"{n}={v}")]
        where = ["--data", str(self.server.data), "--endpoint", self.server.endpoint]
        words = [*pairs, *more, "--create", "--activate", *where]
        made = subprocess.run(
            [sys.executable, "-m", "penstock", "templates", "create", template, *words],
            capture_output=True,
            text=True,
            env=clean_environ(),
            timeout=60,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        pipeline = made.stdout.strip()
        found = eventually(lambda: self._over(pipeline), f"the end of {template}")
        assert set(found.values()) == {"FINISHED"}, self._told(pipeline, found)

    def _over(self, pipeline: str) -> dict[str, str] | None:
        ids = instances(self.client, pipeline)
        if not ids:
            return None
        answer = self.client.describe_objects(pipelineId=pipeline, objectIds=ids)
        found = {each["id"]: field_values(each, "@status") for each in answer["pipelineObjects"]}
        states = {name: values[0] for name, values in found.items()}
        return states if all(state in SETTLED for state in states.values()) else None

    def _told(self, pipeline: str, found: dict[str, str]) -> dict[str, object]:
        failed = [name for name, state in found.items() if state == "FAILED"]
        keys = ("errorId", "errorMessage")
        told = {name: described(self.client, pipeline, name) for name in failed}
        return {name: [fields.get(key) for key in keys] for name, fields in told.items()}

    def objects(self, prefix: str) -> dict[str, bytes]:
        return get_objects(self.store, BUCKET, prefix)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with object_store() as store:
        put_object(store, BUCKET, None)
        environ = {
            "AWS_ENDPOINT_URL": store,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        data = tmp_path_factory.mktemp("templates") / "data"
        server = Server(data, "allow_backfill=true", environ=environ)
        server.start()
        made = House(server, store)
        yield made
        made.client.close()
        assert server.stop() == 0, server.log


def test_getting_started_shell(house: House):
    put_object(house.store, BUCKET, "logs/one.log", b"GET /\nPOST /\nGET /x\n")
    values = {"myS3InputLoc": f"s3://{BUCKET}/logs", "myS3OutputLoc": f"s3://{BUCKET}/counts"}
    house.run("getting-started-shell", values)
    ((name, content),) = house.objects("counts/").items()
    assert name.endswith("/output.txt")
    assert content.strip().endswith(b"2")


def test_run_aws_cli(house: House):
    pytest.importorskip("awscli")
    aws = f"{sys.executable} -m awscli"
    command = f"echo hello | {aws} s3 cp - s3://{BUCKET}/cli/hello --endpoint-url {house.store}"
    house.run("run-aws-cli", {"myAWSCLICmd": command})
    assert house.objects("cli/") == {"cli/hello": b"hello\n"}


def test_export_and_import_dynamodb(house: House):
    items = [{"id": {"S": str(n)}, "count": {"N": str(n)}} for n in range(30)]
    make_table(house.store, "source", items)
    make_table(house.store, "target")
    values = {"myDDBTableName": "source", "myOutputS3Loc": f"s3://{BUCKET}/backups"}
    house.run("export-dynamodb", values)
    (folder,) = {"/".join(name.split("/")[:2]) for name in house.objects("backups/")}
    values = {"myDDBTableName": "target", "myInputS3Loc": f"s3://{BUCKET}/{folder}"}
    house.run("import-dynamodb", values)
    found = client(house.store).scan(TableName="target")["Items"]
    assert sorted(found, key=lambda each: int(each["id"]["S"])) == items


def test_run_emr_job(house: House, tmp_path: Path):
    done = tmp_path / "done"
    house.run("run-emr-job", {"myEmrStep": f"command-runner.jar,touch,{done}"})
    assert done.exists()


@pytest.fixture(scope="module")
def maria() -> Iterator[Maria]:
    with running_mariadb() as running:
        yield running


@pytest.fixture
def orders(maria: Maria) -> str:
    """A database with a table `orders`, one row of which was changed in each of two days."""
    name = maria.create()
    maria.run(name, "CREATE TABLE orders (id INT PRIMARY KEY, what VARCHAR(20), changed DATETIME)")
    for day, (number, what) in enumerate(ROWS, 1):
        moment = f"2024-05-0{day} 12:00:00"
        maria.run(name, f"INSERT INTO orders VALUES ({number}, '{what}', '{moment}')")
    return name


def mysql(maria: Maria, name: str) -> dict[str, str]:
    return {
        "myRDSJdbcConnectStr": maria.url(name),
        "myRDSUsername": USER,
        "myRDSPassword": PASSWORD,
        "myRDSTableName": "orders",
    }


INCREMENTAL = ("--period", "1 day", "--start", "2024-05-02T00:00:00", "--times", "1")
CHANGED = {"myRDSTableLastModifiedCol": "changed"}


def test_copy_rds_to_s3(house: House, maria: Maria, orders: str):
    values = mysql(maria, orders) | {"myOutputS3Loc": f"s3://{BUCKET}/full"}
    house.run("copy-rds-to-s3", values)
    (content,) = house.objects("full/").values()
    found = csv.reader(content.decode().splitlines())
    assert [(number, what) for number, what, _ in found] == ROWS


def test_copy_rds_to_s3_incremental(house: House, maria: Maria, orders: str):
    values = mysql(maria, orders) | CHANGED | {"myOutputS3Loc": f"s3://{BUCKET}/changes"}
    house.run("copy-rds-to-s3-incremental", values, *INCREMENTAL)
    (content,) = house.objects("changes/").values()
    assert content.startswith(b'2,"apple, red",2024-05-02')


def test_load_s3_to_rds(house: House, maria: Maria, orders: str):
    put_object(house.store, BUCKET, "load/orders.csv", b"2,plum\n3,fig\n")
    insert = "INSERT INTO orders (id, what) VALUES (?, ?) ON DUPLICATE KEY UPDATE what=VALUES(what)"
    values = {"myInputS3Loc": f"s3://{BUCKET}/load/orders.csv", "myRDSTableInsertSql": insert}
    house.run("load-s3-to-rds", mysql(maria, orders) | values)
    found = maria.run(orders, "SELECT id, what FROM orders ORDER BY id")
    assert found == [(1, "pear"), (2, "plum"), (3, "fig")]


@pytest.fixture
def warehouse(cluster: Cluster) -> Iterator[str]:
    name = cluster.create()
    yield name
    cluster.drop(name)


def redshift(cluster: Cluster, name: str, columns: str) -> dict[str, str]:
    host = str(cluster.directory).replace("/", "%2F")
    return {
        "myRedshiftJdbcConnectStr": f"jdbc:postgresql://{host}/{name}",
        "myRedshiftDbName": name,
        "myRedshiftUsername": SUPERUSER,
        "myRedshiftPassword": "unused",
        "myRedshiftTableName": "orders",
        "myRedshiftCreateTableSql": f"CREATE TABLE orders ({columns})",
    }


def rows(cluster: Cluster, name: str) -> list[tuple[object, ...]]:
    with cluster.connect(name) as connection:
        return connection.execute("SELECT id, what FROM orders ORDER BY id").fetchall()


COLUMNS = "id INT PRIMARY KEY, what VARCHAR(80), changed TIMESTAMP"


def test_copy_rds_to_redshift(
    house: House, maria: Maria, orders: str, cluster: Cluster, warehouse: str
):
    values = mysql(maria, orders) | redshift(cluster, warehouse, COLUMNS)
    house.run("copy-rds-to-redshift", values | {"myS3StagingLoc": f"s3://{BUCKET}/staging"})
    assert rows(cluster, warehouse) == [(1, "pear"), (2, "apple, red")]


def test_copy_rds_to_redshift_incremental(
    house: House, maria: Maria, orders: str, cluster: Cluster, warehouse: str
):
    values = mysql(maria, orders) | CHANGED | redshift(cluster, warehouse, COLUMNS)
    values |= {"myS3StagingLoc": f"s3://{BUCKET}/staging"}
    house.run("copy-rds-to-redshift-incremental", values, *INCREMENTAL)
    assert rows(cluster, warehouse) == [(2, "apple, red")]


def test_load_s3_to_redshift(house: House, cluster: Cluster, warehouse: str):
    put_object(house.store, BUCKET, "shelf/orders.csv", b'1,pear\n2,"apple, red"\n')
    values = redshift(cluster, warehouse, "id INT PRIMARY KEY, what VARCHAR(80)")
    house.run("load-s3-to-redshift", values | {"myInputS3Loc": f"s3://{BUCKET}/shelf"})
    assert rows(cluster, warehouse) == [(1, "pear"), (2, "apple, red")]
