"""JDBC connection strings, and SQL cut into statements."""

from __future__ import annotations

import pytest

from penstock.runner.connectors.address import Address, parse_address, read_properties
from penstock.runner.connectors.lexing import count_placeholders, plain_insert, put_placeholders
from penstock.runner.connectors.scripts import split_script
from penstock.runner.errors import TaskFailed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "jdbc:postgresql://db.example.com:5433/shop?ssl=true&currentSchema=a",
            Address(
                "postgresql",
                "db.example.com",
                5433,
                "shop",
                {"ssl": "true", "currentSchema": "a"},
            ),
        ),
        ("jdbc:postgresql://db/shop", Address("postgresql", "db", 5432, "shop")),
        ("jdbc:postgresql://[::1]:7/x", Address("postgresql", "::1", 7, "x")),
        ("jdbc:mysql://a:1,b:2/x?user=u&password=p%26", Address(
            "mysql", "a", 1, "x", {}, "u", "p&"
        )),
        ("jdbc:mariadb://db/", Address("mysql", "db", 3306, "")),
        ("jdbc:redshift:iam://c:5439/dev", Address("redshift", "c", 5439, "dev")),
        (
            "jdbc:sqlserver://db\\two:1433;databaseName=shop;user=u;password={p};encrypt=true",
            Address(
                "sqlserver",
                "db",
                1433,
                "shop",
                {"encrypt": "true", "instancename": "two"},
                "u",
                "p",
            ),
        ),
        (
            "jdbc:oracle:thin:scott/tiger@//db:1522/svc.example",
            Address("oracle", "db", 1522, "svc.example", {}, "scott", "tiger"),
        ),
        ("jdbc:oracle:thin:@db:1521:ORCL", Address("oracle", "db", 1521, "", {"sid": "ORCL"})),
        ("jdbc:sqlite:/data/shop.db", Address("sqlite", database="/data/shop.db")),
        ("jdbc:h2:mem:x;a=b", Address("jdbc", url="jdbc:h2:mem:x;a=b")),
    ],
)  # fmt: skip
def test_connection_strings(text: str, expected: Address) -> None:
    assert parse_address(text) == expected


def test_what_is_none_is_refused_without_being_quoted() -> None:
    with pytest.raises(TaskFailed) as caught:
        parse_address("postgresql:/u:topsecret@host")
    assert "topsecret" not in str(caught.value)
    assert "jdbc:postgresql" in str(caught.value)
    secret = parse_address("jdbc:mysql://h/d?user=u&password=topsecret")
    assert secret.shown == "mysql://h:3306/d"


def test_properties() -> None:
    assert read_properties(["a=1", "b=2;c=x=y"]) == {"a": "1", "b": "2", "c": "x=y"}
    with pytest.raises(TaskFailed, match="name=value"):
        read_properties(["ssl"])


@pytest.mark.parametrize(
    ("database", "script", "expected"),
    [
        ("postgresql", "a; b -- x;\n; /* c; /* d; */ e; */ f", ["a", "b", "f"]),
        ("postgresql", "a ';' ; b \";\" ; c $$;$$ ; d $x$ $$;$$ $x$; e E'\\';'", None),
        ("mysql", "a '\\';' ; b `;` ; c # d;\n; e", ["a '\\';'", "b `;`", "c # d;", "e"]),
        (
            "mysql",
            "delimiter //\ncreate procedure p() begin a; b; end//\nDELIMITER ;\nc; d",
            ["create procedure p() begin a; b; end", "c", "d"],
        ),
        (
            "mysql",
            "create trigger t after insert on x begin if a then b; end if; case c; end case; end;f",
            None,
        ),
        ("sqlite", "create trigger t after insert on x begin select 1; select 2; end; b", None),
        ("sqlserver", "create table [a;b] (i int)\nGO\nselect 1;\ngo\n", None),
        ("oracle", "begin a; b; end;\n/\nselect q'[;]' from dual;", None),
        ("postgresql", "begin; insert; commit;", ["begin", "insert", "commit"]),
    ],
)
def test_scripts(database: str, script: str, expected: list[str] | None) -> None:
    found = [statement.text for statement in split_script(script, database)]
    if expected is not None:
        assert [text.partition(" --")[0] for text in found] == expected
    counts = {"postgresql": 5, "mysql": 2, "sqlite": 2, "sqlserver": 2, "oracle": 2}
    assert len(found) == (len(expected) if expected is not None else counts[database])


def test_lines_and_transactions() -> None:
    statements = split_script("-- one\n\nbegin;\nselect '\n';\n  commit work;", "postgresql")
    assert [each.line for each in statements] == [3, 4, 6]
    assert [each.is_transaction for each in statements] == [True, False, True]


def test_placeholders() -> None:
    sql = "select '?', a ?? b, \"?\", ? -- ?\n, 5 % ?"
    assert count_placeholders(sql, "postgresql") == 2
    formatted = put_placeholders(sql, "postgresql", "format")
    assert formatted == "select '?', a ? b, \"?\", %s -- ?\n, 5 %% %s"
    assert put_placeholders("a = ? or b = ?", "oracle", "numeric") == "a = :1 or b = :2"


def test_plain_inserts() -> None:
    found = plain_insert('INSERT INTO s."T" (a, "b") VALUES (?, ?);')
    assert found is not None
    assert (found.table, found.columns, found.width) == ('s."T"', ("a", "b"), 2)
    assert plain_insert("INSERT INTO t VALUES (?, now())") is None
    assert plain_insert("INSERT INTO t (a) VALUES (?, ?)") is None
    assert plain_insert("INSERT INTO t VALUES (?) ON CONFLICT DO NOTHING") is None
