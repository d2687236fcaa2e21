"""Formats: what is written is read back, whatever is in it, and what is malformed is located."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.model.definition import Field, PipelineObject
from penstock.runner.errors import TaskFailed
from penstock.runner.records.batches import Batch, Rows, as_text_rows
from penstock.runner.records.blocks import read_blocks
from penstock.runner.records.compression import compressed, decompressed
from penstock.runner.records.files import FileForm, Source, read_file, write_file
from penstock.runner.records.formats import CSV, PURE_CSV, TSV, Column, Format, read_format
from penstock.runner.records.values import Row, convert, read_rows, write_rows

FORMS = [
    CSV,
    TSV,
    PURE_CSV,
    Format("Custom", separator="|"),
    Format("Custom", separator="||", record_separator="\r\n"),
    Format("CSV", escape="!", quoted=True, null=""),
]
VALUES = st.one_of(st.none(), st.text(st.sampled_from('ab,"\\\n\r\té!N|t'), max_size=5))


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=5))


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def rows_of(content: bytes, form: Format, size: int = 1_000, width: int | None = None) -> list[Row]:
    blocks = read_blocks(in_pieces(content, size), form, "in.csv")
    return [row for block in blocks for row in read_rows(block, width)]


@settings(max_examples=200, deadline=None)
@given(tables(), st.sampled_from(FORMS), st.sampled_from(FORMS), st.sampled_from([1, 3, 1_000]))
def test_what_is_written_is_read_back_by_any_way(
    rows: list[Row], form: Format, other: Format, size: int
) -> None:
    content, width = write_rows(rows, form), len(rows[0])
    assert rows_of(content, form, size, width) == rows
    blocks = read_blocks(in_pieces(content, 1_000), form, "in.csv")
    assert rows_of(b"".join(convert(b, other, width) for b in blocks), other) == rows


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'a,,"",\\N\n', [["a", None, "", None]]),
        (b'"x""y","a\nb"\r\nc,d\r\n', [['x"y', "a\nb"], ["c", "d"]]),
        (b"a\\,b,c\\\nd", [["a,b", "c\nd"]]),
        (b'5" pipe,"6"" pipe"\n', [['5" pipe', '6" pipe']]),
    ],
)
def test_csv_of_many_hands(content: bytes, expected: list[Row]) -> None:
    assert rows_of(content, CSV) == expected


def test_tsv_as_databases_write_it() -> None:
    assert rows_of(b"a\\tb\t\\N\tx\\\ty\n\t\tc\n", TSV) == [["a\tb", None, "x\ty"], ["", "", "c"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2\n3\n", "in.csv, line 2, column 2: the row has 1 column instead of 2."),
        (b'"a\nb",2\n1,2,3\n', "in.csv, line 3, column 3: the row has 3 columns instead of 2."),
        (b'1,2\n"a"b,2\n', "in.csv, line 2, column 1: 'b' follows the quotation mark that ends"),
        (b'1,2\n3,"4\n', "in.csv, line 2: the file ends within a value"),
        (b"1,2\n\xff,2\n", "in.csv, line 2: the text is not UTF-8."),
    ],
)
def test_what_is_malformed_is_located(content: bytes, message: str) -> None:
    with pytest.raises(TaskFailed, match=r"in\.csv") as caught:
        rows_of(content, CSV, width=2)
    assert str(caught.value).startswith(message)
    assert caught.value.error_id == "MalformedRecord"


@pytest.mark.parametrize("start", [b"1,2\nx", b'1,2\n"x'])
def test_a_line_of_two_gigabytes_is_refused_long_before_its_end(start: bytes) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield start
        while taken < 2_000_000_000:
            taken += 500_000
            yield b"x" * 500_000

    with pytest.raises(TaskFailed, match=r"in.csv, line 2: the record is longer than 8 MB"):
        for _ in read_blocks(endless(), CSV, "in.csv", 8 * 1024 * 1024):
            pass
    assert taken < 40_000_000


def test_gzip_in_members_cut_off_and_none_at_all() -> None:
    two = gzip.compress(b"1,2\n") + gzip.compress(b"3,4\n")
    for size in (1, 7, 1_000):
        assert b"".join(decompressed(in_pieces(two, size), "in.gz")) == b"1,2\n3,4\n"
    with pytest.raises(TaskFailed, match=r"in.gz: the gzip content is cut off"):
        list(decompressed([two[:-5]], "in.gz"))
    with pytest.raises(TaskFailed, match=r"in.gz: the content is not gzip"):
        list(decompressed([b"1,2\n"], "in.gz"))
    assert gzip.decompress(b"".join(compressed([b"1,", b"2\n"]))) == b"1,2\n"


def test_a_bomb_of_zeros_comes_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert max(len(piece) for piece in decompressed([bomb], "in.gz")) <= 512 * 1024


COLUMNS = (Column("id", "INT"), Column("price", "DECIMAL(8,2)"), Column("at", "TIMESTAMP"))
TEXTS: list[Row] = [["1", "1.50", "2026-01-02 03:04:05"], ["2", None, None]]


@pytest.mark.parametrize("kind", ["JsonLines", "Parquet", "CSV"])
@pytest.mark.parametrize("compression", [False, True])
def test_typed_files_give_back_what_they_got(kind: str, compression: bool, tmp_path: Path) -> None:
    form = FileForm(Format(kind, COLUMNS, quoted=kind == "CSV", null=""), compression)
    batches: list[Batch] = [Rows(TEXTS)]
    content = b"".join(write_file(batches, form, COLUMNS, 3, tmp_path / "scratch"))
    path = tmp_path / "file"
    path.write_bytes(content)
    source = Source("in", lambda: iter([content]), lambda: path)
    found = [row for batch in read_file(source, form) for row in as_text_rows(batch, 3)]
    spelled = [[text and text.replace("T", " ") for text in row] for row in found]
    assert spelled == TEXTS


def test_what_does_not_fit_its_type_is_located(tmp_path: Path) -> None:
    form = FileForm(Format("JsonLines", COLUMNS))
    batches: list[Batch] = [Rows([["1", "1", None], ["x", "1", None]], "in.csv", 7)]
    with pytest.raises(TaskFailed, match=r"in.csv, line 8, column id: 'x' is no INT."):
        list(write_file(batches, form, COLUMNS, 3, tmp_path / "s"))


def test_lines_taken_apart_and_put_together(tmp_path: Path) -> None:
    form = Format("RegEx", pattern=r"(\S+) \[(.*)\](?: (\d+))?", output="%2$s|%1$s|%3$s")
    source = Source("log", lambda: iter([b"host [now] 7\nother [then]\n"]), lambda: tmp_path)
    batches = list(read_file(source, FileForm(form)))
    assert [row for batch in batches for row in as_text_rows(batch, 3)] == [
        ["host", "now", "7"],
        ["other", "then", None],
    ]
    written = b"".join(write_file(batches, FileForm(form), (), 3, tmp_path / "s"))
    assert written == b"now|host|7\nthen|other|\n"
    source = Source("log", lambda: iter([b"host [now] 7\nnothing\n"]), lambda: tmp_path)
    with pytest.raises(TaskFailed, match=r"log, line 2: the line does not match inputRegEx"):
        list(read_file(source, FileForm(form)))


def test_formats_of_a_definition() -> None:
    def form(**fields: str) -> Format:
        found = tuple(Field(key, value) for key, value in fields.items())
        return read_format(PipelineObject("F", "F", found))

    assert read_format(None) == CSV
    columns = (Column("a", "INT"), Column("b", "DECIMAL(1, 2)"))
    assert form(type="CSV", column="a INT, b decimal(1, 2)").columns == columns
    custom = form(type="Custom", columnSeparator="\\u0001", recordSeparator="\\r\\n")
    assert (custom.separator, custom.record_separator) == ("\x01", "\r\n")
    for wrong in ({"type": "Custom"}, {"type": "CSV", "escapeChar": "ab"}, {"type": "Nonsense"}):
        with pytest.raises(TaskFailed):
            form(**wrong)
