"""Locations against real stores: the file system, and S3 as moto's server plays it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.runner.errors import LocationError, Stopped
from penstock.runner.locations import Location, Locations, join_uri, parse_uri
from penstock.runner.options import RunnerOptions
from penstock.runner.progress import Progress
from penstock.runner.staging import Mover, Staged
from penstock.runner.stop import CANCELED, Stop
from tests.support.object_store import get_objects, object_store, put_object
from tests.unit.runner.scripted import House, make_task

NAMES = ["a b", "a%20b", "ü", "part#1", "x?y", "plus+&=", "deep/er/f", ".hidden", "colon:@"]


def keep(_count: int) -> None:
    return None


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str) -> str:
    name = f"b-{uuid.uuid4()}"
    put_object(endpoint, name, None)
    return name


def locations(environ: dict[str, str]) -> Locations:
    return Locations(RunnerOptions(worker_groups=("g",)), environ)


def environ(endpoint: str) -> dict[str, str]:
    return {
        "HOME": "/nonexistent",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }


@pytest.mark.parametrize(
    ("uri", "parsed"),
    [
        ("s3://b/k/x", Location("s3", "b", "k/x")),
        ("S3://b", Location("s3", "b", "")),
        ("s3n://b/k", Location("s3", "b", "k")),
        ("gs://b/k", Location("gs", "b", "k")),
        ("file:///d/a%20b#1?", Location("file", "", "/d/a b#1?")),
        ("file://localhost/d", Location("file", "", "/d")),
        ("https://h/p?q=1", Location("https", "https://h/p?q=1", "")),
    ],
)
def test_uris_are_parsed(uri: str, parsed: Location) -> None:
    assert parse_uri(uri) == parsed


@pytest.mark.parametrize(
    "uri", ["", "/d", "ftp://h/d", "s3:b", "s3:///k", "file://host/d", "file:d"]
)
def test_what_names_no_place_is_refused_by_name(uri: str) -> None:
    with pytest.raises(LocationError) as caught:
        parse_uri(uri)
    assert repr(uri) in str(caught.value)


def test_files_with_any_name_are_listed_and_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    for name in [*NAMES, "tab\tin it", "back\\slash", "new\nline"]:
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    move(locations({}), f"file://{source}", target, tmp_path / "staged")
    found = {
        path.relative_to(target).as_posix(): path.read_text()
        for path in target.rglob("*")
        if path.is_file()
    }
    expected = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert set(found) == expected
    assert all(name == content for name, content in found.items())


def move(places: Locations, source: str, target: Path | str, between: Path) -> None:
    """Stage a directory in and push it out again, as an activity would."""
    import msgspec

    from penstock.model.definition import PipelineObject
    from tests.unit.runner.scripted import wire_object

    def node(uri: str) -> PipelineObject:
        return msgspec.convert(wire_object("@N", "N", {"directoryPath": uri}), PipelineObject)

    out = target if isinstance(target, str) else f"file://{target}"
    mover = Mover(places, Stop(), Progress())
    mover.fetch(Staged("INPUT1_STAGING_DIR", node(source), between))
    mover.push(Staged("OUTPUT1_STAGING_DIR", node(out), between))


def test_objects_with_any_name_go_through_s3(tmp_path: Path, endpoint: str, bucket: str) -> None:
    for name in NAMES:
        put_object(endpoint, bucket, f"in/{name}", name.encode())
    put_object(endpoint, bucket, "inside/other", b"not beneath in/")
    move(locations(environ(endpoint)), f"s3://{bucket}/in/", f"s3://{bucket}/out", tmp_path / "d")
    found = get_objects(endpoint, bucket, "out/")
    assert found == {f"out/{name}": name.encode() for name in NAMES}


def test_placeholders_of_directories_are_not_files(
    tmp_path: Path, endpoint: str, bucket: str
) -> None:
    put_object(endpoint, bucket, "in/")
    put_object(endpoint, bucket, "in/sub/")
    put_object(endpoint, bucket, "in/sub/file", b"f")
    put_object(endpoint, bucket, "in/empty", b"")
    places = locations(environ(endpoint))
    names = [(entry.name, entry.size) for entry in places.entries(f"s3://{bucket}/in")]
    assert sorted(names) == [("empty", 0), ("sub/file", 1)]


def test_a_large_file_goes_in_parts_and_comes_back(
    tmp_path: Path, endpoint: str, bucket: str
) -> None:
    source, back = tmp_path / "large", tmp_path / "back"
    content = bytes(range(256)) * 4 * 1024 * 13
    source.write_bytes(content)
    places = locations(environ(endpoint))
    counted = [0]

    def count(moved: int) -> None:
        counted[0] += moved

    places.upload(source, f"s3://{bucket}/large", count)
    places.download(f"s3://{bucket}/large", back, count)
    assert back.read_bytes() == content
    assert counted == [2 * len(content)]


@pytest.mark.parametrize("size", [10, 13 * 1024 * 1024])
def test_a_stopped_upload_ends_and_leaves_nothing(
    tmp_path: Path, endpoint: str, bucket: str, size: int
) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"x" * size)
    stop = Stop()
    stop.request(CANCELED)
    mover = Mover(locations(environ(endpoint)), stop, Progress())
    with pytest.raises(Stopped):
        mover.upload(source, f"s3://{bucket}/file")
    if size > 4 * 1024 * 1024:
        assert get_objects(endpoint, bucket) == {}


def test_errors_are_one_sentence_that_names_the_place(
    tmp_path: Path, endpoint: str, bucket: str
) -> None:
    places = locations(environ(endpoint))
    with pytest.raises(LocationError) as caught:
        places.download(f"s3://{bucket}/none", tmp_path / "f", keep)
    assert str(caught.value) == f"s3://{bucket}/none: no such object"
    with pytest.raises(LocationError) as caught:
        places.download("s3://nobucket/none", tmp_path / "f", keep)
    assert str(caught.value) == "s3://nobucket/none: the bucket does not exist"
    with pytest.raises(LocationError) as caught:
        places.download(f"file://{tmp_path}/none", tmp_path / "f", keep)
    assert str(caught.value) == f"file://{tmp_path}/none: No such file or directory"


def test_a_key_that_no_file_can_have_fails_by_name(endpoint: str, bucket: str) -> None:
    put_object(endpoint, bucket, "in/a//b", b"")
    with pytest.raises(LocationError, match="empty path segment"):
        list(locations(environ(endpoint)).entries(f"s3://{bucket}/in"))


def test_http_serves_single_files(tmp_path: Path, endpoint: str) -> None:
    places = locations({})
    uri = f"{endpoint}/moto-api/data.json?signature=secret"
    places.download(uri, tmp_path / "f", keep)
    assert (tmp_path / "f").read_text().startswith("{")
    with pytest.raises(LocationError) as caught:
        list(places.entries(uri))
    assert "secret" not in str(caught.value)
    with pytest.raises(LocationError) as caught:
        places.download(f"{endpoint}/moto-api/none?signature=secret", tmp_path / "g", keep)
    assert "secret" not in str(caught.value)


def test_a_local_upload_replaces_a_file_whole_and_leaves_no_rest(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep/target"
    places = locations({})
    for content in ("one", "two"):
        source.write_text(content)
        places.upload(source, f"file://{target}", keep)
        assert target.read_text() == content
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_join_uri() -> None:
    assert join_uri("s3://b/d/", "f") == join_uri("s3://b/d", "f") == "s3://b/d/f"


def test_a_pipeline_of_s3_is_staged_run_pushed_and_logged(
    house: House, endpoint: str, bucket: str
) -> None:
    for number in range(20):
        put_object(endpoint, bucket, f"in/part-{number:02}", f"{number}\n".encode())
    put_object(endpoint, bucket, "count.sh", b'cat $INPUT1_STAGING_DIR/part* > "$1"\n')
    house.environ |= environ(endpoint)
    status = house.run(
        make_task(
            command="cat $INPUT1_STAGING_DIR/part* | wc -l > $OUTPUT1_STAGING_DIR/count",
            stage="true",
            input=[("ref", "@In")],
            output=[("ref", "@Out")],
            stdout=f"s3://{bucket}/stdout.txt",
            pipelineLogUri=f"s3://{bucket}/logs/",
            objects={
                "@In": {"directoryPath": f"s3://{bucket}/in/"},
                "@Out": {"directoryPath": f"s3://{bucket}/out"},
            },
        ),
        log_uri=f"s3://{bucket}/runner",
    )
    assert status["taskStatus"] == "FINISHED", status
    found = get_objects(endpoint, bucket)
    assert found["out/count"].strip() == b"20"
    assert found["stdout.txt"] == b""
    instance = "@Act_2014-05-01T00:00:00"
    assert f"logs/df-1/Act/{instance}/{instance}_Attempt=1/Activity.log.gz" in found
    assert any(key.startswith("runner/TaskRunner.log.") for key in found)
