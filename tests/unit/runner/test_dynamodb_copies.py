"""Export, import and copy of DynamoDB tables, against moto's DynamoDB and S3."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.runner.activities import ACTIVITIES, dynamodb_export
from penstock.runner.activities.context import Context
from penstock.runner.activities.dynamodb_export import run_export
from penstock.runner.activities.dynamodb_import import run_import
from penstock.runner.activities.dynamodb_steps import Export, recognise
from penstock.runner.connectors.dynamodb import DynamoTable, Facts, Page, Throughput
from tests.support.dynamodb import items_of, make_table, numbered
from tests.support.object_store import get_objects, object_store, put_object
from tests.unit.runner.scripted import House, make_task

JAR = "s3://dynamodb-emr-us-east-1/emr-ddb-storage-handler/2.1.0/emr-ddb-2.1.0.jar"
TOOLS = "org.apache.hadoop.dynamodb.tools"
NAMES = (f"t{number}" for number in itertools.count(1))

EVERYTHING: dict[str, Any] = {
    "id": {"S": "all"},
    "s": {"S": "line\nfeed \u2603 \x02\x03"},
    "n": {"N": "12345678901234567890.123456789"},
    "b": {"B": b"\x00\xff"},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2.5"]},
    "bs": {"BS": [b"\x01", b"\x02"]},
    "m": {"M": {"inner": {"L": [{"BOOL": True}, {"NULL": True}, {"M": {}}]}}},
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        put_object(url, "bucket", None)
        yield url


@pytest.fixture
def place(endpoint: str, house: House, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory of the test's own; EmrActivity is what the steps of the templates need of it."""
    house.environ["AWS_ENDPOINT_URL"] = endpoint
    monkeypatch.setitem(ACTIVITIES, "EmrActivity", _run_step)
    return f"s3://bucket/{next(NAMES)}"


def _run_step(context: Context) -> None:
    found = recognise(context.task.attempt.string("step") or "")
    assert found is not None
    if isinstance(found, Export):
        run_export(context, found)
    else:
        run_import(context, found)


def export_task(place: str, table: str, more: str = "", **fields: Any) -> Any:
    return make_task(
        type="EmrActivity", step=f"{JAR},{TOOLS}.DynamoDbExport,{place},{table}{more}", **fields
    )


def import_task(place: str, table: str, **fields: Any) -> Any:
    return make_task(
        type="EmrActivity", step=f"{JAR},{TOOLS}.DynamoDbImport,{place},{table},1.0", **fields
    )


def files_of(endpoint: str, place: str) -> dict[str, bytes]:
    prefix = place.removeprefix("s3://bucket/") + "/"
    found = get_objects(endpoint, "bucket", prefix)
    return {name.removeprefix(prefix): content for name, content in found.items()}


def exported_items(endpoint: str, place: str) -> list[str]:
    """The keys in the files of the manifest; nothing else may be there but it and `_SUCCESS`."""
    files = files_of(endpoint, place)
    urls = [entry["url"] for entry in json.loads(files["manifest"])["entries"]]
    names = {url.removeprefix(place + "/") for url in urls}
    assert set(files) == names | {"manifest", "_SUCCESS"}
    lines = b"".join(files[name] for name in names).splitlines()
    return sorted(json.loads(line)["id"]["s"] for line in lines)


def run(house: House, task: dict[str, Any]) -> dict[str, Any]:
    """One task on a runner of its own, which shares its directories with the others."""
    another = House(house.directory)
    another.environ = house.environ
    return another.run(task)


def finish(house: House, task: dict[str, Any]) -> None:
    assert run(house, task)["taskStatus"] == "FINISHED"


def test_an_export_is_read_back_as_it_was(endpoint: str, place: str, house: House) -> None:
    source, target = next(NAMES), next(NAMES)
    make_table(endpoint, source, [EVERYTHING, *numbered(60)])
    make_table(endpoint, target)
    finish(house, export_task(place, source, ",0.5,3"))
    assert len(exported_items(endpoint, place)) == 61
    finish(house, import_task(place, target))
    assert items_of(endpoint, target) == items_of(endpoint, source)


def test_an_export_takes_the_place_of_an_earlier_one(
    endpoint: str, place: str, house: House
) -> None:
    table = next(NAMES)
    make_table(endpoint, table, numbered(10))
    finish(house, export_task(place, table))
    put_object(endpoint, "bucket", f"{place.removeprefix('s3://bucket/')}/mine.txt", b"stays")
    finish(house, export_task(place, table))
    assert files_of(endpoint, place).pop("mine.txt") == b"stays"
    urls = json.loads(files_of(endpoint, place)["manifest"])["entries"]
    # Nothing but the manifest's files, the two markers and what was never ours.
    assert len(files_of(endpoint, place)) == len(urls) + 3


def fail_after(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """Let the runner die, as it were, once that many pages are read."""
    scan, seen = DynamoTable.scan, itertools.count(1)

    def dying(self: DynamoTable, *arguments: Any) -> Iterator[Page]:
        for page in scan(self, *arguments):
            yield page
            if next(seen) >= pages:
                raise RuntimeError("the runner died")

    monkeypatch.setattr(DynamoTable, "scan", dying)


def test_a_retry_goes_on_where_segments_ended(
    endpoint: str, place: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = next(NAMES)
    make_table(endpoint, table, numbered(40), units=5)
    # A file to a page, so that there is something to go on from.
    monkeypatch.setattr(dynamodb_export, "FILE_BYTES", 1)
    monkeypatch.setattr(Throughput, "spend", lambda _self, _units: None)
    monkeypatch.setattr(Facts, "item_bytes", 8_192.0)
    with monkeypatch.context() as patch:
        fail_after(patch, 3)
        assert run(house, export_task(place, table, ",1.0,2"))["errorId"] == "RunnerError"
    left = files_of(endpoint, place)
    assert "manifest" not in left
    assert "_SUCCESS" not in left
    before = [name for name in left if not name.startswith("_")]
    assert before
    finish(house, export_task(place, table, ",1.0,2"))
    assert exported_items(endpoint, place) == [f"k{n:04}" for n in range(40)]
    files = files_of(endpoint, place)
    assert any(name in files for name in before)


def test_another_export_does_not_go_on_with_what_it_finds(
    endpoint: str, place: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = next(NAMES)
    make_table(endpoint, table, numbered(40), units=5)
    monkeypatch.setattr(dynamodb_export, "FILE_BYTES", 1)
    monkeypatch.setattr(Throughput, "spend", lambda _self, _units: None)
    with monkeypatch.context() as patch:
        fail_after(patch, 3)
        run(house, export_task(place, table, name="Earlier"))
    finish(house, export_task(place, table))
    assert exported_items(endpoint, place) == [f"k{n:04}" for n in range(40)]
