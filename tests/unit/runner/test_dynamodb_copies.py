"""Export, import and copy of DynamoDB tables, against moto's DynamoDB and S3."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock.runner.activities import ACTIVITIES, dynamodb_export, dynamodb_work
from penstock.runner.activities.context import Context
from penstock.runner.activities.dynamodb_export import run_export
from penstock.runner.activities.dynamodb_import import run_import
from penstock.runner.activities.dynamodb_steps import Export, recognise
from penstock.runner.connectors.dynamodb import DynamoTable, Facts, Page, Throughput
from penstock.runner.records.dynamodb_export import write_item, write_manifest
from penstock.runner.stop import CANCELED
from tests.support.dynamodb import client, items_of, make_table, numbered
from tests.support.object_store import object_store
from tests.support.waiting import eventually
from tests.unit.runner.scripted import House, make_task

ROOT = Path(__file__).resolve().parents[3]
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
        client(url, "s3").create_bucket(Bucket="bucket")
        yield url


@pytest.fixture
def place(endpoint: str, house: House, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory of the test's own; EmrActivity is what the steps of the templates need of it."""
    house.environ["AWS_ENDPOINT_URL"] = endpoint
    monkeypatch.setitem(ACTIVITIES, "EmrActivity", run_step)
    return f"s3://bucket/{next(NAMES)}"


def run_step(context: Context) -> None:
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
    s3 = client(endpoint, "s3")
    found = [(key, s3.get_object(Bucket="bucket", Key=key)) for key in names_of(endpoint, place)]
    return {key.split("/", 1)[1]: answer["Body"].read() for key, answer in found}


def names_of(endpoint: str, place: str) -> list[str]:
    prefix = place.removeprefix("s3://bucket/") + "/"
    found = client(endpoint, "s3").list_objects_v2(Bucket="bucket", Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


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


def elsewhere(house: House, name: str) -> House:
    """A runner on another host."""
    another = House(house.directory / name)
    another.environ = house.environ
    return another


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
    put_export(endpoint, place, **{"mine.txt": b"stays"})
    finish(house, export_task(place, table))
    assert files_of(endpoint, place).pop("mine.txt") == b"stays"
    urls = json.loads(files_of(endpoint, place)["manifest"])["entries"]
    # Nothing but the manifest's files, the two markers and what was never ours.
    assert len(files_of(endpoint, place)) == len(urls) + 3


def stop_all(house: House) -> None:
    """What the answer `canceled` to a report does."""
    assert house.runner is not None
    for stop in list(house.runner._stops):
        stop.request(CANCELED)


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


def test_a_canceled_export_leaves_nothing_behind(
    endpoint: str, place: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = next(NAMES)
    make_table(endpoint, table, numbered(40), units=5)
    monkeypatch.setattr(dynamodb_export, "FILE_BYTES", 1)
    monkeypatch.setattr(Facts, "item_bytes", 8_192.0)
    pages = itertools.count(1)

    def cancel_at_third(_self: Throughput, _units: float) -> None:
        if next(pages) == 3:
            stop_all(house)

    monkeypatch.setattr(Throughput, "spend", cancel_at_third)
    house.start()
    house.service.offer(export_task(place, table, ",1.0,1"))
    house.service.wait_for("ReportTaskProgress")
    house.close()
    assert next(pages) > 3
    assert house.service.of("SetTaskStatus") == []
    assert files_of(endpoint, place) == {}


CHILD = """
import json, sys
from pathlib import Path
from penstock.runner.activities import ACTIVITIES, dynamodb_export, dynamodb_work
from tests.support.waiting import eventually
from tests.unit.runner.scripted import House
from tests.unit.runner.test_dynamodb_copies import run_step
ACTIVITIES["EmrActivity"] = run_step
dynamodb_export.FILE_BYTES = 1
house = House(Path(sys.argv[1]))
house.environ["AWS_ENDPOINT_URL"] = sys.argv[2]
house.run(json.loads(sys.stdin.read()))
"""


@contextmanager
def child(endpoint: str, directory: Path, task: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A runner with a task, in a process of its own that can be killed."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), endpoint],
        stdin=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(task).encode())
        process.stdin.close()
        yield process
        process.kill()


def test_an_export_whose_runner_is_killed_is_finished_by_another(
    endpoint: str, place: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = next(NAMES)
    # So slow a table that the export cannot have ended before it is killed.
    make_table(endpoint, table, numbered(200), units=2)
    task = export_task(place, table, ",0.5,2")
    with child(endpoint, house.directory / "killed", task):
        eventually(
            lambda: any("/_" not in name for name in names_of(endpoint, place)),
            "a file of the export is whole",
        )
    left = files_of(endpoint, place)
    assert "manifest" not in left
    monkeypatch.setattr(Throughput, "spend", lambda _self, _units: None)
    finish(house, task)
    assert exported_items(endpoint, place) == [f"k{n:04}" for n in range(200)]
    assert "goes on: " in house.attempt_file("Activity.log")


def put_export(endpoint: str, place: str, **files: bytes) -> None:
    for name, content in files.items():
        key = f"{place.removeprefix('s3://bucket/')}/{name}"
        client(endpoint, "s3").put_object(Bucket="bucket", Key=key, Body=content)


def lines(items: list[dict[str, Any]]) -> bytes:
    return b"".join(map(write_item, items))


def test_an_import_reads_all_forms_and_no_hidden_files(
    endpoint: str, place: str, house: House
) -> None:
    table = next(NAMES)
    make_table(endpoint, table, [{"id": {"S": "hive"}, "old": {"S": "gone"}}])
    put_export(
        endpoint,
        place,
        plain=lines(numbered(30)) + lines(numbered(2)),
        packed=gzip.compress(lines([{"id": {"S": "zip"}}])),
        hive=b'id\x03{"s":"hive"}\x02scores\x03{"nS":["1","2"]}\n\n',
        later=b'{"id":{"S":"later"},"f":{"bool":true},"x":{"null":true},"n":{"n":1.50}}',
        _SUCCESS=b"",
        _logs=b"no items",
    )
    finish(house, import_task(place, table))
    items = items_of(endpoint, table)
    assert len(items) == 33
    assert items["hive"] == {"id": {"S": "hive"}, "scores": {"NS": ["1", "2"]}}
    assert items["later"]["f"] == {"BOOL": True}
    assert items["zip"] == {"id": {"S": "zip"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"id":{"s":"a"}}\n{"id":', "line 2: it is no JSON: Input data was truncated."),
        (b'{"id":{"s":1}}', "line 1: attribute 'id' is no S: it must be a string."),
        (b'{"name":{"s":"a"}}', "column id: the item has no 'id', a key of the table"),
    ],
)
def test_what_is_malformed_is_located(
    endpoint: str, place: str, house: House, content: bytes, message: str
) -> None:
    table = next(NAMES)
    make_table(endpoint, table)
    put_export(endpoint, place, part=content)
    status = run(house, import_task(place, table))
    assert status["errorId"] == "MalformedRecord"
    assert status["errorMessage"].startswith(f"{place}/part, line ")
    assert message in status["errorMessage"]


def test_a_retried_import_leaves_out_what_is_done(
    endpoint: str, place: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb_work, "WORKERS", 1)
    table = next(NAMES)
    make_table(endpoint, table)
    put_export(endpoint, place, a=lines(numbered(60)), b=b"broken")
    assert run(house, import_task(place, table))["errorId"] == "MalformedRecord"
    assert len(items_of(endpoint, table)) == 60
    client(endpoint).delete_item(TableName=table, Key={"id": {"S": "k0001"}})
    put_export(endpoint, place, b=lines([{"id": {"S": "b"}}]))
    finish(house, import_task(place, table))
    # What is not there any more was deleted since; the file it came from was not read again.
    found = items_of(endpoint, table)
    assert "b" in found
    assert "k0059" in found
    assert "k0001" not in found
    # With the import finished nothing is remembered: the same once more begins anew.
    finish(house, import_task(place, table))
    assert len(items_of(endpoint, table)) == 61


def test_a_canceled_import_is_finished_by_the_next(
    endpoint: str, place: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = next(NAMES)
    make_table(endpoint, table)
    put_export(endpoint, place, a=lines(numbered(100)))
    with monkeypatch.context() as patch:
        patch.setattr(Throughput, "spend", lambda _self, _units: stop_all(house))
        house.start()
        house.service.offer(import_task(place, table))
        house.service.wait_for("ReportTaskProgress")
        house.close()
    assert house.service.of("SetTaskStatus") == []
    assert len(items_of(endpoint, table)) == 25
    finish(house, import_task(place, table))
    assert len(items_of(endpoint, table)) == 100


def test_what_is_not_there_is_named(endpoint: str, place: str, house: House) -> None:
    status = run(house, export_task(place, "nowhere"))
    assert status["errorId"] == "DynamoDBFailed"
    assert status["errorMessage"].startswith("DynamoDB table 'nowhere' in us-east-1: Resource")
    table = next(NAMES)
    make_table(endpoint, table)
    status = run(house, import_task(place, table))
    assert status["errorId"] == "StagingFailed"
    assert f"{place} holds neither a manifest nor files of an export" in status["errorMessage"]
    put_export(endpoint, place, manifest=write_manifest([f"{place}/lost"]))
    status = run(house, import_task(place, table))
    assert status["errorMessage"].endswith(f"{place}/lost: no such file")


def test_the_region_of_the_data_node_counts(endpoint: str, place: str, house: House) -> None:
    table = next(NAMES)
    make_table(endpoint, table, numbered(3), region="eu-west-1")
    node = {"type": "DynamoDBDataNode", "tableName": table, "region": "eu_west_1"}
    finish(house, export_task(place, table, input=("ref", "In"), objects={"In": node}))
    assert len(exported_items(endpoint, place)) == 3


def copy_task(source: dict[str, Any], target: dict[str, Any], **fields: Any) -> Any:
    objects = {"In": source, "Out": target} | fields.pop("objects", {})
    return make_task(
        type="HiveCopyActivity",
        input=("ref", "In"),
        output=("ref", "Out"),
        objects=objects,
        **fields,
    )


def table_node(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "DynamoDBDataNode", "tableName": name} | fields


def test_hive_copies_what_its_filter_lets_pass(endpoint: str, place: str, house: House) -> None:
    source, target = next(NAMES), next(NAMES)
    make_table(endpoint, source, numbered(30))
    make_table(endpoint, target)
    schema = {"type": "DynamoDBExportDataFormat", "column": "n BIGINT"}
    node = table_node(source, dataFormat=("ref", "Format"))
    fields = {"filterSql": "`N` >= 10 AND id LIKE 'k%'", "objects": {"Format": schema}}
    finish(house, copy_task(node, table_node(target), **fields))
    assert sorted(items_of(endpoint, target)) == [f"k{n:04}" for n in range(10, 30)]
    files = {"type": "S3DataNode", "directoryPath": place}
    finish(house, copy_task(node, files, **fields))
    assert exported_items(endpoint, place) == [f"k{n:04}" for n in range(10, 30)]
    finish(house, copy_task(files, table_node(source), filterSql="n = 10"))


def test_a_retried_copy_of_a_table_goes_on_where_segments_ended(
    endpoint: str, place: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = next(NAMES), next(NAMES)
    make_table(endpoint, source, numbered(60), units=5)
    make_table(endpoint, target)
    monkeypatch.setattr(Throughput, "spend", lambda _self, _units: None)
    monkeypatch.setattr(Facts, "item_bytes", 8_192.0)
    monkeypatch.setattr(dynamodb_work, "WORKERS", 1)
    # With a place for logs any other runner finds how far it was.
    log_uri = f"{place}/logs"
    task = copy_task(table_node(source), table_node(target), pipelineLogUri=log_uri)
    with monkeypatch.context() as patch:
        fail_after(patch, 8)
        assert run(elsewhere(house, "one"), task)["errorId"] == "RunnerError"
    copied = items_of(endpoint, target)
    assert 0 < len(copied) < 60
    first = min(copied)
    client(endpoint).delete_item(TableName=target, Key={"id": {"S": first}})
    finish(elsewhere(house, "two"), task)
    # All is there but what was done before and deleted since.
    assert set(items_of(endpoint, target)) == {f"k{n:04}" for n in range(60)} - {first}
    assert not any("progress" in name for name in names_of(endpoint, place))


def test_a_data_format_with_columns_narrows_the_items(
    endpoint: str, place: str, house: House
) -> None:
    source, target = next(NAMES), next(NAMES)
    make_table(endpoint, source, [EVERYTHING])
    make_table(endpoint, target)
    schema = {"type": "DynamoDBDataFormat", "column": ["id STRING", "n DOUBLE"]}
    node = table_node(source, dataFormat=("ref", "Format"))
    finish(house, copy_task(node, table_node(target), objects={"Format": schema}))
    assert items_of(endpoint, target)["all"] == {key: EVERYTHING[key] for key in ("id", "n")}


def test_scripts_run_before_and_after(
    endpoint: str, place: str, house: House, tmp_path: Path
) -> None:
    table = next(NAMES)
    make_table(endpoint, table)
    (tmp_path / "note.sh").write_text(f'echo "$1" >> {tmp_path}/noted')
    script = {"type": "ShellScriptConfig", "scriptUri": f"file://{tmp_path}/note.sh"}
    task = copy_task(
        table_node(table),
        {"type": "S3DataNode", "directoryPath": place},
        preActivityTaskConfig=("ref", "Before"),
        postActivityTaskConfig=("ref", "After"),
        objects={
            "Before": script | {"scriptArgument": "before"},
            "After": script | {"scriptArgument": "after"},
        },
    )
    finish(house, task)
    assert (tmp_path / "noted").read_text() == "before\nafter\n"
    assert exported_items(endpoint, place) == []


def test_what_only_hive_can_do_is_refused(endpoint: str, place: str, house: House) -> None:
    table = next(NAMES)
    make_table(endpoint, table)
    files = {"type": "S3DataNode", "directoryPath": place}
    task = copy_task(table_node(table), files, filterSql="n IN (SELECT n FROM other)")
    status = run(house, task)
    assert status["errorId"] == "UnsupportedFilter"
    assert "Hive: 'select' at character 7 is not understood. Write it" in status["errorMessage"]
    status = run(house, copy_task(files, files))
    assert status["errorMessage"].endswith("here input is S3DataNode and output S3DataNode.")
    csv = files | {"dataFormat": ("ref", "Format")}
    task = copy_task(csv, table_node(table), objects={"Format": {"type": "CSV"}})
    assert "has the format CSV; HiveCopyActivity copies" in run(house, task)["errorMessage"]
    status = run(house, copy_task(table_node(table), table_node(table)))
    assert status["errorMessage"] == "Input and output of HiveCopyActivity are the same table."
