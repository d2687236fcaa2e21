"""Text to values of the types that a definition's columns name, for formats that have types.

Types are Hive's and SQL's: INT, BIGINT, DOUBLE, DECIMAL(p,s), BOOLEAN, DATE, TIMESTAMP, STRING and
their relatives; one that is not known is taken for text.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable
from typing import Any

from penstock.runner.records.formats import Column
from penstock.runner.records.malformed import malformed

_INTEGERS = frozenset(
    "INT INTEGER BIGINT SMALLINT TINYINT MEDIUMINT INT2 INT4 INT8 LONG SERIAL BIGSERIAL".split()
)
_FLOATS = frozenset("FLOAT DOUBLE REAL FLOAT4 FLOAT8".split())
_DECIMALS = frozenset("DECIMAL NUMERIC NUMBER".split())
_TIMES = frozenset("TIMESTAMP DATETIME TIMESTAMPTZ DATETIME2".split())


def family(kind: str) -> str:
    """`integer`, `float`, `decimal`, `boolean`, `date`, `timestamp` or `text`."""
    word = re.split(r"[\s(]", kind.strip().upper(), maxsplit=1)[0]
    for name, words in (
        ("integer", _INTEGERS),
        ("float", _FLOATS),
        ("decimal", _DECIMALS),
        ("timestamp", _TIMES),
        ("boolean", ("BOOLEAN", "BOOL")),
        ("date", ("DATE",)),
    ):
        if word in words:
            return name
    return "text"


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "t", "1", "yes", "y"):
        return True
    if lowered in ("false", "f", "0", "no", "n"):
        return False
    raise ValueError(text)


_READERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "float": float,
    "decimal": decimal.Decimal,
    "boolean": _boolean,
    "date": dt.date.fromisoformat,
    "timestamp": dt.datetime.fromisoformat,
}


def typed_value(text: str, column: Column, file: str, line: int) -> Any:
    """A text as its column's type; raises `TaskFailed` that names the place."""
    reader = _READERS.get(family(column.type))
    if reader is None:
        return text
    try:
        return reader(text.strip())
    except (ValueError, decimal.InvalidOperation):
        what = f"{text[:40]!r} is no {column.type}."
        raise malformed(file, line, column.name, what) from None
