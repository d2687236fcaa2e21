"""RegEx: lines that a regular expression takes apart, and lines put together by an outputFormat.

Source: developer guide, "RegEx Data Format". `inputRegEx` must match the whole line, as Java's
`matches` does; `outputFormat` holds `%1$s` for the first column, and so on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from penstock.runner.errors import TaskFailed
from penstock.runner.records.batches import Batch, Rows, as_text_rows
from penstock.runner.records.blocks import read_blocks
from penstock.runner.records.formats import INVALID_FORMAT, Format
from penstock.runner.records.malformed import malformed

_LINES = Format("lines", separator="\n", escape="", null="")
_PLACE = re.compile(r"%(?:(\d+)\$)?s|%%|%n")


def read_matches(pieces: Iterable[bytes], form: Format, file: str) -> Iterator[Batch]:
    """The groups of each line; a group that took no part is NULL."""
    matched = re.compile(form.pattern).fullmatch
    for block in read_blocks(pieces, _LINES, file):
        rows = []
        lines = block.content.decode("utf-8", "replace")[:-1].split("\n")
        for number, line in enumerate(lines, block.line):
            match = matched(line.removesuffix("\r"))
            if match is None:
                what = f"the line does not match inputRegEx: {line[:80]!r}."
                raise malformed(file, number, None, what)
            rows.append(list(match.groups()))
        yield Rows(rows, file, block.line)


def write_formatted(batches: Iterable[Batch], form: Format, width: int | None) -> Iterator[bytes]:
    """Each row as `outputFormat` has it; NULL is an empty text."""
    if not form.output:
        raise TaskFailed(INVALID_FORMAT, "A RegEx format that is written needs an outputFormat.")
    for batch in batches:
        lines = [_put(form.output, row) for row in as_text_rows(batch, width)]
        yield "".join(line + "\n" for line in lines).encode()


def _put(output: str, row: list[str | None]) -> str:
    counter = iter(row)

    def value(match: re.Match[str]) -> str:
        if match[0] in ("%%", "%n"):
            return "%" if match[0] == "%%" else "\n"
        if match[1] is None:
            return next(counter, None) or ""
        index = int(match[1]) - 1
        if index >= len(row):
            message = f"outputFormat has {match[0]}, but a row has {len(row)} columns."
            raise TaskFailed(INVALID_FORMAT, message)
        return row[index] or ""

    return _PLACE.sub(value, output)
