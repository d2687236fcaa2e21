"""Warnings: workers, uses, secrets, and what single types ask for."""

import pytest

from tests.unit.language.checking import (
    DEFAULT,
    Object,
    activity,
    check,
    node,
    only_error,
    only_warning,
)

CLUSTER: Object = {"id": "C", "type": "EmrCluster", "role": "r", "resourceRole": "r"}
REDSHIFT: Object = {
    "id": "D", "type": "RedshiftDatabase", "clusterId": "c", "databaseName": "d", "username": "u",
    "*password": "p",
}  # fmt: skip


def test_who_does_the_work():
    default = {"id": "Default", "scheduleType": "ondemand"}
    found = check(default, activity(), activity(id="B"))
    text = only_warning(found, "A")
    assert "neither 'runsOn' nor 'workerGroup' is given" in text
    assert text.endswith("(also at 'B')")
    found = check(CLUSTER, activity(runsOn={"ref": "C"}, workerGroup="w"))
    assert "'workerGroup' means nothing beside 'runsOn'" in only_warning(found, "A")
    assert not check(CLUSTER, activity(runsOn={"ref": "C"})).found


def test_groups_that_no_runner_has_asked_for_lately():
    both = activity(), activity(id="B", workerGroup="#{myGroup}")
    given = {"parameters": [{"id": "myGroup", "default": "x"}]}
    found = check(*both, polled=frozenset({"w"}), **given)
    assert "no runner has asked for tasks of 'x' lately" in only_warning(found, "B")
    found = check(*both, activity(id="C"), polled=frozenset({"x"}), **given)
    assert "penstock runner --workerGroup w" in only_warning(found, "Default")
    assert not check(*both, polled=frozenset({"w", "x"}), **given).found
    assert not check(*both, polled=None, **given).found


@pytest.mark.parametrize(
    ("lonely", "expected"),
    [
        (node("X"), "make it an 'input' or 'output'"),
        (CLUSTER | {"id": "X"}, "so it is never started"),
        ({"id": "X", "type": "CSV"}, "refer to it by 'dataFormat'"),
        ({"id": "X", "type": "S3KeyExists", "s3Key": "s3://k", "role": "r"}, "never checked"),
        ({"id": "X", "type": "Terminate"}, "refer to it by 'onFail'"),
        ({"id": "X", "myY": "z"}, "so it has no effect"),
    ],
)
def test_what_nobody_uses(lonely: Object, expected: str):
    assert expected in only_warning(check(activity(), lonely), "X")


@pytest.mark.parametrize(
    "fields",
    [
        {"myDbPassword": "hush-hush"},
        {"mySecret": "hush-hush"},
        {"my_api_key": "hush-hush"},
        {"command": "export AWS=AKIAABCDEFGHIJKLMNOP hush-hush"},
        {"command": "mysql --password=hush-hush"},
        {"command": "psql postgresql://me:hush-hush@host/db"},
        {"command": "run jdbc:x;password=hush-hush"},
        {"command": "cat <<E\n-----BEGIN RSA PRIVATE KEY-----\nhush-hush\nE"},
        {"command": "aws_secret_access_key = abcdefghijklmnopqrst/hush-hush"},
    ],
)
def test_secrets_in_plain_sight(fields: Object):
    found = check(activity(**fields))
    assert found.found[0].rule == "plain-secret"
    only_warning(found, "A")
    assert "hush-hush" not in str(found)


@pytest.mark.parametrize(
    "fields",
    [
        {"myDbPassword": "#{*mySecret}"},
        {"*myDbPassword": "hush"},
        {"myPasswordFile": "/etc/pw"},
        {"command": "mysql --password=#{*mySecret}"},
        {"command": "mysql --password=$PASSWORD"},
        {"command": 'mysql --password "$1" --user x'},
        {"command": "curl https://host/path@v1"},
    ],
)
def test_what_is_no_secret(fields: Object):
    given = {"command": "#{*mySecret}", **fields}
    if "mySecret" not in str(given):
        given["myUse"] = "#{*mySecret}"
    found = check(activity(**given), parameters=[{"id": "*mySecret"}], values={"*mySecret": "x"})
    assert not found.found


@pytest.mark.parametrize("path", ["bucket/folder", "/data", "s3:/bucket", "s3://"])
def test_what_is_no_location(path: str):
    found = check(activity(input={"ref": "In"}), node("In", filePath=path))
    assert f"{path!r} is no location; write 's3://bucket/key'" in only_warning(found, "In")


def test_what_is_no_region():
    cluster = CLUSTER | {"region": "us_west_1"}
    text = only_warning(check(activity(runsOn={"ref": "C"}), cluster), "C")
    assert "'us_west_1' is no region; write one such as 'us-east-1'" in text
    for region in ("us-gov-west-1", "eu-central-2", "#{myRegion}"):
        given = {"parameters": [{"id": "myRegion", "default": "eu-west-1"}]}
        given = given if "my" in region else {}
        found = check(activity(runsOn={"ref": "C"}), CLUSTER | {"region": region}, **given)
        assert not found.found


def test_locations():
    for path in ("s3://b/k", "file:///tmp/x", "#{@scheduledStartTime}", "https://h/x", "#{myP}"):
        given = {"parameters": [{"id": "myP", "default": "s3://b"}]} if "myP" in path else {}
        assert not check(activity(input={"ref": "In"}), node("In", filePath=path), **given).found


def copy(source: Object, target: Object, **fields: object) -> list[Object]:
    """A RedshiftCopyActivity `A` between two nodes."""
    a = {"id": "A", "type": "RedshiftCopyActivity", "insertMode": "TRUNCATE", **fields}
    return [a | {"input": {"ref": source["id"]}, "output": {"ref": target["id"]}}, source, target]


def test_copies_of_redshift():
    table = {"id": "T", "type": "RedshiftDataNode", "tableName": "t", "database": {"ref": "D"}}
    assert not check(*copy(node("In"), table), REDSHIFT).found
    found = check(*copy(node("In"), node("Out")))
    assert "copies into or out of Redshift" in only_error(found, "A")
    csv = {"id": "F", "type": "CSV"}
    source = node("In", dataFormat={"ref": "F"})
    found = check(*copy(source, table, commandOptions="GZIP"), csv, REDSHIFT)
    assert "'commandOptions' are ignored" in only_warning(found, "A")


def test_copies_of_hive():
    a = {"id": "A", "type": "HiveCopyActivity", "runsOn": {"ref": "C"}, "input": {"ref": "In"}}
    found = check(CLUSTER, a | {"output": {"ref": "Out"}}, node("In"), node("Out"))
    assert "needs a DynamoDBDataNode as output" in only_error(found, "A")
    table = {"id": "T", "type": "DynamoDBDataNode", "tableName": "t", "dataFormat": {"ref": "F"}}
    format_ = {"id": "F", "type": "DynamoDBDataFormat"}
    found = check(CLUSTER, a | {"output": {"ref": "T"}}, node("In"), table, format_)
    assert "takes DynamoDBExportDataFormat, or none" in only_warning(found, "A")


def test_nodes_and_their_formats():
    table = {"id": "T", "type": "DynamoDBDataNode", "tableName": "t", "precondition": {"ref": "P"}}
    found = check(activity(input={"ref": "T"}), table, {"id": "P", "type": "Exists"})
    assert "use DynamoDBTableExists" in only_warning(found, "T")
    table = {"id": "T", "type": "DynamoDBDataNode", "tableName": "t", "dataFormat": {"ref": "F"}}
    found = check(activity(input={"ref": "T"}), table, {"id": "F", "type": "CSV"})
    assert "'dataFormat' of type 'CSV' does not fit a table" in only_warning(found, "T")
    in_s3 = node("N", dataFormat={"ref": "F"})
    found = check(activity(input={"ref": "N"}), in_s3, {"id": "F", "type": "DynamoDBDataFormat"})
    assert "on S3 it is DynamoDBExportDataFormat" in only_warning(found, "N")
    table = {"id": "T", "type": "SqlDataNode", "table": "t"}
    assert "'database' is not given" in only_warning(
        check(activity(input={"ref": "T"}), table), "T"
    )


def test_databases():
    jdbc = {"id": "D", "type": "JdbcDatabase", "username": "u", "*password": "p"}
    jdbc |= {"jdbcDriverClass": "x", "connectionString": "mysql://host"}
    found = check(activity(myD={"ref": "D"}), jdbc)
    assert "'connectionString' begins with 'jdbc:'" in only_warning(found, "D")
    rds = {"id": "D", "type": "RdsDatabase", "username": "u", "*password": "p"}
    rds |= {"connectionString": "jdbc:oracle:thin:@h"}
    assert "'jdbcDriverJarUri' is needed" in only_warning(
        check(activity(myD={"ref": "D"}), rds), "D"
    )
    sql = {"id": "A", "type": "SqlActivity", "script": "s", "queue": "q", "database": {"ref": "D"}}
    found = check(sql, {**jdbc, "connectionString": "jdbc:mysql:x"})
    assert "'queue' means something on a RedshiftDatabase only" in only_warning(found, "A")


def test_resources():
    host = {"id": "H", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}
    found = check(activity(runsOn={"ref": "H"}), host | {"subnetId": "s", "securityGroups": "g"})
    assert "give ids in 'securityGroupIds'" in only_warning(found, "H")
    found = check(activity(runsOn={"ref": "H"}, stdout="/tmp/out"), host)
    assert "'stdout': a file on the resource is gone" in only_warning(found, "A")


def test_default_is_used_by_all():
    assert not check(DEFAULT, activity()).found
