"""Blocks of delimited text to rows of values and back.

A value is text, or None for NULL. The quick ways do a whole block by a few calls and then make
sure, by counting, that nothing in it would have needed more care.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from functools import cache

from penstock.runner.errors import TaskFailed
from penstock.runner.records.blocks import PLAIN, Block, grammar
from penstock.runner.records.formats import Format
from penstock.runner.records.malformed import malformed

Row = list[str | None]
"""The values of one record."""

_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPED = {"\n": "n", "\t": "t", "\r": "r", "\b": "b", "\f": "f", "\v": "v"}


def read_rows(block: Block, width: int | None) -> list[Row]:
    """The rows of a block, each of `width` values. Raises `TaskFailed` that names the place."""
    try:
        text = block.content.decode()
    except UnicodeDecodeError as error:
        before = block.content[: error.start]
        line = block.line + before.count(grammar(block.format).end)
        raise malformed(block.file, line, None, "the text is not UTF-8.") from error
    form = block.format
    rows = _split(text, form) if block.care == PLAIN else _parse(text, block)
    if width is not None and any(len(row) != width for row in rows):
        raise _wrong_width(block, rows, width)
    return rows


def _split(text: str, form: Format) -> list[Row]:
    separator, end = form.separator, form.record_separator
    lines = text[: -len(end)].split(end)
    rows: list[Row] = [line.split(separator) for line in lines]  # type: ignore[misc]
    if form.null == "" and _has_empty(text, separator, end):
        return [[value or None for value in row] for row in rows]
    if form.null and not form.escape and form.null in text:
        return [[None if value == form.null else value for value in row] for row in rows]
    return rows


def _has_empty(text: str, separator: str, end: str) -> bool:
    return (
        separator + separator in text
        or end + separator in text
        or separator + end in text
        or end + end in text
        or text.startswith((separator, end))
    )


def _parse(text: str, block: Block) -> list[Row]:
    form = block.format
    if not form.quoted:
        return _split_escaped(text, block)
    if not _empty_texts(form).search(text):
        try:
            reader = csv.reader(
                io.StringIO(text, newline=""),
                delimiter=form.separator,
                escapechar=form.escape or None,
                strict=True,
            )
            return [[value or None for value in row] or [None] for row in reader]
        except csv.Error:
            pass
    return _parse_slowly(block)


def _split_escaped(text: str, block: Block) -> list[Row]:
    """Most escapes stand for letters and nulls, and only separators matter to splitting."""
    form = block.format
    separator, end, escape = form.separator, form.record_separator, form.escape
    if "\r" in text or not escape or escape + separator in text or escape + end in text:
        return _parse_slowly(block)
    read = _decoder(form)
    return [
        [read(value) if escape in value else value for value in line.split(separator)]
        for line in text[: -len(end)].split(end)
    ]


@cache
def _empty_texts(form: Format) -> re.Pattern[str]:
    r"""What the standard library's reader cannot tell apart: `""` and nothing, `\N` and `N`."""
    pattern = '""'
    if form.escape:
        pattern += "|" + re.escape(form.escape) + "N"
    return re.compile(pattern)


def _parse_slowly(block: Block) -> list[Row]:
    """Value by value, by the grammar of the format."""
    rules, value_of = grammar(block.format), _decoder(block.format)
    content, position, size = block.content, 0, len(block.content)
    rows: list[Row] = []
    row: Row = []
    while position < size:
        match = rules.field.match(content, position)
        assert match is not None
        field, position = match[0], match.end()
        if content.startswith(rules.separator, position):
            row.append(value_of(field.decode()))
            position += len(rules.separator)
            continue
        if field.endswith(b"\r") and rules.end == b"\n":
            field = field[:-1]
        row.append(value_of(field.decode()))
        rows.append(row)
        row = []
        position = content.index(rules.end, position) + len(rules.end)
    return rows


@cache
def _decoder(form: Format) -> Callable[[str], str | None]:
    """The value of one field as it stands in the file."""
    escape, letters = form.escape, {} if form.quoted else _LETTERS
    escapes = re.compile(re.escape(escape) + "(.)", re.DOTALL) if escape else None
    null = escape + "N" if escape else form.null

    def plain(match: re.Match[str]) -> str:
        return letters.get(match[1], match[1])

    def read(text: str) -> str | None:
        if text in (form.null, null):
            return None
        if form.quoted and text.startswith('"'):
            text = text[1:-1]
            if escapes is None:
                return text.replace('""', '"')
            return _unquote(escape).sub(lambda found: found[1] or '"', text)
        return escapes.sub(plain, text) if escapes is not None else text

    return read


@cache
def _unquote(escape: str) -> re.Pattern[str]:
    return re.compile(re.escape(escape) + '(.)|""', re.DOTALL)


def _wrong_width(block: Block, rows: Sequence[Row], width: int) -> TaskFailed:
    index = next(index for index, row in enumerate(rows) if len(row) != width)
    rules, line = grammar(block.format), block.line
    if block.care == PLAIN:
        line += index
    else:
        position = 0
        for _ in range(index):
            match = rules.record.match(block.content, position)
            assert match is not None
            position = match.end()
        line += block.content.count(rules.end, 0, position)
    found = len(rows[index])
    columns = "column" if found == 1 else "columns"
    return malformed(
        block.file,
        line,
        min(found, width) + 1,
        f"the row has {found} {columns} instead of {width}.",
    )


def write_rows(rows: Sequence[Sequence[str | None]], form: Format) -> bytes:
    """The rows in a delimited format."""
    separator, end = form.separator, form.record_separator
    try:
        text = end.join([separator.join(row) for row in rows]) + end  # type: ignore[arg-type]
    except TypeError:
        return _write_slowly(rows, form)
    if (
        not rows
        or text.count(separator) != sum(map(len, rows)) - len(rows)
        or text.count(end) != len(rows)
        or _beside_separators(form).search(text)
        or (form.null == "" and _has_empty(text, separator, end))
    ):
        return _write_slowly(rows, form)
    return text.encode()


def _write_slowly(rows: Sequence[Sequence[str | None]], form: Format) -> bytes:
    write, special, null = _writer(form), _special(form), form.null
    single = form.null == ""
    lines = [
        form.separator.join(
            [
                null
                if value is None
                else write(value)
                if special.search(value) or (single and not value)
                else value
                for value in row
            ]
        )
        for row in rows
    ]
    end = form.record_separator
    return "".join([line + end for line in lines]).encode()


@cache
def _special(form: Format) -> re.Pattern[str]:
    """What may not stand in a value as it is: of a longer separator, already its beginning."""
    return _any_of({form.separator[0], form.record_separator[0]} | _marks(form))


@cache
def _beside_separators(form: Format) -> re.Pattern[str]:
    """What may not stand in a text of which the separators have been counted."""
    longer = {text[0] for text in (form.separator, form.record_separator) if len(text) > 1}
    return _any_of(longer | _marks(form))


def _marks(form: Format) -> set[str]:
    marks = {form.escape, "\r"} - {""}
    # A backslash is quoted even where it escapes nothing: `\\.` ends the data for PostgreSQL.
    return marks | {'"', "\\"} if form.quoted else marks


def _any_of(texts: set[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(text) for text in sorted(texts)))


def _writer(form: Format) -> Callable[[str], str]:
    escape = form.escape
    if form.quoted:
        return lambda value: '"' + _doubled(value, escape) + '"'
    special = _special(form)
    if not escape:
        return _refuse(form)
    return lambda value: special.sub(lambda found: _escaped(found[0], escape), value)


def _doubled(value: str, escape: str) -> str:
    if escape and escape in value:
        value = value.replace(escape, escape * 2)
    return value.replace('"', '""')


def _escaped(text: str, escape: str) -> str:
    return escape + _ESCAPED.get(text, text)


def _refuse(form: Format) -> Callable[[str], str]:
    def refuse(value: str) -> str:
        what = f"the value {value[:40]!r} holds a separator, and the format has no escape character"
        raise TaskFailed("InvalidFormat", what + ".")

    return refuse


def convert(block: Block, form: Format, width: int | None) -> bytes:
    """The records of a block in another delimited format, each of `width` values.

    What a database wrote is taken for well-formed.
    """
    if not block.file and (content := _adopt(block, form)) is not None:
        return content
    if block.care == PLAIN:
        content = _exchange(block, form, width if block.file else None)
        if content is not None:
            return content
    return write_rows(read_rows(block, width), form)


def _adopt(block: Block, form: Format) -> bytes | None:
    """The block as it is, where the formats differ in no more than that one has an escape."""
    source = block.format
    alike = (source.separator, source.record_separator, source.quoted, source.null)
    if alike != (form.separator, form.record_separator, form.quoted, form.null):
        return None
    if source.escape == form.escape:
        return block.content
    if source.escape:
        return None
    escape = form.escape.encode()
    return block.content.replace(escape, escape * 2)


def _exchange(block: Block, form: Format, width: int | None) -> bytes | None:
    """The block with other separators, if nothing in it stands in the way."""
    content, source = block.content, block.format
    old, new, end = source.separator.encode(), form.separator.encode(), source.record_separator
    if source.record_separator != form.record_separator or (old != new and new in content):
        return None
    if (form.escape and form.escape.encode() in content) or b"\r" in content:
        return None
    if form.quoted and b'"' in content:
        return None
    if not _counts(content, old, end.encode(), width):
        return None
    if (source.null == "") != (form.null == ""):
        empty = b'""' if form.null == "" else form.null.encode()
        content = _fill(content, old, end.encode(), empty)
    return content.replace(old, new) if old != new else content


def _counts(content: bytes, separator: bytes, end: bytes, width: int | None) -> bool:
    """Whether each line has as many values as it should."""
    if width is None:
        return True
    lines = content[: -len(end)].split(end)
    return {line.count(separator) for line in lines} == {width - 1}


def _fill(content: bytes, separator: bytes, end: bytes, text: bytes) -> bytes:
    """The content with a text wherever a value is empty."""
    for before in (separator, end):
        for after in (separator, end):
            # Twice, since `,,,` holds two empty values and one replacement sees the first.
            for _ in range(2):
                if before + after in content:
                    content = content.replace(before + after, before + text + after)
    return text + content if content.startswith((separator, end)) else content
