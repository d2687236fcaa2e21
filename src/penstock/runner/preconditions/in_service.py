"""The system-managed preconditions: evaluated where the service runs, with its own AWS keys.

Source: developer guide, "S3KeyExists", "S3PrefixNotEmpty", "DynamoDBTableExists",
"DynamoDBDataExists". Their `role` was the original service's to take on and means nothing here.
Only S3 is looked at: places of the service's own host or network are no definition's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.model.definition import PipelineObject
from penstock.runner.aws import Aws
from penstock.runner.aws_errors import aws_failures, error_code
from penstock.runner.errors import LocationError, TaskFailed
from penstock.runner.locations import Location, parse_uri
from penstock.runner.preconditions.tables import INVALID_PRECONDITION, THERE, table_status

Check = Callable[[PipelineObject, Mapping[str, PipelineObject], Aws], bool]
"""Whether a precondition is met: its attempt, what that refers to, and the way to AWS."""


def key_exists(attempt: PipelineObject, objects: Mapping[str, PipelineObject], aws: Aws) -> bool:
    """S3KeyExists: whether there is an object of exactly that key."""
    place = _place(attempt, "s3Key")
    client = aws.client("s3")
    with aws_failures(f"s3://{place.container}/{place.path}"):
        try:
            client.head_object(Bucket=place.container, Key=place.path)
        except Exception as error:
            if error_code(error) in {"NotFound", "NoSuchKey"}:
                return False
            raise
    return True


def prefix_not_empty(
    attempt: PipelineObject, objects: Mapping[str, PipelineObject], aws: Aws
) -> bool:
    """S3PrefixNotEmpty: whether the key of any object begins so."""
    place = _place(attempt, "s3Prefix")
    client = aws.client("s3")
    with aws_failures(f"s3://{place.container}/{place.path}"):
        listed = client.list_objects_v2(Bucket=place.container, Prefix=place.path, MaxKeys=1)
    return bool(listed.get("Contents"))


def table_exists(attempt: PipelineObject, objects: Mapping[str, PipelineObject], aws: Aws) -> bool:
    """DynamoDBTableExists: whether the table can be used."""
    client = aws.client("dynamodb", _region(attempt, objects))
    return table_status(client, _table(attempt)) in THERE


def data_exists(attempt: PipelineObject, objects: Mapping[str, PipelineObject], aws: Aws) -> bool:
    """DynamoDBDataExists: whether the table has at least one item."""
    name = _table(attempt)
    client = aws.client("dynamodb", _region(attempt, objects))
    if table_status(client, name) not in THERE:
        return False
    request: dict[str, object] = {"TableName": name, "Limit": 1}
    with aws_failures(f"DynamoDB table {name!r}"):
        while True:
            found = client.scan(**request)
            if found.get("Items"):
                return True
            if "LastEvaluatedKey" not in found:
                return False
            request["ExclusiveStartKey"] = found["LastEvaluatedKey"]


CHECKS: Mapping[str, Check] = {
    "S3KeyExists": key_exists,
    "S3PrefixNotEmpty": prefix_not_empty,
    "DynamoDBTableExists": table_exists,
    "DynamoDBDataExists": data_exists,
}
"""All of them by type."""


def _place(attempt: PipelineObject, field: str) -> Location:
    text = attempt.string(field) or ""
    try:
        place = parse_uri(text)
    except LocationError as error:
        raise TaskFailed(INVALID_PRECONDITION, f"{field}: {error}") from error
    if place.scheme != "s3":
        message = f"{field} is {text!r}; the service looks at s3:// only."
        raise TaskFailed(INVALID_PRECONDITION, message)
    return place


def _table(attempt: PipelineObject) -> str:
    name = attempt.string("tableName")
    if not name:
        raise TaskFailed(INVALID_PRECONDITION, "tableName is missing.")
    return name


def _region(attempt: PipelineObject, objects: Mapping[str, PipelineObject]) -> str | None:
    """That of the data node whose precondition it is, if it names one; None: the usual one."""
    owner = objects.get(attempt.ref("node") or "")
    return attempt.string("region") or (owner.string("region") if owner else None)
