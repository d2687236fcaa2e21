"""Locations as streams: reading and writing with bounded memory, all or nothing, through faults."""

from __future__ import annotations

import gzip
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from penstock.runner.aws import Aws
from penstock.runner.errors import LocationError, Stopped
from penstock.runner.locations import ManifestEntry, read_manifest
from penstock.runner.locations.locations import Locations
from penstock.runner.locations.server_side import ServerSideCopy
from penstock.runner.locations.uris import parse_uri
from penstock.runner.options import RunnerOptions
from penstock.runner.stop import CANCELED, Stop
from tests.support.object_store import get_objects, object_store, put_object
from tests.support.relay import Fault, Relay, relay

MEGABYTE = 1024 * 1024
LARGE = bytes(range(256)) * 4 * 1024 * 18
"""18 MB: several ranges of a download, two parts of a streamed upload."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str) -> str:
    name = f"b-{uuid.uuid4()}"
    put_object(endpoint, name, None)
    return name


def environ(endpoint: str) -> dict[str, str]:
    return {
        "HOME": "/nonexistent",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ENDPOINT_URL_S3": endpoint,
    }


def places(endpoint: str, **options: Any) -> Locations:
    return Locations(RunnerOptions(worker_groups=("g",), **options), environ(endpoint))


def s3(endpoint: str) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=endpoint, **keys)


@pytest.fixture(params=["s3", "file"])
def root(request: pytest.FixtureRequest, tmp_path: Path, bucket: str) -> str:
    return f"s3://{bucket}" if request.param == "s3" else f"file://{tmp_path}"


@pytest.mark.parametrize("size", [0, 1, len(LARGE)])
def test_what_is_written_as_a_stream_is_read_as_one(root: str, endpoint: str, size: int) -> None:
    store, content, counted = places(endpoint), LARGE[:size], [0, 0]

    def written(count: int) -> None:
        counted[0] += count

    def read(count: int) -> None:
        counted[1] += count

    with store.open_write(f"{root}/d/f", written) as writer:
        for start in range(0, size, MEGABYTE):
            writer.write(content[start : start + MEGABYTE])
    with store.open_read(f"{root}/d/f", read) as reader:
        assert reader.read() == content
    assert counted == [size, size]
    found = store.head(f"{root}/d/f")
    assert found is not None
    assert (found.name, found.size) == ("f", size)


def test_a_block_that_raises_leaves_what_was_there(
    root: str, endpoint: str, bucket: str, tmp_path: Path
) -> None:
    store = places(endpoint)
    with store.open_write(f"{root}/f") as writer:
        writer.write(b"before")
    for content in (b"x", LARGE):
        with pytest.raises(ConnectionError, match="mine"):
            _write_and_raise(store, f"{root}/f", content)
    with store.open_read(f"{root}/f") as reader:
        assert reader.read() == b"before"
    assert [entry.name for entry in store.entries(root)] == ["f"]
    assert "Uploads" not in s3(endpoint).list_multipart_uploads(Bucket=bucket)


def _write_and_raise(store: Locations, uri: str, content: bytes) -> None:
    with store.open_write(uri) as writer:
        writer.write(content)
        raise ConnectionError("mine")


def test_compressed_lines_go_through_both_ways(root: str, endpoint: str) -> None:
    store = places(endpoint)
    lines = [f"line {number}\n" for number in range(1_000)]
    with store.open_write(f"{root}/f.gz") as raw, gzip.open(raw, "wt") as writer:
        writer.writelines(lines)
    with store.open_read(f"{root}/f.gz") as raw, gzip.open(raw, "rt") as reader:
        assert list(reader) == lines


def test_files_that_a_killed_runner_was_writing_are_no_data(tmp_path: Path) -> None:
    (tmp_path / ".penstock-12-34-part.partial").write_text("half")
    (tmp_path / ".hidden").write_text("whole")
    names = [entry.name for entry in places("").entries(f"file://{tmp_path}")]
    assert names == [".hidden"]


def test_copies_are_made_wherever_from_and_to(
    endpoint: str, bucket: str, tmp_path: Path, root: str
) -> None:
    store = places(endpoint)
    put_object(endpoint, bucket, "from", LARGE)
    (tmp_path / "from").write_bytes(LARGE)
    for number, source in enumerate((f"s3://{bucket}/from", f"file://{tmp_path}/from")):
        counted: list[int] = []
        store.copy(source, f"{root}/to-{number}", counted.append)
        assert sum(counted) == len(LARGE)
        with store.open_read(f"{root}/to-{number}") as reader:
            assert reader.read() == LARGE
    with pytest.raises(LocationError, match="no such file"):
        store.copy(f"{root}/none", f"{root}/to")


def test_a_copy_within_s3_sends_no_content(endpoint: str, bucket: str) -> None:
    other = f"{bucket}-2"
    put_object(endpoint, other, None)
    put_object(endpoint, bucket, "from", b"x" * 100)
    with relay(endpoint) as between:
        store = places(between.url)
        store.copy(f"s3://{bucket}/from", f"s3://{bucket}/to", encrypt=True)
        store.copy(f"s3://{bucket}/from", f"s3://{other}/to", encrypt=True)
    assert {method for method, _ in between.requests} == {"HEAD", "PUT"}
    assert get_objects(endpoint, other) == {"to": b"x" * 100}


def test_a_copy_in_parts_keeps_what_is_said_of_the_object(endpoint: str, bucket: str) -> None:
    client = s3(endpoint)
    about = {"ContentType": "text/x", "Metadata": {"k": "v"}}
    client.put_object(Bucket=bucket, Key="from", Body=LARGE, **about)
    aws = Aws(RunnerOptions(worker_groups=("g",)), environ(endpoint))
    copy = ServerSideCopy(lambda: aws.client("s3"), MEGABYTE, 6 * MEGABYTE)
    source, target = parse_uri(f"s3://{bucket}/from"), parse_uri(f"s3://{bucket}/to")
    assert copy(source, target, len(LARGE), lambda _count: None, False)
    found = client.get_object(Bucket=bucket, Key="to")
    assert found["Body"].read() == LARGE
    assert {key: found[key] for key in about} == about
    gone = parse_uri(f"s3://{bucket}/none")
    with pytest.raises(LocationError, match=f"s3://{bucket}/none to"):
        copy(gone, target, len(LARGE), lambda _count: None, False)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_encryption_is_asked_for_by_name_only(endpoint: str, bucket: str, tmp_path: Path) -> None:
    store = places(endpoint)
    (tmp_path / "f").write_bytes(b"x")
    store.upload(tmp_path / "f", f"s3://{bucket}/plain")
    store.upload(tmp_path / "f", f"s3://{bucket}/asked", encrypt=True)
    client = s3(endpoint)
    asked = client.head_object(Bucket=bucket, Key="asked")
    assert asked["ServerSideEncryption"] == "AES256"
    plain = client.head_object(Bucket=bucket, Key="plain")
    assert plain.get("ServerSideEncryption") is None


def test_existence_and_removal(root: str, endpoint: str) -> None:
    store = places(endpoint)
    assert not store.exists(f"{root}/f")
    store.delete(f"{root}/f")
    with store.open_write(f"{root}/f") as writer:
        writer.write(b"x")
    assert store.exists(f"{root}/f")
    store.delete(f"{root}/f")
    assert not store.exists(f"{root}/f")
    with pytest.raises(LocationError, match="the bucket does not exist"):
        store.exists("s3://no-such-bucket/f")


def test_manifests(tmp_path: Path) -> None:
    (tmp_path / "m").write_text(
        '{"entries": [{"url": "s3://b/1", "mandatory": true}, {"url": "s3://b/2", "meta": {}}]}'
    )
    store = places("")
    assert read_manifest(store, f"file://{tmp_path}/m") == (
        ManifestEntry("s3://b/1", True),
        ManifestEntry("s3://b/2"),
    )
    (tmp_path / "m").write_text("s3://b/1\n")
    with pytest.raises(LocationError, match="is no manifest of the form"):
        read_manifest(store, f"file://{tmp_path}/m")


@pytest.fixture
def faulty(endpoint: str) -> Iterator[Relay]:
    with relay(endpoint) as made:
        yield made


def test_a_store_that_is_busy_or_breaks_off_is_asked_again(
    faulty: Relay, bucket: str, tmp_path: Path
) -> None:
    """Every third request is refused, every third answer is cut in the middle."""
    faults = [Fault(busy=True), Fault(cut_after=200_000), Fault()]
    faulty.choose = lambda _method, _target, count: faults[count % 3]
    (tmp_path / "large").write_bytes(LARGE)
    store = places(faulty.url)
    store.upload(tmp_path / "large", f"s3://{bucket}/large")
    store.download(f"s3://{bucket}/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == LARGE
    assert len(faulty.requests) > 10


def test_a_wait_for_a_store_that_stays_busy_can_be_stopped(
    faulty: Relay, bucket: str, tmp_path: Path
) -> None:
    stop, asked = Stop(), threading.Event()

    def choose(_method: str, _target: str, _count: int) -> Fault:
        asked.set()
        return Fault(busy=True)

    faulty.choose = choose

    def tick(_count: int) -> None:
        if asked.is_set():
            stop.request(CANCELED)
        stop.check()

    (tmp_path / "f").write_bytes(b"x")
    store = places(faulty.url)
    with pytest.raises(Stopped):
        store.download(f"s3://{bucket}/f", tmp_path / "g", tick)
    with pytest.raises(Stopped):
        store.copy(f"file://{tmp_path}/f", f"s3://{bucket}/f", tick)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(busy=True), "the server answered 503 Service Unavailable"),
        (Fault(cut_after=10), "the connection failed or broke off"),
        (Fault(cut_request=True), "the connection failed or broke off"),
    ],
)
def test_a_store_that_stays_broken_fails_with_a_sentence(
    faulty: Relay, bucket: str, tmp_path: Path, fault: Fault, why: str
) -> None:
    faulty.choose = lambda _method, _target, _count: fault
    options = RunnerOptions(worker_groups=("g",))
    store = Locations(options, environ(faulty.url), retry_seconds=0.3)
    uri, file = f"s3://{bucket}/f", tmp_path / "f"
    file.write_bytes(b"x")
    for move in (lambda: store.download(uri, file), lambda: store.upload(file, uri)):
        with pytest.raises(LocationError) as caught:
            move()
        told, _, tries = str(caught.value).partition(", tried ")
        assert told == f"{uri}: {why} ({faulty.url}"
        assert int(tries.removesuffix(" times)")) > 1


def test_an_object_that_changes_while_it_is_read_is_not_mixed(
    faulty: Relay, endpoint: str, bucket: str
) -> None:
    put_object(endpoint, bucket, "f", LARGE)
    chunks = places(faulty.url).chunks(f"s3://{bucket}/f")
    next(chunks)
    put_object(endpoint, bucket, "f", LARGE[::-1])
    with pytest.raises(LocationError, match="changed while it was read"):
        list(chunks)


def test_a_full_disk_is_told_as_one(endpoint: str, bucket: str, tmp_path: Path) -> None:
    put_object(endpoint, bucket, "f", b"x")
    store, full = places(endpoint), Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full, which refuses all that is written")
    with pytest.raises(LocationError, match="no space left on the disk of /dev"):
        store.download(f"s3://{bucket}/f", full)
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(LocationError, match="no space left on the disk of /dev"):
        store.download(f"file://{tmp_path}/f", full)


def test_s3_is_reached_through_the_proxy_of_the_options(
    endpoint: str, bucket: str, tmp_path: Path
) -> None:
    put_object(endpoint, bucket, "f", b"content")
    with relay() as proxy:
        proxy.password = "user:p@ss word"
        named = {
            "proxy_host": "127.0.0.1",
            "proxy_port": int(proxy.url.rpartition(":")[2]),
            "proxy_username": "user",
        }
        store = places(endpoint, **named, proxy_password="p@ss word")
        store.download(f"s3://{bucket}/f", tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == b"content"
        store.copy(f"s3://{bucket}/f", f"s3://{bucket}/g")
        asked = len(proxy.requests)
        assert asked >= 2
        with pytest.raises(LocationError) as caught:
            places(endpoint, **named, proxy_password="wr0ng").download(
                f"s3://{bucket}/f", tmp_path / "f"
            )
        assert "wr0ng" not in str(caught.value)
        asked = len(proxy.requests)
        direct = places(endpoint, **named, proxy_password="wr0ng", s3_no_proxy=True)
        assert direct.exists(f"s3://{bucket}/f")
        assert len(proxy.requests) == asked
