"""filterSql without Hive: what passes, what does not, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.runner.activities.hive_filter import UnsupportedFilter, compile_filter

ITEM: dict[str, Any] = {
    "id": {"S": "k7"},
    "timeStamp": {"N": "1370304060"},
    "flag": {"N": "1"},
    "yes": {"BOOL": True},
    "none": {"NULL": True},
    "digits": {"S": "42"},
    "tags": {"SS": ["a"]},
}
COLUMNS = {"timeStamp": "BIGINT", "flag": "BOOLEAN", "digits": "BIGINT"}

PASS = """
id = 'k7'
ID == "k7" and `TIMESTAMP` > 0
`timeStamp` > unix_timestamp("2013-06-04T00:00:00", "yyyy-MM-dd'T'HH:mm:ss")
timestamp = unix_timestamp('2013-06-04 00:01:00')
not (id <> 'k7') && !(id = 'x')
id in ('a', 'k7') or false
id not in ('a', 'b')
id like 'k_' and id like '%7' and id not like 'K%'
id rlike '^k[0-9]$'
none is null and id is not null and missing is null
none <=> null
timestamp between 1 and 2e9 and timestamp not between 1 and 2
flag and yes
yes = true
(timestamp + 40) % 100 = 0 or timestamp % 60 = 0
-1 < timestamp - 1370304060
1.5L > 1
length(concat(upper(id), 'x')) = 3
substr(id, 2) = '7' and substring(id, -2, 1) = 'k'
coalesce(missing, none, 'd') = 'd' and nvl(none, 1) = 1
cast('12' as bigint) = 12 and cast(timestamp as string) = '1370304060'
t.id = 'k7'
id = 'k7' -- and a remark
isnotnull(id) and isnull(tags) = false
"""

FAIL = """
id = 'K7'
none = 1
not (none = 1)
missing <> 'x'
id not in ('a', none)
id = 7
digits = 42
timestamp / 0 = 1
unix_timestamp('yesterday') = 0 or unix_timestamp(id) is not null
tags = 'a'
'text'
"""

REFUSED = {
    "n IN (SELECT n FROM t)": "'select' at character 7 is not understood",
    "exists (select 1)": "'exists' at character 1 is not understood",
    "CASE WHEN id = 1 THEN 2 END = 2": "'case' at character 1 is not understood",
    "array_contains(tags, 'a')": "the function array_contains at character 1 is unknown here",
    "lower(id, 1) = 'x'": "lower at character 1 has the wrong arguments",
    "id = 'k7": '"\'" at character 6 is not understood',
    "id =": "its end is not understood",
    "(id = 'a'": "its end is not understood; ) is missing",
    "id = 'a' group by id": "'group' at character 10 is not understood",
    "tags[0] = 1": "'[' at character 5 is not understood",
    "where id = 1": "'id' at character 7 is not understood",
    "(" * 200 + "1" + ")" * 200: "it is nested too deeply",
    "!" * 100_000 + "x": None,  # Long, but not deep: it is evaluated.
    "unix_timestamp('x', 'EEE') = 1": "the letters 'EEE' of a time pattern are unknown here",
}


@pytest.mark.parametrize("text", PASS.strip().splitlines())
def test_passes(text: str) -> None:
    assert compile_filter(text, COLUMNS)(ITEM) is True


@pytest.mark.parametrize("text", FAIL.strip().splitlines())
def test_does_not_pass(text: str) -> None:
    assert compile_filter(text, COLUMNS)(ITEM) is False


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_is_refused(text: str) -> None:
    message = REFUSED[text]
    if message is None:
        assert compile_filter(text, COLUMNS)(ITEM) is False
        return
    with pytest.raises(UnsupportedFilter) as refused:
        compile_filter(text, COLUMNS)(ITEM)
    assert str(refused.value).startswith(message)
