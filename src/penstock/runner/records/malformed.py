"""A record that cannot be read, and where it stands."""

from __future__ import annotations

from penstock.runner.errors import TaskFailed

MALFORMED = "MalformedRecord"
"""errorId of data that are not what their format says."""


def malformed(file: str, line: int, column: int | str | None, what: str) -> TaskFailed:
    """The failure: file, line (from 1), column (a number from 1 or a name), what would be right."""
    place = f"{file}, line {line}" if line else file
    if column is not None:
        place += f", column {column}"
    return TaskFailed(MALFORMED, f"{place}: {what}")
