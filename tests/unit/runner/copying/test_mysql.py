"""CopyActivity and SqlActivity on a MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runner.copying.conftest import (
    Market,
    Shop,
    cancel_when,
    copy_task,
    fail,
    finish,
    in_file,
    in_table,
)
from tests.unit.runner.scripted import make_task

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, note varchar(80), amount decimal(10, 2))"
AWKWARD = '1,"a ""b"", c",1.50\n2,,2\n3,"",\n4,back\\\\slash\\, "tab\t",4\n5,"two\nlines",5\n'
ROWS = (
    (1, 'a "b", c'),
    (2, None),
    (3, ""),
    (4, 'back\\slash, "tab\t"'),
    (5, "two\nlines"),
)


def load(market: Market, path: Path, content: str, **fields: Any) -> Any:
    market.run(ORDERS)
    path.write_text(content, newline="")
    return copy_task(in_file(path), in_table("orders", **fields), Db=market.node)


@pytest.fixture(params=["by LOAD DATA", "by INSERT"])
def loading(request: pytest.FixtureRequest, market: Market) -> Iterator[str]:
    market.run(f"SET GLOBAL local_infile = {int(request.param == 'by LOAD DATA')}")
    yield request.param
    market.run("SET GLOBAL local_infile = 1")


@pytest.mark.usefixtures("loading")
def test_a_file_goes_in_and_comes_out(market: Market, tmp_path: Path) -> None:
    finish(tmp_path, load(market, tmp_path / "in.csv", AWKWARD))
    assert tuple(market.run("SELECT id, note FROM orders ORDER BY id")) == ROWS
    out = in_file(tmp_path / "out.tsv", dataFormat=("ref", "F"))
    query = "SELECT * FROM orders ORDER BY id"
    node = in_table("orders", selectQuery=query)
    finish(tmp_path, copy_task(node, out, Db=market.node, F={"type": "TSV"}))
    lines = (tmp_path / "out.tsv").read_text().splitlines()
    assert lines[:3] == ['1\ta "b", c\t1.50', "2\t\\N\t2.00", "3\t\t\\N"]
    market.run("DELETE FROM orders")
    finish(tmp_path, copy_task(out, in_table("orders"), Db=market.node, F={"type": "TSV"}))
    assert tuple(market.run("SELECT id, note FROM orders ORDER BY id")) == ROWS


@pytest.mark.parametrize("line", ["2,b,x", "1,b,1", f"2,{'b' * 99},1"])
def test_what_the_server_would_only_warn_of_fails(
    market: Market, tmp_path: Path, loading: str, line: str
) -> None:
    """LOAD DATA LOCAL leaves out duplicates and cuts what is too long."""
    task = load(market, tmp_path / "in.csv", f"1,a,1\n{line}\n3,c,3\n")
    located = loading == "by LOAD DATA" and line[0] == "2"
    message = fail(tmp_path, task, "MalformedRecord" if located else "DatabaseError")
    assert ("in.csv, line 2: " in message) == located
    assert market.run("SELECT * FROM orders") == []


def test_an_insert_query_with_more_than_values(market: Market, tmp_path: Path) -> None:
    insert = (
        "INSERT INTO orders (id, note) VALUES (?, concat(?, '%')) ON DUPLICATE KEY UPDATE id=id"
    )
    finish(tmp_path, load(market, tmp_path / "in.csv", "1,a\n1,b\n", insertQuery=insert))
    assert market.run("SELECT id, note FROM orders") == [(1, "a%")]


def test_from_one_database_to_another(market: Market, shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE facts (id int, good boolean, day date, at timestamp, note text)")
    shop.run("INSERT INTO facts VALUES (1, true, '2026-01-02', '2026-01-02 03:04:05.5', 'é\\t')")
    shop.run("INSERT INTO facts VALUES (2, false, NULL, NULL, NULL)")
    create = "CREATE TABLE facts (id int, good bool, day date, at datetime(3), note text)"
    target = in_table("facts", database="Market", createTableSql=create)
    task = copy_task(in_table("facts"), target, Db=shop.node, Market=market.node)
    finish(tmp_path, task)
    found = market.run("SELECT id, good, CAST(day AS CHAR), CAST(at AS CHAR), note FROM facts")
    assert found == [(1, 1, "2026-01-02", "2026-01-02 03:04:05.500", "é\\t"), (2, 0, *[None] * 3)]
    back = in_table("back", createTableSql="CREATE TABLE back (LIKE facts)")
    source = in_table("facts", database="Market", selectQuery="SELECT * FROM facts WHERE id = 1")
    finish(tmp_path, copy_task(source, back, Db=shop.node, Market=market.node))
    assert shop.run("SELECT good, day::text FROM back") == [(True, "2026-01-02")]


def test_a_server_cannot_ask_for_a_file_of_the_runners(market: Market, tmp_path: Path) -> None:
    """A statement of the script that loads a file gets none."""
    secret = tmp_path / "secret"
    secret.write_text("1,stolen,1\n")
    market.run(ORDERS)
    script = f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE orders FIELDS TERMINATED BY ','"
    task = make_task(
        type="SqlActivity", database=("ref", "Db"), script=script, objects={"Db": market.node}
    )
    finish(tmp_path, task)
    assert market.run("SELECT * FROM orders") == []


def test_a_cancel_kills_the_query(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeping = "SELECT 1 FROM information_schema.processlist WHERE info LIKE '%SLEEP(60)%'"
    sleeping += " AND info NOT LIKE '%processlist%'"
    node = in_table("t", selectQuery="SELECT SLEEP(60)")
    task = copy_task(node, in_file(tmp_path / "o.csv"), Db=market.node)
    assert cancel_when(lambda: bool(market.run(sleeping)), tmp_path, task, monkeypatch) == []
    assert market.run(sleeping) == []
    assert not (tmp_path / "o.csv").exists()


def test_a_wrong_password_is_not_told(market: Market, tmp_path: Path) -> None:
    node = market.node | {"*password": "wrongsecret"}
    message = fail(
        tmp_path, copy_task(in_table("t"), in_file(tmp_path / "o"), Db=node), "DatabaseUnreachable"
    )
    assert "Access denied" in message
    assert "wrongsecret" not in message


def test_a_killed_connection(market: Market, tmp_path: Path) -> None:
    script = "SELECT 1; KILL CONNECTION_ID(); SELECT 2"
    task = make_task(
        type="SqlActivity", database=("ref", "Db"), script=script, objects={"Db": market.node}
    )
    message = fail(tmp_path, task, "DatabaseConnectionLost")
    assert message.startswith("Statement ")
