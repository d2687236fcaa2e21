"""CopyActivity between files and SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from tests.unit.runner.copying.conftest import copy_task, fail, finish, in_file, in_table


def node(path: Path) -> dict[str, Any]:
    return {"type": "JdbcDatabase", "connectionString": f"jdbc:sqlite:{path}"}


def rows(path: Path, query: str) -> list[Any]:
    with sqlite3.connect(path) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_a_file_goes_in_and_comes_out(tmp_path: Path) -> None:
    database = tmp_path / "shop.db"
    (tmp_path / "in.csv").write_text('1,"a, b"\n2,\n3,""\n')
    create = "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)"
    target = in_table("orders", createTableSql=create)
    finish(tmp_path, copy_task(in_file(tmp_path / "in.csv"), target, Db=node(database)))
    assert rows(database, "SELECT * FROM orders") == [(1, "a, b"), (2, None), (3, "")]
    out = in_file(tmp_path / "out.csv")
    finish(tmp_path, copy_task(in_table("ORDERS"), out, Db=node(database)))
    assert (tmp_path / "out.csv").read_text() == '1,"a, b"\n2,\n3,""\n'


def test_all_rows_or_none_and_no_table_either(tmp_path: Path) -> None:
    database = tmp_path / "shop.db"
    (tmp_path / "in.csv").write_text("1,a\n1,b\n")
    create = "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)"
    target = in_table("orders", createTableSql=create)
    task = copy_task(in_file(tmp_path / "in.csv"), target, Db=node(database))
    assert fail(tmp_path, task, "DatabaseError") == "UNIQUE constraint failed: orders.id."
    assert rows(database, "SELECT * FROM sqlite_schema") == []


def test_a_database_that_is_elsewhere_is_refused(tmp_path: Path) -> None:
    there = {"type": "JdbcDatabase", "connectionString": "jdbc:sqlite:s3://bucket/shop.db"}
    task = copy_task(in_table("t"), in_file(tmp_path / "o.csv"), Db=there)
    message = fail(tmp_path, task, "InvalidDatabase")
    assert message.startswith("SQLite is a file of the runner's disk")
