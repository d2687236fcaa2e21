"""A SQL script as its statements.

A `;` ends a statement, but not within quotes, comments, dollar quotes, nor within the body of a
routine or trigger (`BEGIN … END`). What clients know is known here too: `DELIMITER` (MySQL), `GO`
on a line of its own (SQL Server), `/` on a line of its own (Oracle).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from penstock.runner.connectors.lexing import Kind, pieces

_DELIMITER = re.compile(r"(?:^|(?<=\n))[ \t]*delimiter[ \t]+(\S+)[ \t]*(?=\n|\Z)", re.IGNORECASE)
_ALONE = {"sqlserver": r"go", "oracle": r"/"}
_ROUTINE = re.compile(
    r"\s*(?:create\b(?:\s+or\s+(?:replace|alter))?(?:\s+\S+){0,3}?\s+"
    r"(?:procedure|function|trigger|event|package)\b)",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    r"\s*(?:declare|begin)\b(?!\s*(?:;|work\b|transaction\b|tran\b|\Z))", re.IGNORECASE
)
_WORD = re.compile(r"\b(begin|case|end)\b(?:\s+(if|loop|while|repeat|for|case)\b)?", re.IGNORECASE)
_TRANSACTION = re.compile(
    r"\s*(?:begin(?:\s+(?:work|tran|transaction|isolation|read)\b.*)?|start\s+transaction\b.*"
    r"|commit\b.*|rollback(?!\s+(?:work\s+|transaction\s+)?to\b).*|end(?:\s+transaction)?)\s*",
    re.IGNORECASE | re.DOTALL,
)


class Statement(Struct, frozen=True):
    """One statement of a script, and the line that it begins in, from 1."""

    text: str
    line: int

    @property
    def is_transaction(self) -> bool:
        """Whether it begins or ends a transaction."""
        return _TRANSACTION.fullmatch(self.text) is not None

    @property
    def verb(self) -> str:
        """Its first word, for the log; the rest may hold what is secret."""
        found = re.match(r"\s*([A-Za-z]+)", self.text)
        return found[1].upper() if found else "?"


def split_script(sql: str, database: str) -> list[Statement]:
    """The statements of a script, without those that are only comments."""
    found = []
    for start, end in _spans(sql, database):
        text, begins = _without_comments(sql[start:end], database)
        if text:
            line = sql.count("\n", 0, start + begins) + 1
            found.append(Statement(text, line))
    return found


def _without_comments(text: str, database: str) -> tuple[str, int]:
    """The statement from its first word on, and where that is; `""` if there is none."""
    for piece in pieces(text, database):
        if piece.kind is Kind.COMMENT:
            continue
        stripped = piece.text.lstrip()
        if stripped:
            start = piece.start + len(piece.text) - len(stripped)
            return text[start:].rstrip(), start
    return "", 0


def _spans(sql: str, database: str) -> Iterator[tuple[int, int]]:
    """Where statements begin and end, the separators left out."""
    separator, start, position = ";", 0, 0
    code = _only_code(sql, database)
    while position <= len(code):
        found = _next(code, position, separator, database)
        if found is None:
            break
        if found.re is _DELIMITER:
            yield start, found.start()
            separator, start = found[1], found.end()
        elif not (found[0] == ";" and _is_open(code[start : found.start()], database)):
            yield start, found.start()
            start = found.end()
        position = found.end()
    yield start, len(sql)


def _next(code: str, position: int, separator: str, database: str) -> re.Match[str] | None:
    """The next separator, or command of the client's."""
    patterns = [re.compile(re.escape(separator))]
    if alone := _ALONE.get(database):
        patterns.append(re.compile(rf"(?im)^[ \t]*{alone}[ \t]*$"))
    if database == "mysql":
        patterns.append(_DELIMITER)
    matches = [found for each in patterns if (found := each.search(code, position))]
    # Where two begin at one place, `DELIMITER ;` is the command and not an end.
    return min(matches, key=lambda found: (found.start(), -found.end()), default=None)


def _only_code(sql: str, database: str) -> str:
    """The script with everything but its code made blank, lines and places kept."""
    return "".join(
        piece.text if piece.kind is Kind.CODE else re.sub(r"[^\n]", " ", piece.text)
        for piece in pieces(sql, database)
    )


def _is_open(code: str, database: str) -> bool:
    """Whether a statement is in the middle of a body when a `;` comes."""
    if not _ROUTINE.match(code) and not (database == "oracle" and _BLOCK.match(code)):
        return False
    depth, bodies = 0, 0
    for match in _WORD.finditer(code):
        word = match[1].lower()
        if word != "end":
            depth += 1
            bodies += 1
        elif (match[2] or "case").lower() == "case":
            depth -= 1
    if database == "oracle" and not bodies:
        return True
    return depth > 0
