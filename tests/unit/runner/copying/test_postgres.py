"""CopyActivity between files and a PostgreSQL."""

from __future__ import annotations

import gzip
import select
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.unit.runner.copying.conftest import (
    ORDERS,
    Shop,
    cancel_when,
    copy_task,
    fail,
    finish,
    in_directory,
    in_file,
    in_table,
    run,
)
from tests.unit.runner.scripted import House

AWKWARD = '1,"a ""b"", c",1.50\n2,,2\n3,"",\n4,back\\\\slash\\, comma,4\n5,5" pipe,5\n'
ROWS = [(1, 'a "b", c'), (2, None), (3, ""), (4, "back\\slash, comma"), (5, '5" pipe')]


def load(shop: Shop, path: Path, content: str, **fields: Any) -> Any:
    shop.run(ORDERS)
    path.write_text(content, newline="")
    return copy_task(in_file(path), in_table("orders", **fields), Db=shop.node)


def test_a_file_is_loaded_with_its_nulls_and_quotes(shop: Shop, tmp_path: Path) -> None:
    finish(tmp_path, load(shop, tmp_path / "in.csv", AWKWARD))
    assert shop.run("SELECT id, note FROM orders ORDER BY id") == ROWS


@pytest.mark.parametrize("name", ["out.csv", "out.tsv"])
def test_what_is_written_can_be_read_back(shop: Shop, tmp_path: Path, name: str) -> None:
    finish(tmp_path, load(shop, tmp_path / "in.csv", AWKWARD))
    form = {"type": name[-3:].upper()}
    out = in_file(tmp_path / name, dataFormat=("ref", "F"))
    finish(tmp_path, copy_task(in_table("orders"), out, Db=shop.node, F=form))
    shop.run("TRUNCATE orders")
    finish(tmp_path, copy_task(out, in_table("orders"), Db=shop.node, F=form))
    assert shop.run("SELECT id, note FROM orders ORDER BY id") == ROWS


def test_csv_is_written_as_documented(shop: Shop, tmp_path: Path) -> None:
    finish(tmp_path, load(shop, tmp_path / "in.csv", AWKWARD))
    query = "SELECT * FROM orders ORDER BY id;"
    node = in_table("orders", selectQuery=query)
    finish(tmp_path, copy_task(node, in_file(tmp_path / "out.csv"), Db=shop.node))
    expected = '1,"a ""b"", c",1.50\n2,,2.00\n3,"",\n4,"back\\\\slash, comma",4.00\n'
    assert (tmp_path / "out.csv").read_text() == expected + '5,"5"" pipe",5.00\n'


def test_crlf_and_gzip_and_directories(shop: Shop, tmp_path: Path) -> None:
    shop.run(ORDERS)
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.csv.gz").write_bytes(gzip.compress(b"1,x,1\r\n2,y,2\r\n"))
    (source / "b.csv.gz").write_bytes(gzip.compress(b"3,z,3") + gzip.compress(b"\n4,w,4\n"))
    node = in_directory(source, compression="gzip")
    finish(tmp_path, copy_task(node, in_table("orders"), Db=shop.node))
    assert shop.run("SELECT id, note FROM orders ORDER BY id") == [
        (1, "x"),
        (2, "y"),
        (3, "z"),
        (4, "w"),
    ]


def test_columns_go_by_name_if_all_are_known(shop: Shop, tmp_path: Path) -> None:
    shop.run(ORDERS)
    (tmp_path / "in.csv").write_text("1.5,7\n")
    form = {"type": "CSV", "column": ["Amount DECIMAL", "ID INT"]}
    node = in_file(tmp_path / "in.csv", dataFormat=("ref", "F"))
    finish(tmp_path, copy_task(node, in_table("orders"), Db=shop.node, F=form))
    assert shop.run("SELECT id, note, amount::text FROM orders") == [(7, None, "1.50")]
    form = {"type": "CSV", "column": ["amount DECIMAL", "idd INT"]}
    task = copy_task(node, in_table("orders"), Db=shop.node, F=form)
    message = fail(tmp_path, task, "InvalidActivity")
    assert message == '"public"."orders" has no column idd; it has id, note, amount.'


@pytest.mark.parametrize(
    ("insert", "expected"),
    [
        ("INSERT INTO orders (note, id) VALUES (?, ?)", [(2, "1")]),
        ("insert into orders(note, id) values (?, cast(? as int) + 1);", [(3, "1")]),
        ("INSERT INTO orders VALUES (?, ?) ON CONFLICT DO NOTHING", [(1, "2")]),
    ],
)
def test_an_insert_query_is_obeyed(
    shop: Shop, tmp_path: Path, insert: str, expected: list[Any]
) -> None:
    finish(tmp_path, load(shop, tmp_path / "in.csv", "1,2\n", insertQuery=insert))
    assert shop.run("SELECT id, note FROM orders") == expected


def test_an_insert_query_of_another_width_is_refused(shop: Shop, tmp_path: Path) -> None:
    insert = "INSERT INTO orders VALUES (?, ?, ?)"
    task = load(shop, tmp_path / "in.csv", "1,2\n", insertQuery=insert)
    message = fail(tmp_path, task, "InvalidActivity")
    assert message == "insertQuery takes 3 values, but a row of the input has 2."


def test_a_missing_table_is_created_or_named(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("1,a,2\n")
    node = in_file(tmp_path / "in.csv")
    task = copy_task(node, in_table("orders"), Db=shop.node)
    assert "no table orders" in fail(tmp_path, task, "TableMissing")
    creating = in_table("orders", createTableSql=ORDERS)
    finish(tmp_path, copy_task(node, creating, Db=shop.node))
    assert shop.run("SELECT id FROM orders") == [(1,)]


def test_names_need_no_quotes_and_may_have_a_schema(shop: Shop, tmp_path: Path) -> None:
    shop.run('CREATE SCHEMA "Sales"; CREATE TABLE "Sales"."Order" (id int)')
    (tmp_path / "in.csv").write_text("1\n")
    for node in (in_table("order", schemaName="sales"), in_table("Sales.Order")):
        finish(tmp_path, copy_task(in_file(tmp_path / "in.csv"), node, Db=shop.node))
    assert shop.run('SELECT count(*) FROM "Sales"."Order"') == [(2,)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "1,a,1\n2,b,x\n",
            'in.csv, line 2, column amount: invalid input syntax for type numeric: "x".',
        ),
        ('1,"a\nb",1\n2,b\n', 'in.csv, line 3: missing data for column "amount".'),
        ('1,"\\\\",1\n2,b\n', "in.csv, line 2, column 3: the row has 2 columns instead of 3."),
        ("1,a,1\n1,b,2\n", "in.csv, line 2: duplicate key value violates unique constraint"),
        ('1,"a"b,1\n', "in.csv, line 1, column 2: 'b' follows the quotation mark that ends"),
        ('1,a,2\n2,"b,3\n', "in.csv, line 2: the file ends within a value"),
    ],
)
def test_malformed_rows_are_located_and_nothing_is_kept(
    shop: Shop, tmp_path: Path, content: str, expected: str
) -> None:
    message = fail(tmp_path, load(shop, tmp_path / "in.csv", content), "MalformedRecord")
    assert expected in message
    assert shop.run("SELECT * FROM orders") == []


def test_between_two_tables(shop: Shop, tmp_path: Path) -> None:
    finish(tmp_path, load(shop, tmp_path / "in.csv", AWKWARD))
    shop.run("CREATE TABLE copied AS SELECT * FROM orders WHERE false")
    finish(tmp_path, copy_task(in_table("orders"), in_table("copied"), Db=shop.node))
    assert shop.run("SELECT id, note FROM copied ORDER BY id") == ROWS


def test_a_refused_query_leaves_no_file_and_says_why(shop: Shop, tmp_path: Path) -> None:
    node = in_table("t", selectQuery="SELECT 1/0")
    task = copy_task(node, in_file(tmp_path / "out.csv"), Db=shop.node)
    assert fail(tmp_path, task, "DatabaseError") == "division by zero."
    assert not (tmp_path / "out.csv").exists()
    node = in_table("t", selectQuery="SELECT nothing")
    task = copy_task(node, in_file(tmp_path / "out.csv"), Db=shop.node)
    assert fail(tmp_path, task, "DatabaseError") == 'column "nothing" does not exist.'


def test_no_password_is_in_a_message_or_a_log(shop: Shop, tmp_path: Path) -> None:
    nowhere = quote(str(tmp_path / "nowhere"), safe="")
    node = shop.node | {"connectionString": f"jdbc:postgresql://{nowhere}/x?password=topsecret"}
    task = copy_task(in_table("t"), in_file(tmp_path / "out.csv"), Db=node)
    message = fail(tmp_path, task, "DatabaseUnreachable")
    assert message.startswith(f"postgresql://{tmp_path}/nowhere:5432/x cannot be reached: ")
    logged = "".join(p.read_text() for p in (tmp_path / "logs").rglob("*") if p.is_file())
    assert "topsecret" not in message + logged


def test_a_cancel_ends_the_query_and_leaves_nothing(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%'"
    query = "SELECT i, 'x', pg_sleep(0.01)::text FROM generate_series(1, 1000000) i"
    task = copy_task(in_table("t", selectQuery=query), in_file(tmp_path / "o.csv"), Db=shop.node)
    assert cancel_when(lambda: bool(shop.run(copying)), tmp_path, task, monkeypatch) == []
    assert not (tmp_path / "o.csv").exists()
    assert shop.run(copying) == []


def test_a_cancel_in_the_middle_of_a_load_keeps_no_row(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is locked by another session, so the load waits in the database."""
    task = load(shop, tmp_path / "in.csv", "1,a,1\n")
    with psycopg.connect(shop.cluster.url(shop.name)) as other:
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
        assert cancel_when(lambda: bool(shop.run(waiting)), tmp_path, task, monkeypatch) == []
    assert shop.run("SELECT * FROM orders") == []


def test_a_server_that_drops_the_connection(shop: Shop, tmp_path: Path) -> None:
    """In the middle of COPY, as by an administrator's hand."""
    shop.run(ORDERS)
    shop.run(
        "CREATE FUNCTION drop_me() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF new.id = 1000 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
        " RETURN new; END $$;"
        " CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION drop_me()"
    )
    (tmp_path / "in.csv").write_text("".join(f"{i},x,1\n" for i in range(5000)))
    task = copy_task(in_file(tmp_path / "in.csv"), in_table("orders"), Db=shop.node)
    message = fail(tmp_path, task, "DatabaseConnectionLost")
    assert "terminating connection" in message
    assert shop.run("SELECT * FROM orders") == []
    shop.run("DROP TRIGGER t ON orders")
    finish(tmp_path, task)
    assert shop.run("SELECT count(*) FROM orders") == [(5000,)]


def test_a_line_between_server_and_runner_that_breaks(shop: Shop, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        target = str(shop.cluster.directory / ".s.PGSQL.5432")
        cutter = threading.Thread(target=_cut_after, args=(listener, target, 300_000))
        cutter.start()
        node = shop.node | {"connectionString": f"jdbc:postgresql://127.0.0.1:{port}/{shop.name}"}
        shop.run(ORDERS)
        (tmp_path / "in.csv").write_text("".join(f"{i},{'x' * 90},1\n" for i in range(50_000)))
        task = copy_task(in_file(tmp_path / "in.csv"), in_table("orders"), Db=node)
        fail(tmp_path, task, "DatabaseConnectionLost")
        cutter.join(30)
    assert shop.run("SELECT * FROM orders") == []


def _cut_after(listener: socket.socket, target: str, limit: int) -> None:
    near, _ = listener.accept()
    with near, socket.socket(socket.AF_UNIX) as far:
        far.connect(target)
        rest = limit
        while rest > 0:
            for end in select.select([near, far], [], [])[0]:
                content = end.recv(65536)
                (far if end is near else near).sendall(content)
                rest -= len(content) if end is near else 0


def test_progress_counts_rows_and_bytes(shop: Shop, tmp_path: Path) -> None:
    house = House(tmp_path)
    house.run(load(shop, tmp_path / "in.csv", "1,a,1\n2,b,2\n"))
    assert "2 rows written" in house.attempt_file("Activity.log")


def test_two_inputs_of_a_kind_that_cannot_be_mixed(shop: Shop, tmp_path: Path) -> None:
    task = copy_task(in_table("a"), in_file(tmp_path / "out.csv"), Db=shop.node)
    task["objects"]["In2"] = {"id": "In2", "name": "In2", "fields": []}
    task["objects"][task["attemptId"]]["fields"].append({"key": "output", "refValue": "In2"})
    status = run(tmp_path, task)
    assert status["errorMessage"] == "A copy needs an input and one output; it has 1 and 2."


@pytest.mark.parametrize("kind", ["JsonLines", "Parquet"])
def test_typed_files_out_and_in(shop: Shop, tmp_path: Path, kind: str) -> None:
    create = "CREATE TABLE facts (id int, good bool, price numeric(8, 2), at timestamp, note text)"
    shop.run(create)
    shop.run("INSERT INTO facts VALUES (1, true, 1.50, '2026-01-02 03:04:05', 'x')")
    shop.run("INSERT INTO facts (id) VALUES (2)")
    out, form = in_file(tmp_path / "out", dataFormat=("ref", "F")), {"type": kind}
    finish(tmp_path, copy_task(in_table("facts"), out, Db=shop.node, F=form))
    shop.run("CREATE TABLE back (LIKE facts)")
    finish(tmp_path, copy_task(out, in_table("back"), Db=shop.node, F=form))
    difference = "SELECT * FROM facts EXCEPT SELECT * FROM back"
    assert shop.run(difference) == []
    assert shop.run("SELECT count(*) FROM back") == [(2,)]
