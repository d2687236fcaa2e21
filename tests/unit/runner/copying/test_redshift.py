"""RedshiftCopyActivity on a PostgreSQL: the same statements but for the COPY itself."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from penstock.runner.stop import CANCELED
from tests.support.dynamodb import make_table
from tests.support.object_store import object_store
from tests.support.waiting import eventually
from tests.unit.runner.copying.conftest import Shop, run
from tests.unit.runner.scripted import House, make_task

ROOT = Path(__file__).resolve().parents[4]
OLD = [(1, "old"), (2, "old")]
NEW = "2,new\n3,first\n3,last\n"


@pytest.fixture
def table(shop: Shop) -> Shop:
    """`users`, with a primary key and two rows."""
    shop.run("CREATE TABLE users (id int PRIMARY KEY, name text)")
    shop.run("INSERT INTO users VALUES (1, 'old'), (2, 'old')")
    return shop


def node(**fields: Any) -> dict[str, Any]:
    return {"type": "RedshiftDataNode", "tableName": "users", "database": ("ref", "Db")} | fields


def load_task(shop: Shop, source: dict[str, Any], mode: str = "APPEND", **fields: Any) -> Any:
    target = fields.pop("target", node())
    objects = {"In": source, "Out": target, "Db": shop.node} | fields.pop("objects", {})
    return make_task(
        type="RedshiftCopyActivity",
        insertMode=mode,
        input=("ref", "In"),
        output=("ref", "Out"),
        objects=objects,
        **fields,
    )


def file(tmp_path: Path, content: str | bytes = NEW, **fields: Any) -> dict[str, Any]:
    path = tmp_path / "input.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return {"type": "S3DataNode", "filePath": f"file://{path}"} | fields


def rows(shop: Shop) -> list[Any]:
    return shop.run("SELECT id, name FROM users ORDER BY 1, 2")


def finish(tmp_path: Path, task: Any) -> None:
    status = run(tmp_path, task)
    assert status["taskStatus"] == "FINISHED", status


MODES = {
    "KEEP_EXISTING": [(1, "old"), (2, "old"), (3, "first")],
    "OVERWRITE_EXISTING": [(1, "old"), (2, "new"), (3, "last")],
}


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_matched_by_the_primary_key(table: Shop, tmp_path: Path, mode: str) -> None:
    for _ in range(2):  # Once more changes nothing: a retry whose first run was not heard of.
        finish(tmp_path, load_task(table, file(tmp_path), mode))
        assert rows(table) == MODES[mode]


def test_truncate_leaves_the_new_rows_only(table: Shop, tmp_path: Path) -> None:
    finish(tmp_path, load_task(table, file(tmp_path, "7,x\n"), "TRUNCATE"))
    assert rows(table) == [(7, "x")]


def test_append_adds_whatever_comes(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE users (id int, name text)")
    for _ in range(2):
        finish(tmp_path, load_task(shop, file(tmp_path, "1,a\n1,a\n")))
    assert rows(shop) == [(1, "a")] * 4


def test_primary_keys_of_the_node_come_before_the_tables_own(shop: Shop, tmp_path: Path) -> None:
    shop.run('CREATE TABLE users (id int, name text, "Shop" text, UNIQUE (name, "Shop"))')
    shop.run("INSERT INTO users VALUES (1, 'a', 'x'), (2, 'a', 'y')")
    target = node(primaryKeys=["name", "shop"])
    task = load_task(
        shop, file(tmp_path, "9,a,x\n8,b,\n8,b,\n"), "OVERWRITE_EXISTING", target=target
    )
    finish(tmp_path, task)
    # A row without a value in a key matches none, not even its like.
    assert [row[0] for row in shop.run("SELECT id FROM users ORDER BY 1")] == [2, 8, 8, 9]


def test_a_mode_that_needs_a_key_says_so(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE users (id int, name text)")
    status = run(tmp_path, load_task(shop, file(tmp_path), "KEEP_EXISTING"))
    assert status["errorId"] == "KeyMissing"
    assert 'KEEP_EXISTING needs to know what rows of "public"."users"' in status["errorMessage"]
    bad = node(primaryKeys="nme")
    status = run(tmp_path, load_task(shop, file(tmp_path), "KEEP_EXISTING", target=bad))
    assert status["errorMessage"] == 'primaryKeys names nme, but "public"."users" has id, name.'


def test_the_table_is_created_if_it_is_missing(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE SCHEMA sales")
    create = "CREATE TABLE sales.Users (id int PRIMARY KEY, name text);"
    target = node(tableName="Users", schemaName="sales", createTableSql=create)
    for _ in range(2):
        finish(tmp_path, load_task(shop, file(tmp_path), "KEEP_EXISTING", target=target))
    assert shop.run("SELECT count(*) FROM sales.users") == [(2,)]
    status = run(tmp_path, load_task(shop, file(tmp_path), target=node(tableName="nowhere")))
    assert status["errorId"] == "TableMissing"
    missing = "There is no table public.nowhere; createTableSql could say how to create it."
    assert status["errorMessage"] == missing


def test_transform_sql_stands_between(table: Shop, tmp_path: Path) -> None:
    # What the file looks like is told by its format, and the query makes the table's rows of it.
    columns = {"type": "CSV", "column": ["First STRING", "last TEXT", "number INT"]}
    task = load_task(
        table,
        file(tmp_path, "Ann,Lee,2\nBob,Ray,5\n", dataFormat=("ref", "Format")),
        "OVERWRITE_EXISTING",
        transformSql="SELECT number, first || ' ' || last FROM staging WHERE number > 0;",
        objects={"Format": columns},
    )
    finish(tmp_path, task)
    assert rows(table) == [(1, "old"), (2, "Ann Lee"), (5, "Bob Ray")]


def test_a_directory_and_a_manifest(table: Shop, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_text("3,a")  # No line end: the next file begins a row all the same.
    (data / "b.csv").write_text("4,b\n")
    source = {"type": "S3DataNode", "directoryPath": f"file://{data}"}
    finish(tmp_path, load_task(table, source))
    entries = [{"url": f"file://{data}/b.csv", "mandatory": True}]
    (tmp_path / "manifest").write_text(json.dumps({"entries": entries}))
    source = {"type": "S3DataNode", "manifestFilePath": f"file://{tmp_path}/manifest"}
    finish(tmp_path, load_task(table, source, "KEEP_EXISTING"))
    assert rows(table) == [*OLD, (3, "a"), (4, "b")]
    entries[0]["url"] = f"file://{data}/c.csv"
    (tmp_path / "manifest").write_text(json.dumps({"entries": entries}))
    status = run(tmp_path, load_task(table, source, "KEEP_EXISTING"))
    assert status["errorId"] == "StagingFailed"
    assert "c.csv, which the manifest demands, is not there" in status["errorMessage"]


def test_command_options_are_followed_as_redshift_would(table: Shop, tmp_path: Path) -> None:
    content = gzip.compress(b"id|name\n\n3|a,b\n4|\n")
    options = ["IGNOREHEADER AS 1", "IGNOREBLANKLINES", "GZIP EMPTYASNULL", "COMPUPDATE OFF"]
    finish(tmp_path, load_task(table, file(tmp_path, content), commandOptions=options))
    assert rows(table) == [*OLD, (3, "a,b"), (4, None)]
    source = file(tmp_path, gzip.compress(b"5|x\n"), compression="gzip")
    finish(tmp_path, load_task(table, source, commandOptions=["DELIMITER '|'"]))
    assert rows(table)[-1] == (5, "x")
    status = run(
        tmp_path, load_task(table, file(tmp_path), commandOptions=["CSV", "FIXEDWIDTH '3'"])
    )
    assert status["errorId"] == "InvalidCommandOptions"
    assert status["errorMessage"].startswith("commandOptions: FIXEDWIDTH is Redshift's own")


def test_what_a_format_says_counts_more_than_command_options(table: Shop, tmp_path: Path) -> None:
    task = load_task(
        table,
        file(tmp_path, "3\ta\n", dataFormat=("ref", "Format")),
        commandOptions=["CSV"],
        objects={"Format": {"type": "TSV"}},
    )
    house = House(tmp_path)
    assert house.run(task)["taskStatus"] == "FINISHED"
    assert "commandOptions: CSV is ignored, as there is a dataFormat" in house.attempt_file(
        "Activity.log"
    )
    assert rows(table) == [*OLD, (3, "a")]


def test_what_is_malformed_is_located_and_nothing_is_changed(table: Shop, tmp_path: Path) -> None:
    task = load_task(
        table, file(tmp_path, "id,name\n3,a\nfour,b\n"), "TRUNCATE",
        commandOptions=["CSV", "IGNOREHEADER 1"],
    )  # fmt: skip
    status = run(tmp_path, task)
    assert "input.csv, line 3" in status["errorMessage"]
    assert rows(table) == OLD
    task = load_task(table, file(tmp_path), "TRUNCATE", transformSql="SELECT nothing FROM staging")
    status = run(tmp_path, task)
    assert status["errorId"] == "DatabaseError"
    assert 'column "nothing" does not exist' in status["errorMessage"]
    assert rows(table) == OLD


def test_a_table_is_unloaded(table: Shop, tmp_path: Path) -> None:
    target = {"type": "S3DataNode", "directoryPath": f"file://{tmp_path}/out"}
    finish(tmp_path, load_task(table, node(), target=target))
    assert (tmp_path / "out/0000_part_00.csv").read_text() == "1,old\n2,old\n"
    target = {"type": "S3DataNode", "filePath": f"file://{tmp_path}/all.txt"}
    finish(
        tmp_path, load_task(table, node(), target=target, commandOptions=["DELIMITER '|' ESCAPE"])
    )
    assert (tmp_path / "all.txt").read_text() == "1|old\n2|old\n"


def test_a_table_into_another_one_of_the_database(table: Shop, tmp_path: Path) -> None:
    table.run("CREATE TABLE more (id int, name text)")
    table.run("INSERT INTO more VALUES (2, 'more'), (3, 'more')")
    finish(tmp_path, load_task(table, node(tableName="more"), "KEEP_EXISTING"))
    assert rows(table) == [*OLD, (3, "more")]


def test_a_dynamodb_table_into_a_table(table: Shop, tmp_path: Path) -> None:
    items = [
        {"ID": {"S": "3"}, "id": {"S": "3"}, "Name": {"S": "a,b"}, "more": {"S": "left out"}},
        {"id": {"S": "4"}, "name": {"SS": ["no scalar"]}},
    ]
    with object_store() as endpoint:
        make_table(endpoint, "People", items)
        house = House(tmp_path)
        house.environ["AWS_ENDPOINT_URL"] = endpoint
        source = {"type": "DynamoDBDataNode", "tableName": "People"}
        status = house.run(load_task(table, source, "KEEP_EXISTING"))
    assert status["taskStatus"] == "FINISHED", status
    assert rows(table) == [*OLD, (3, "a,b"), (4, None)]


def test_no_password_gets_into_a_log(table: Shop, tmp_path: Path) -> None:
    house = House(tmp_path)
    house.run(load_task(table, file(tmp_path), "KEEP_EXISTING"))
    log = house.attempt_file("Activity.log")
    assert 'INSERT INTO "public"."users"' in log
    assert "topsecret" not in log


@contextmanager
def held_up(shop: Shop) -> Iterator[psycopg.Connection[Any]]:
    """Rows of `users` that somebody holds, so that a load stops in the middle of its merge."""
    with psycopg.connect(shop.cluster.url(shop.name)) as connection:
        connection.execute("SELECT * FROM users FOR UPDATE")
        yield connection
        connection.rollback()


def waiting(shop: Shop) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
    return shop.run(f"{query}'{shop.name}'") == [(1,)]


CHILD = """
import json, sys
from pathlib import Path
from tests.unit.runner.scripted import House
House(Path(sys.argv[1])).run(json.loads(sys.stdin.read()))
"""


def test_a_runner_that_is_killed_changes_nothing(table: Shop, tmp_path: Path) -> None:
    task = load_task(table, file(tmp_path), "OVERWRITE_EXISTING")
    with held_up(table):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "killed")],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )
        assert child.stdin is not None
        child.stdin.write(json.dumps(task).encode())
        child.stdin.close()
        eventually(lambda: waiting(table), "the load waits for the rows")
        child.send_signal(signal.SIGKILL)
        child.wait()
    finish(tmp_path, task)
    assert rows(table) == MODES["OVERWRITE_EXISTING"]


def test_a_cancel_in_the_middle_undoes_the_load(table: Shop, tmp_path: Path) -> None:
    house = House(tmp_path)
    with held_up(table):
        runner = house.start()
        house.service.offer(load_task(table, file(tmp_path), "OVERWRITE_EXISTING"))
        eventually(lambda: waiting(table), "the load waits for the rows")
        for stop in list(runner._stops):
            stop.request(CANCELED)
        eventually(lambda: not waiting(table), "the load is canceled")
        house.close()
    assert house.service.of("SetTaskStatus") == []
    assert rows(table) == OLD


def test_two_loads_at_once_leave_one_row_for_each_key(shop: Shop, tmp_path: Path) -> None:
    create = "CREATE TABLE users (id int PRIMARY KEY, name text)"
    task = load_task(shop, file(tmp_path), "KEEP_EXISTING", target=node(createTableSql=create))
    other = load_task(
        shop, file(tmp_path), "KEEP_EXISTING", target=node(createTableSql=create), name="Other"
    )
    house = House(tmp_path)
    house.start(tasks=2)
    house.service.offer(task, other)
    house.service.wait_settled(2)
    house.close()
    statuses = house.service.of("SetTaskStatus")
    assert [status["taskStatus"] for status in statuses] == ["FINISHED"] * 2, statuses
    assert rows(shop) == [(2, "new"), (3, "first")]
