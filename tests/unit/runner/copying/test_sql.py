"""SqlActivity, on PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.runner.copying.conftest import Shop, cancel_when, fail, finish
from tests.unit.runner.scripted import House, make_task


def sql_task(shop: Shop, script: str = "", **fields: Any) -> Any:
    if script:
        fields["script"] = script
    objects = {"Db": shop.node} | fields.pop("objects", {})
    return make_task(type="SqlActivity", database=("ref", "Db"), objects=objects, **fields)


def test_several_statements_are_one_transaction(shop: Shop, tmp_path: Path) -> None:
    script = """
        CREATE TABLE t (note text);  -- a comment; with a semicolon
        INSERT INTO t VALUES ('one; two'), ($$three; four$$);
        CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC; SELECT 1; END;
    """
    finish(tmp_path, sql_task(shop, script))
    assert shop.run("SELECT note FROM t") == [("one; two",), ("three; four",)]
    message = fail(
        tmp_path,
        sql_task(shop, "DELETE FROM t;\n\nINSERT INTO t VALUES ('x');\nSELECT 1/0;"),
        "DatabaseError",
    )
    assert message == "Statement 3 of 3 (line 4): division by zero."
    assert len(shop.run("SELECT * FROM t")) == 2


def test_a_script_with_transactions_of_its_own(shop: Shop, tmp_path: Path) -> None:
    script = "BEGIN; CREATE TABLE t (i int); COMMIT; INSERT INTO t VALUES (1); SELECT nothing"
    assert "Statement 5 of 5" in fail(tmp_path, sql_task(shop, script), "DatabaseError")
    assert shop.run("SELECT * FROM t") == [(1,)]


def test_what_must_stand_alone_can(shop: Shop, tmp_path: Path) -> None:
    finish(tmp_path, sql_task(shop, "VACUUM"))


def test_arguments_bind_in_order_and_only_in_code(shop: Shop, tmp_path: Path) -> None:
    script = """CREATE TABLE t (a text, b int, c date);
        INSERT INTO t VALUES ('why?', ?, ?) /* ? */; INSERT INTO t SELECT ?, 2, NULL"""
    arguments = ["7", "2026-01-02", "it's 100%"]
    finish(tmp_path, sql_task(shop, script, scriptArgument=arguments))
    found = shop.run("SELECT a, b, c::text FROM t")
    assert found == [("why?", 7, "2026-01-02"), ("it's 100%", 2, None)]
    message = fail(tmp_path, sql_task(shop, script, scriptArgument=["1"]), "InvalidActivity")
    assert message == "The script has 3 `?`, and there are 1 scriptArguments."


def test_without_arguments_a_question_mark_is_an_operator(shop: Shop, tmp_path: Path) -> None:
    script = """CREATE TABLE t AS SELECT '{"a": 1}'::jsonb ? 'a' AS has"""
    finish(tmp_path, sql_task(shop, script))
    assert shop.run("SELECT has FROM t") == [(True,)]


def test_a_script_is_fetched_and_not_evaluated(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "script.sql"
    path.write_text("\ufeffCREATE TABLE t AS SELECT '#{@scheduledStartTime}' AS said")
    finish(tmp_path, sql_task(shop, scriptUri=f"file://{path}"))
    assert shop.run("SELECT said FROM t") == [("#{@scheduledStartTime}",)]
    message = fail(tmp_path, sql_task(shop, scriptUri=f"file://{path}.none"), "StagingFailed")
    assert "script.sql.none" in message


def test_an_outputs_table_is_created_first(shop: Shop, tmp_path: Path) -> None:
    out = {"table": "t", "database": ("ref", "Db"), "createTableSql": "CREATE TABLE t (i int)"}
    task = sql_task(shop, "INSERT INTO t VALUES (1)", output=("ref", "Out"), objects={"Out": out})
    finish(tmp_path, task)
    finish(tmp_path, task)
    assert shop.run("SELECT count(*) FROM t") == [(2,)]


def test_the_log_has_no_statement_and_no_argument(shop: Shop, tmp_path: Path) -> None:
    house = House(tmp_path)
    task = sql_task(shop, "SELECT 'geheim' || ?", scriptArgument="verschwiegen", queue="q")
    house.run(task)
    log = house.attempt_file("Activity.log")
    assert "statement 1 of 1 (line 1): SELECT, 1 rows" in log
    assert "queue is Redshift's" in log
    assert "geheim" not in log
    assert "verschwiegen" not in log


@pytest.mark.parametrize("script", ["", " -- nothing\n ;"])
def test_nothing_to_run(shop: Shop, tmp_path: Path, script: str) -> None:
    fail(tmp_path, sql_task(shop, script), "InvalidActivity")


def test_a_cancel_ends_the_statement_and_undoes_the_rest(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
    task = sql_task(shop, "CREATE TABLE t (i int); SELECT pg_sleep(60); DROP TABLE t")
    assert cancel_when(lambda: bool(shop.run(sleeping)), tmp_path, task, monkeypatch) == []
    assert shop.run("SELECT to_regclass('t') IS NULL") == [(True,)]
