import pytest

from penstock.store.statements import load, parse, to_psycopg

GOOD = """-- Statements of a test.

-- name: first
-- Reads one thing.
SELECT a
FROM b -- because
WHERE c = :c;

-- name: second_one
-- Writes
-- another.
INSERT INTO b (a) VALUES (:a)
"""


def test_statements_come_by_name_without_their_description() -> None:
    assert dict(parse(GOOD, "test.sql")) == {
        "first": "SELECT a\nFROM b -- because\nWHERE c = :c",
        "second_one": "INSERT INTO b (a) VALUES (:a)",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- name: a\nSELECT 1;", "test.sql: statement 'a' has no description"),
        ("-- name: a\n", "test.sql: statement 'a' has no description"),
        ("-- name: a\n-- Says something.\n", "test.sql: statement 'a' is empty"),
        ("-- name: a\n-- Says.\nSELECT 1;\n-- name: a\n-- Says.\nSELECT 1;", "stands there twice"),
        ("-- name: A b\n-- Says.\nSELECT 1;", "SQL stands before the first"),
        ("-- name: Ab\n-- Says.\nSELECT 1;", "'Ab' is not a name"),
        ("SELECT 1;\n-- name: a\n-- Says.\nSELECT 1;", "SQL stands before the first"),
    ],
)
def test_a_malformed_file_is_told_by_name(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text, "test.sql")


TWO = """-- name: next_number
-- Takes a number.
-- sqlite:
UPDATE counter SET n = n + 1 RETURNING n;
-- postgres:
SELECT nextval('counter');
"""


def test_a_statement_may_have_a_text_for_each_database() -> None:
    assert parse(TWO, "t.sql")["next_number"] == "UPDATE counter SET n = n + 1 RETURNING n"
    assert parse(TWO, "t.sql", "postgres")["next_number"] == "SELECT nextval('counter')"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWO.replace("-- postgres", "-- sqlite"), "'next_number' has no text for postgres"),
        (TWO.replace("-- sqlite", "SELECT 1;\n-- sqlite"), "stands above its variants"),
        (TWO.replace("SELECT nextval('counter');", ""), "'next_number' is empty"),
    ],
)
def test_variants_that_are_malformed_are_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text, "t.sql", "postgres")


def test_parameters_are_written_as_the_driver_wants_them() -> None:
    ours = "SELECT a::text, 5 % 2 FROM b WHERE c = :c AND d_e < CAST(:d_e AS BIGINT[]) LIMIT :n"
    theirs = "SELECT a::text, 5 %% 2 FROM b WHERE c = %(c)s AND d_e < CAST(%(d_e)s AS BIGINT[])"
    assert to_psycopg(ours) == theirs + " LIMIT %(n)s"


def test_the_statements_of_identity_load() -> None:
    assert "insert_key" in load("identity.sql")
