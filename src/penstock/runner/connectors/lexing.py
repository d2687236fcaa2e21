"""SQL cut into code, quoted text and comments, and what can be told from the code alone.

Only as much is known as is needed to find a `;` or a `?` that is one: each database's ways of
quoting and commenting.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from enum import Enum
from functools import cache

from msgspec import Struct


class Kind(Enum):
    """What a piece of SQL is."""

    CODE = "code"
    QUOTED = "quoted"
    COMMENT = "comment"


class Piece(Struct, frozen=True):
    """A piece of SQL, and where it begins."""

    kind: Kind
    text: str
    start: int


_BACKSLASHED = ("mysql", "hive")
_DOLLARED = ("postgresql", "redshift")
_BRACKETED = ("sqlserver", "sqlite")
_NESTED_COMMENTS = ("postgresql", "redshift", "sqlserver")


@cache
def _pattern(database: str) -> re.Pattern[str]:
    """What begins something that is no code; each alternative up to its end if there is one."""
    body = r"(?:[^{0}\\]|\\.|{0}{0})*(?:{0}|\Z)" if database in _BACKSLASHED else (
        r"(?:[^{0}]|{0}{0})*(?:{0}|\Z)"
    )  # fmt: skip
    parts = [
        f"(?P<quoted>'{body.format(chr(39))}",
        f'"{body.format(chr(34))}',
        r"`[^`]*(?:`|\Z)",
    ]
    if database in _DOLLARED:
        parts.append(r"(?<!\w)[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)")
        parts.append(r"(?<![\w$])\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)")
    if database in _BRACKETED:
        parts.append(r"\[[^\]]*(?:\]|\Z)")
    if database == "oracle":
        parts.append(
            r"(?<!\w)[qQ]'(?:\[.*?\]|\{.*?\}|\(.*?\)|<.*?>|(?P<mark>[^\s\w]).*?(?P=mark))'"
        )
    line = r"--[^\n]*" if database != "mysql" else r"--(?=\s|\Z)[^\n]*|\#[^\n]*"
    return re.compile("|".join(parts) + rf")|(?P<line>{line})|(?P<block>/\*)", re.DOTALL)


def pieces(sql: str, database: str) -> Iterator[Piece]:
    """The pieces of a text, which together are the text; `database` is a connector's kind."""
    position, pattern = 0, _pattern(database)
    while match := pattern.search(sql, position):
        if match.start() > position:
            yield Piece(Kind.CODE, sql[position : match.start()], position)
        end = match.end()
        if match["block"]:
            end = _comment_end(sql, end, database in _NESTED_COMMENTS)
        kind = Kind.QUOTED if match["quoted"] is not None else Kind.COMMENT
        if match["block"] and sql.startswith(("/*!", "/*+"), match.start()):
            # A version comment of MySQL is run, and a hint is not to be lost.
            kind = Kind.QUOTED
        yield Piece(kind, sql[match.start() : end], match.start())
        position = end
    if position < len(sql):
        yield Piece(Kind.CODE, sql[position:], position)


def _comment_end(sql: str, position: int, nested: bool) -> int:
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(sql, position):
        if match[0] == "*/":
            depth -= 1
        elif nested:
            depth += 1
        if depth == 0:
            return match.end()
    return len(sql)


_PLACEHOLDER = re.compile(r"\?\?")
_MARK = re.compile(r"\?\??")


def count_placeholders(sql: str, database: str) -> int:
    """How many `?` of a statement stand for a value; `??` is one of the database's own."""
    return sum(
        _PLACEHOLDER.sub("", p.text).count("?")
        for p in pieces(sql, database)
        if p.kind is Kind.CODE
    )


def put_placeholders(sql: str, database: str, style: str) -> str:
    """The statement with its `?` as a driver wants them: `%s`, `:1` (`numeric`) or `?` (`qmark`).

    For `%s` every other percent sign is doubled, as those drivers want it.
    """
    if style == "qmark":
        return sql
    numbers, written = itertools.count(1), []

    def put(match: re.Match[str]) -> str:
        if match[0] == "??":
            return "?"
        return "%s" if style == "format" else f":{next(numbers)}"

    for piece in pieces(sql, database):
        text = piece.text.replace("%", "%%") if style == "format" else piece.text
        written.append(_MARK.sub(put, text) if piece.kind is Kind.CODE else text)
    return "".join(written)


_INSERT = re.compile(
    r"\s*insert\s+into\s+(?P<table>[\w.$\"`\[\]]+)\s*(?:\((?P<columns>[^()?]*)\))?\s*"
    r"values\s*\(\s*\?(?:\s*,\s*\?)*\s*\)\s*;?\s*",
    re.IGNORECASE,
)


class PlainInsert(Struct, frozen=True):
    """An INSERT of nothing but `?`: the table, and the columns if they are named."""

    table: str
    columns: tuple[str, ...]
    width: int


def plain_insert(sql: str) -> PlainInsert | None:
    """What an INSERT inserts, if a bulk loader does just the same."""
    match = _INSERT.fullmatch(sql)
    if match is None:
        return None
    names = tuple(name.strip().strip('"`[]') for name in (match["columns"] or "").split(","))
    width = sql.count("?")
    names = () if names == ("",) else names
    return PlainInsert(match["table"], names, width) if len(names) in (0, width) else None
