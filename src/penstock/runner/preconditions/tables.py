"""Tables of DynamoDB: whether they are there."""

from __future__ import annotations

from typing import Any

from penstock.runner.aws_errors import aws_failures, error_code

INVALID_PRECONDITION = "InvalidPrecondition"
"""errorId of a precondition that can never be evaluated, whatever is there."""

THERE = frozenset({"ACTIVE", "UPDATING"})
"""States in which a DynamoDB table can be used."""


def table_status(client: Any, name: str) -> str | None:
    """The state of a DynamoDB table, or None if there is none; raises `TaskFailed`."""
    with aws_failures(f"DynamoDB table {name!r}"):
        try:
            described = client.describe_table(TableName=name)
        except Exception as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
    return str(described["Table"].get("TableStatus"))
