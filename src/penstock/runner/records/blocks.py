"""Files of delimited rows as blocks: some hundred kilobytes of whole records, as they were written.

A block knows how much care it needs. Where it holds neither quotation mark nor escape, every
separator separates, and it can be handled as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from msgspec import Struct

from penstock.runner.records.formats import Format
from penstock.runner.records.malformed import malformed

BLOCK_BYTES = 512 * 1024
"""What is read at a time."""

RECORD_BYTES = 64 * 1024 * 1024
"""The longest record; a longer one is a file without line ends, or a quotation mark left open."""

PLAIN, QUOTED, MIXED = 0, 1, 2
"""Care that a block needs: none; RFC 4180's; that of a reader of single characters."""


class Block(Struct, frozen=True):
    """Whole records of a file in a format. `line` is the number of the first, from 1.

    `file` is `""` for what a database wrote.
    """

    content: bytes
    format: Format
    care: int = PLAIN
    file: str = ""
    line: int = 1


class Grammar(Struct, frozen=True):
    """Regular expressions for the records of a format, over bytes.

    A buffer with none of the `special` characters is cut at its last separator, without them.
    """

    special: tuple[bytes, ...]
    pure: re.Pattern[bytes]
    record: re.Pattern[bytes]
    field: re.Pattern[bytes]
    separator: bytes
    end: bytes


@cache
def grammar(form: Format) -> Grammar:
    """The regular expressions of a delimited format.

    Each alternative begins with a character that no other begins with, and runs of characters are
    never given back, so that a long record that does not match is given up in linear time.
    """
    separator, end = form.separator.encode(), form.record_separator.encode()
    escape = re.escape(form.escape.encode())
    first = re.escape(separator[:1]) + re.escape(end[:1])
    ordinary = b"[^" + first + escape + b"]"
    others = _not_yet(separator) + _not_yet(end)
    bare = ordinary + b"*+"
    if escape:
        others += escape + b"."
        unquoted = bare + b"(?:(?:" + others.rstrip(b"|") + b")" + bare + b")*"
    else:
        unquoted = bare + (b"(?:(?:" + others.rstrip(b"|") + b")" + bare + b")*" if others else b"")
    strict, field = unquoted, unquoted
    special = [form.escape.encode(), b'"' if form.quoted else b"", b"\r" if end == b"\n" else b""]
    tail = b"\r?\n" if end == b"\n" else re.escape(end)
    if form.quoted:
        inner = b'[^"' + escape + b"]*+"
        skip = b'""|' + escape + b"." if escape else b'""'
        marked = b'"' + inner + b"(?:(?:" + skip + b")" + inner + b')*"'
        strict = marked + b'|(?!")[^' + first + escape + b'"]*+'
        field = marked + b'|(?!")' + unquoted
    listed = re.escape(separator)
    return Grammar(
        tuple(mark for mark in special if mark),
        _record(strict, listed, re.escape(end)),
        _record(field, listed, tail),
        re.compile(b"(?:" + field + b")", re.DOTALL),
        separator,
        end,
    )


def _record(field: bytes, separator: bytes, end: bytes) -> re.Pattern[bytes]:
    one = b"(?:" + field + b")"
    return re.compile(one + b"(?:" + separator + one + b")*" + end, re.DOTALL)


def _not_yet(text: bytes) -> bytes:
    """The first character of a longer separator where the rest does not follow."""
    if len(text) == 1:
        return b""
    return re.escape(text[:1]) + b"(?!" + re.escape(text[1:]) + b")|"


def read_blocks(
    pieces: Iterable[bytes], form: Format, file: str, record_bytes: int = RECORD_BYTES
) -> Iterator[Block]:
    """Cut a file's content into blocks of whole records.

    A last record needs no separator after it. Raises `TaskFailed` where a record is longer than
    `record_bytes`, or its quotation marks do not fit.
    """
    rules = grammar(form)
    line, waiting, held = 1, b"", [b""]
    for piece in pieces:
        held.append(piece)
        # What is incomplete is looked at again only when there is twice as much of it.
        if sum(map(len, held)) < 2 * len(waiting):
            continue
        buffer = b"".join(held)
        cut, care = _cut(buffer, rules, file, line)
        if cut:
            content = buffer[:cut]
            yield Block(content, form, care, file, line)
            line += content.count(rules.end)
        elif len(buffer) > record_bytes:
            raise _too_long(buffer, file, line, rules, record_bytes)
        waiting = buffer[cut:] if not cut else b""
        held = [buffer[cut:]]
    rest = b"".join(held)
    while rest:
        if not rest.endswith(rules.end):
            rest += rules.end
        cut, care = _cut(rest, rules, file, line)
        if not cut:
            raise _unfinished(rest, file, line, rules)
        yield Block(rest[:cut], form, care, file, line)
        line += rest.count(rules.end, 0, cut)
        rest = rest[cut:]


def _cut(buffer: bytes, rules: Grammar, file: str, line: int) -> tuple[int, int]:
    """Where the last whole record of a buffer ends, and the care that those before it need."""
    if not _is_special(buffer, rules):
        end = buffer.rfind(rules.end)
        return (end + len(rules.end) if end >= 0 else 0), PLAIN
    position, care = 0, QUOTED
    pure, record = rules.pure.match, rules.record.match
    size = len(buffer)
    while position < size:
        match = pure(buffer, position)
        if match is None:
            match = record(buffer, position)
            if match is None:
                _diagnose(buffer, position, rules, file, line)
                break
            care = MIXED
        position = match.end()
    return position, care


def _is_special(buffer: bytes, rules: Grammar) -> bool:
    return any(mark in buffer for mark in rules.special)


def _diagnose(buffer: bytes, position: int, rules: Grammar, file: str, line: int) -> None:
    """Raise for a record that is wrong whatever follows; return if it may only be incomplete."""
    at = position
    number = 1
    while (match := rules.field.match(buffer, at)) is not None:
        at = match.end()
        follows = buffer[at : at + 2]
        if buffer.startswith(rules.separator, at):
            at += len(rules.separator)
            number += 1
        elif len(follows) < 2 or follows[:1] == b'"' or not match[0].startswith(b'"'):
            return
        else:
            raise malformed(
                file,
                line + buffer.count(rules.end, 0, at),
                number,
                f"{_shown(follows)} follows the quotation mark that ends a value; a quotation mark"
                " within a value is written twice",
            )


def _too_long(buffer: bytes, file: str, line: int, rules: Grammar, limit: int) -> Exception:
    what = f"the record is longer than {limit // (1024 * 1024)} MB"
    if _is_special(buffer, rules):
        what += "; perhaps a quotation mark is never closed"
    return malformed(file, line, None, what + ".")


def _unfinished(buffer: bytes, file: str, line: int, rules: Grammar) -> Exception:
    return malformed(
        file,
        line,
        None,
        "the file ends within a value: a quotation mark is not closed, or nothing follows an"
        " escape character.",
    )


def _shown(text: bytes) -> str:
    return repr(text[:1].decode("utf-8", "replace"))
