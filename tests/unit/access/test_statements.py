import pytest

from penstock.store.statements import load, parse

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


def test_the_statements_of_identity_load() -> None:
    assert "insert_key" in load("identity.sql")
