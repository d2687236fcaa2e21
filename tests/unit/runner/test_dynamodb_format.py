"""The export format of DynamoDB tables: there and back, old forms, and lines that are none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.runner.records.dynamodb_export import (
    MalformedItem,
    is_data_name,
    read_item,
    read_manifest,
    write_item,
    write_manifest,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.decimals(allow_nan=False, allow_infinity=False).map(str)
binaries = st.binary(max_size=8)
scalars = st.one_of(
    st.builds(lambda text: {"S": text}, texts),
    st.builds(lambda number: {"N": number}, numbers),
    st.builds(lambda content: {"B": content}, binaries),
    st.builds(lambda value: {"BOOL": value}, st.booleans()),
    st.just({"NULL": True}),
    st.builds(lambda found: {"SS": sorted(found)}, st.sets(texts, min_size=1, max_size=3)),
    st.builds(lambda found: {"NS": sorted(found)}, st.sets(numbers, min_size=1, max_size=3)),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(lambda found: {"L": found}, st.lists(inner, max_size=3)),
        st.builds(lambda found: {"M": found}, st.dictionaries(texts, inner, max_size=3)),
    ),
    max_leaves=6,
)


@given(st.dictionaries(texts, values, min_size=1, max_size=4))
def test_an_item_is_read_as_it_was_written(item: dict[str, Any]) -> None:
    line = write_item(item)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_item(line) == item


@given(st.binary(max_size=60))
def test_any_other_line_is_malformed(line: bytes) -> None:
    try:
        read_item(line)
    except MalformedItem as malformed:
        assert str(malformed)  # noqa: PT017 - that nothing else is raised is the point


def test_the_form_that_is_written() -> None:
    item = {
        "id": {"S": "é"},
        "all": {"M": {"b": {"B": b"\xff"}, "l": {"L": [{"BOOL": True}, {"NULL": True}]}}},
        "sets": {"L": [{"SS": ["b", "a"]}, {"NS": ["2"]}, {"BS": [b"\0"]}]},
    }
    assert write_item(item).decode() == (
        '{"id":{"s":"é"},'
        '"all":{"m":{"b":{"b":"/w=="},"l":{"l":[{"bOOL":true},{"nULLValue":true}]}}},'
        '"sets":{"l":[{"sS":["a","b"]},{"nS":["2"]},{"bS":["AA=="]}]}}\n'
    )


@pytest.mark.parametrize(
    ("line", "item"),
    [
        (b'id\x03{"s":"Seattle"}\x02n\x03{"nS":["100"]}',
         {"id": {"S": "Seattle"}, "n": {"NS": ["100"]}}),
        (b'{"id":{"S":"a"},"m":{"M":{"x":{"NS":["1"]}}}}',
         {"id": {"S": "a"}, "m": {"M": {"x": {"NS": ["1"]}}}}),
        (b'{"id":{"s":"a"},"x":{"bool":false},"y":{"null":true}}',
         {"id": {"S": "a"}, "x": {"BOOL": False}, "y": {"NULL": True}}),
        (b'{"n":{"n":12345678901234567890.12345678901234567890}}',
         {"n": {"N": "12345678901234567890.12345678901234567890"}}),
    ],
)  # fmt: skip
def test_forms_of_other_tools_are_read(line: bytes, item: dict[str, Any]) -> None:
    assert read_item(line) == item


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "it neither begins with { nor has Hive's separators"),
        (b"{}", "it has no attributes"),
        (b'{"a":1}', "attribute 'a' is no typed value"),
        (b'{"a":{"s":"x","n":"1"}}', "attribute 'a' is no typed value"),
        (b'{"a":{"q":1}}', "attribute 'a' has the unknown type 'q'"),
        (b'{"a":{"m":{"b":{"n":true}}}}', "attribute 'a.b' is no N: it must be a string"),
        (b'{"a":{"b":"***"}}', "attribute 'a' is no B: it is not Base64"),
        (b'{"a":{"ss":"x"}}', "attribute 'a' is no SS: it must be a list"),
        (b'{"a":' + b'{"l":[' * 100_000, "it is nested too deeply"),
        (b'{"a":' + b'{"l":[' * 40 + b"]}" * 40 + b"}", "attribute 'a[][]"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_what_is_wrong_is_said(line: bytes, reason: str) -> None:
    with pytest.raises(MalformedItem) as malformed:
        read_item(line)
    assert str(malformed.value).startswith(reason)


def test_a_manifest() -> None:
    urls = ["s3://b/one", 's3://b/"two"']
    content = write_manifest(urls)
    assert content.startswith(b'{"name":"DynamoDB-export","version":3,\n"entries": [\n')
    assert read_manifest(content) == urls
    assert read_manifest(write_manifest([])) == []
    with pytest.raises(MalformedItem, match="the manifest cannot be read"):
        read_manifest(b"{}")


def test_hidden_files_hold_no_items() -> None:
    names = ["a", "d/b.gz", "manifest", "_SUCCESS", ".part", "_temporary/x", "d_$folder$"]
    assert [name for name in names if is_data_name(name)] == ["a", "d/b.gz"]
