"""Which steps of EmrActivity are exports or imports of DynamoDB tables."""

from __future__ import annotations

import pytest

from penstock.runner.activities.dynamodb_steps import (
    Export,
    Import,
    recognise,
    recognise_arguments,
)
from penstock.runner.errors import TaskFailed

OLD = "s3://dynamodb-emr-us-west-2/emr-ddb-storage-handler/2.1.0/emr-ddb-2.1.0.jar"
NEW = (
    "s3://dynamodb-dpl-eu-west-1/emr-ddb-storage-handler/4.11.0/"
    "emr-dynamodb-tools-4.11.0-SNAPSHOT-jar-with-dependencies.jar"
)
TOOLS = "org.apache.hadoop.dynamodb.tools"


@pytest.mark.parametrize(
    ("step", "found"),
    [
        (f"{OLD},{TOOLS}.DynamoDbExport,s3://b/d,T,0.25",
         Export("s3://b/d", "T", 0.25, None, "us-west-2")),
        (f"{NEW},{TOOLS}.DynamoDBExport,s3://b/d,T,1,8",
         Export("s3://b/d", "T", 1.0, 8, "eu-west-1")),
        (f"{NEW},{TOOLS}.DynamoDBExport,-Dfs.s3.canned.acl=BucketOwnerFullControl,s3://b/d,T,",
         Export("s3://b/d", "T", None, None, "eu-west-1")),
        (f"{OLD},{TOOLS}.DynamoDbImport,s3://b/d\\,e, T ,0.9",
         Import("s3://b/d,e", "T", 0.9, "us-west-2")),
        (f"s3://mine/tools.jar,{TOOLS}.DynamoDBImport,-D,a=b,s3://b/d,T",
         Import("s3://b/d", "T")),
        ("command-runner.jar,spark-submit,s3://b/x.py", None),
        ("s3://b/x.jar", None),
        ("", None),
    ],
)  # fmt: skip
def test_recognised(step: str, found: Export | Import | None) -> None:
    assert recognise(step) == found


def test_the_arguments_of_a_hadoop_activity() -> None:
    arguments = [f"{TOOLS}.DynamoDBExport", "s3://b/d,e", "T", "0.25"]
    assert recognise_arguments(NEW, arguments) == Export("s3://b/d,e", "T", 0.25, None, "eu-west-1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("s3://b/d", ("A DynamoDB export takes a directory, a table, a ratio and segments;"
                     " the step gives 1.")),
        ("s3://b/d,T,0,1,2", "A DynamoDB export takes"),
        (",T", "The DynamoDB export names no directory or table."),
        ("s3://b/d,T,#{x}", "The step's throughput ratio is '#{x}'; it must lie between"),
        ("s3://b/d,T,25", "The step's throughput ratio is '25'"),
        ("s3://b/d,T,1,no", "The step's number of segments is 'no'; it must be a number from 1."),
    ],
)  # fmt: skip
def test_arguments_without_sense(arguments: str, message: str) -> None:
    with pytest.raises(TaskFailed) as failed:
        recognise(f"{OLD},{TOOLS}.DynamoDbExport,{arguments}")
    assert failed.value.error_id == "InvalidStep"
    assert str(failed.value).startswith(message)
