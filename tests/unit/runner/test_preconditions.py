"""Preconditions as a definition's author sees them: met, not yet, failed, called off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.model.definition import Field, PipelineObject
from penstock.runner.aws import Aws
from penstock.runner.errors import TaskFailed
from penstock.runner.options import RunnerOptions
from penstock.runner.preconditions.in_service import CHECKS
from tests.support.object_store import object_store
from tests.unit.runner.scripted import House, make_task

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


def node(kind: str, **fields: Any) -> dict[str, dict[str, Any]]:
    return {"@Node": {"type": kind, **fields}}


def exists(**fields: Any) -> dict[str, Any]:
    """A task of type Exists that is asked of a node with these fields."""
    kind = fields.pop("type")
    return make_task(type="Exists", node=[("ref", "@Node")], objects=node(kind, **fields))


# ShellCommandPrecondition


def test_a_command_that_ends_with_0_says_that_it_is_met(house: House) -> None:
    status = house.run(make_task(type="ShellCommandPrecondition", command="echo yes"))
    assert status["taskStatus"] == "FINISHED"
    assert house.attempt_file("StdOutput") == "yes\n"


def test_any_other_status_says_not_yet_and_nothing_of_an_error(house: House) -> None:
    command = "echo 'no rows yet' >&2; exit 7"
    status = house.run(make_task(type="ShellCommandPrecondition", command=command))
    assert status == {"taskId": "task-Act", "taskStatus": "FALSE"}
    assert "exit status 7: no rows yet" in house.attempt_file("Activity.log")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"command": "kill -KILL $$"}, "ShellCommandFailed"),
        ({"scriptUri": "file:///nowhere/at/all"}, "StagingFailed"),
    ],
)
def test_what_a_command_cannot_say_is_a_failure(
    house: House, fields: Mapping[str, Any], error: str
) -> None:
    status = house.run(make_task(type="ShellCommandPrecondition", **fields))
    assert (status["taskStatus"], status["errorId"]) == ("FAILED", error)


def test_one_that_is_called_off_is_stopped_without_a_status(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.runner.task.REPORT_EVERY_MS", 1)
    running = house.directory / "running"
    house.service.answers["ReportTaskProgress"] = lambda told: {
        "canceled": told["taskId"] == "task-Act" and running.exists()
    }
    command = f"touch {running}; sleep 600"
    house.start()
    house.service.offer(make_task(type="ShellCommandPrecondition", command=command))
    house.service.offer(make_task("Next", command="true"))
    house.service.wait_settled()
    assert [each["taskId"] for each in house.service.of("SetTaskStatus")] == ["task-Next"]


# Exists


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Asks whether a node with these fields exists; what SetTaskStatus was told."""
    houses: list[House] = []

    def status(**fields: Any) -> dict[str, Any]:
        houses.append(House(tmp_path))
        return houses[-1].run(exists(**fields))

    yield status
    for house in houses:
        house.close()


def test_files_and_directories_exist_when_something_is_there(
    tmp_path: Path, ask: Callable[..., dict[str, Any]]
) -> None:
    place = tmp_path / "data"
    assert ask(type="S3DataNode", directoryPath=place.as_uri())["taskStatus"] == "FALSE"
    place.mkdir()
    (place / "part").write_text("x")
    assert ask(type="S3DataNode", directoryPath=place.as_uri())["taskStatus"] == "FINISHED"
    assert ask(type="S3DataNode", filePath=f"{place.as_uri()}/part")["taskStatus"] == "FINISHED"
    assert ask(type="S3DataNode", filePath=f"{place.as_uri()}/other")["taskStatus"] == "FALSE"


def test_what_cannot_be_looked_at_is_a_failure_that_names_it(
    ask: Callable[..., dict[str, Any]],
) -> None:
    status = ask(type="S3DataNode", filePath="ftp://host/file")
    assert (status["taskStatus"], status["errorId"]) == ("FAILED", "LocationFailed")
    assert "ftp://host/file" in status["errorMessage"]
    status = ask(type="ShellCommandActivity")
    assert status["errorId"] == "InvalidPrecondition"
    assert "asks for a data node" in status["errorMessage"]
    assert "names no table" in ask(type="SqlDataNode")["errorMessage"]


# The service's own


class Cloud:
    """A cloud of a test's own, and what the service's preconditions find there."""

    def __init__(self, endpoint: str) -> None:
        self.environ = {"AWS_ENDPOINT_URL": endpoint, **KEYS}
        self.aws = Aws(RunnerOptions(worker_groups=()), self.environ)

    def met(self, kind: str, owner: Mapping[str, str] | None = None, **fields: str) -> bool:
        objects = {"@N": made("@N", owner or {})}
        attempt = made("@P", fields)
        linked = (*attempt.fields, Field("node", ref_value="@N"))
        return CHECKS[kind](PipelineObject("@P", "@P", linked), objects, self.aws)


def made(name: str, fields: Mapping[str, str]) -> PipelineObject:
    return PipelineObject(
        name, name, tuple(Field(key, string_value=value) for key, value in fields.items())
    )


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        yield url


@pytest.fixture
def cloud(endpoint: str) -> Cloud:
    return Cloud(endpoint)


def test_a_key_is_met_by_exactly_that_object(cloud: Cloud) -> None:
    s3 = cloud.aws.client("s3")
    s3.create_bucket(Bucket="keys")
    s3.put_object(Bucket="keys", Key="day/_SUCCESS", Body=b"")
    s3.put_object(Bucket="keys", Key="folder/", Body=b"")
    assert cloud.met("S3KeyExists", s3Key="s3://keys/day/_SUCCESS")
    assert cloud.met("S3KeyExists", s3Key="s3://keys/folder/")
    assert not cloud.met("S3KeyExists", s3Key="s3://keys/day/")
    assert not cloud.met("S3KeyExists", s3Key="s3://keys/day/_SUCC")


def test_a_prefix_is_met_by_any_key_that_begins_so(cloud: Cloud) -> None:
    s3 = cloud.aws.client("s3")
    s3.create_bucket(Bucket="prefixes")
    s3.put_object(Bucket="prefixes", Key="log-2024-05-14/a", Body=b"")
    assert cloud.met("S3PrefixNotEmpty", s3Prefix="s3://prefixes/log-2024")
    assert cloud.met("S3PrefixNotEmpty", s3Prefix="s3://prefixes")
    assert not cloud.met("S3PrefixNotEmpty", s3Prefix="s3://prefixes/log-2025")


def test_what_is_wrong_with_a_place_is_told(cloud: Cloud) -> None:
    with pytest.raises(TaskFailed, match="s3://nobody-s/x: NoSuchBucket") as failure:
        cloud.met("S3PrefixNotEmpty", s3Prefix="s3://nobody-s/x")
    assert failure.value.error_id == "NoSuchBucket"
    for place in ("file:///etc/passwd", "http://169.254.169.254/", "day"):
        with pytest.raises(TaskFailed, match="s3") as failure:
            cloud.met("S3KeyExists", s3Key=place)
        assert failure.value.error_id == "InvalidPrecondition"


def test_tables_and_their_data(cloud: Cloud) -> None:
    for region in ("us-east-1", "eu-west-1"):
        cloud.aws.client("dynamodb", region).create_table(
            TableName=f"there-{region}",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    here = {"tableName": "there-us-east-1"}
    assert cloud.met("DynamoDBTableExists", **here)
    assert not cloud.met("DynamoDBTableExists", tableName="there-eu-west-1")
    elsewhere = {"region": "eu-west-1"}
    assert cloud.met("DynamoDBTableExists", elsewhere, tableName="there-eu-west-1")
    assert not cloud.met("DynamoDBDataExists", **here)
    assert not cloud.met("DynamoDBDataExists", tableName="nobody-s")
    cloud.aws.client("dynamodb").put_item(TableName=here["tableName"], Item={"k": {"S": "v"}})
    assert cloud.met("DynamoDBDataExists", **here)


def test_a_dynamodb_node_exists_when_its_table_does(tmp_path: Path, cloud: Cloud) -> None:
    house = House(tmp_path)
    house.environ |= cloud.environ
    status = house.run(exists(type="DynamoDBDataNode", tableName="nobody-s"))
    assert status["taskStatus"] == "FALSE"


def test_without_keys_the_failure_says_so(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    environ = {"AWS_ENDPOINT_URL": endpoint, "HOME": str(tmp_path)}
    aws = Aws(RunnerOptions(worker_groups=()), environ)
    with pytest.raises(TaskFailed, match="Unable to locate credentials"):
        CHECKS["S3KeyExists"](made("@P", {"s3Key": "s3://b/k"}), {}, aws)
