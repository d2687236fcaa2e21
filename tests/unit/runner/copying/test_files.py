"""CopyActivity between files: as they are, and from format to format."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.object_store import get_objects, object_store, put_object
from tests.unit.runner.copying.conftest import copy_task, fail, finish, in_directory, in_file
from tests.unit.runner.scripted import House

CSV, TSV = {"type": "CSV"}, {"type": "TSV"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        put_object(url, "shop", None)
        yield url


def run_in(directory: Path, endpoint: str, task: Any) -> dict[str, Any]:
    house = House(directory)
    house.environ |= {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"}
    return house.run(task)


def test_objects_of_the_same_format_are_copied_as_they_are(endpoint: str, tmp_path: Path) -> None:
    """Even what that format could not be."""
    put_object(endpoint, "shop", "in/a.csv", b'1,"never closed')
    put_object(endpoint, "shop", "in/sub/b.csv", b"2\n")
    source = {"directoryPath": "s3://shop/in", "dataFormat": ("ref", "F")}
    target = {"directoryPath": "s3://shop/out/", "dataFormat": ("ref", "F")}
    status = run_in(tmp_path, endpoint, copy_task(source, target, F=CSV))
    assert status["taskStatus"] == "FINISHED", status
    assert get_objects(endpoint, "shop", "out/") == {
        "out/a.csv": b'1,"never closed',
        "out/sub/b.csv": b"2\n",
    }


def test_objects_from_format_to_format(endpoint: str, tmp_path: Path) -> None:
    put_object(endpoint, "shop", "csv/a.csv", b'1,"x, y"\n2,\n')
    put_object(endpoint, "shop", "csv/b.CSV", b"3,\tz\n")
    source = {"directoryPath": "s3://shop/csv", "dataFormat": ("ref", "F")}
    target = {
        "directoryPath": "s3://shop/tsv",
        "dataFormat": ("ref", "G"),
        "compression": "gzip",
    }
    status = run_in(tmp_path, endpoint, copy_task(source, target, F=CSV, G=TSV))
    assert status["taskStatus"] == "FINISHED", status
    found = get_objects(endpoint, "shop", "tsv/")
    assert {key: gzip.decompress(content) for key, content in found.items()} == {
        "tsv/a.tsv.gz": b"1\tx, y\n2\t\\N\n",
        "tsv/b.tsv.gz": b"3\t\\tz\n",
    }


def test_a_malformed_object_leaves_no_half_output(endpoint: str, tmp_path: Path) -> None:
    lines = b"".join(b"%d,x\n" % number for number in range(200_000))
    put_object(endpoint, "shop", "bad.csv", lines + b"1,2,3\n")
    source = {"filePath": "s3://shop/bad.csv"}
    target = {"filePath": "s3://shop/never.tsv", "dataFormat": ("ref", "G")}
    status = run_in(tmp_path, endpoint, copy_task(source, target, G=TSV))
    assert status["errorId"] == "MalformedRecord"
    assert status["errorMessage"] == (
        "s3://shop/bad.csv, line 200001, column 3: the row has 3 columns instead of 2."
    )
    assert get_objects(endpoint, "shop", "never") == {}


def test_a_missing_object_and_a_missing_bucket(endpoint: str, tmp_path: Path) -> None:
    for uri, why in (("s3://shop/none", "no such file"), ("s3://none/x", "bucket")):
        target = in_file(tmp_path / "out")
        status = run_in(tmp_path, endpoint, copy_task({"filePath": uri}, target))
        assert status["errorId"] == "StagingFailed"
        assert uri in status["errorMessage"]
        assert why in status["errorMessage"]


def test_a_directory_to_a_file_and_a_file_to_a_directory(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "b.csv").write_text("2,b")
    (source / "a.csv").write_text("1,a\n")
    finish(tmp_path, copy_task(in_directory(source), in_file(tmp_path / "all.csv")))
    assert (tmp_path / "all.csv").read_text() == "1,a\n2,b\n"
    finish(tmp_path, copy_task(in_file(tmp_path / "all.csv"), in_directory(tmp_path / "out")))
    assert (tmp_path / "out/all.csv").read_text() == "1,a\n2,b\n"


def test_nothing_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    out = in_file(tmp_path / "out.tsv", dataFormat=("ref", "F"))
    finish(tmp_path, copy_task(in_file(tmp_path / "empty.csv"), out, F=TSV))
    assert (tmp_path / "out.tsv").read_bytes() == b""


def test_two_files_that_would_become_one(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.csv", "a.txt"):
        (source / name).write_text("1\n")
    out = in_directory(tmp_path / "out", dataFormat=("ref", "F"))
    message = fail(tmp_path, copy_task(in_directory(source), out, F=TSV), "InvalidActivity")
    assert message == "Two files would become a.tsv in the output."


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("1,2\n")
    (tmp_path / "wall").touch()
    out = in_file(tmp_path / "wall" / "out.tsv", dataFormat=("ref", "F"))
    message = fail(tmp_path, copy_task(in_file(tmp_path / "in.csv"), out, F=TSV), "StagingFailed")
    assert "out.tsv" in message or "wall" in message
