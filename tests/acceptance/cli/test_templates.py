"""`penstock templates` as a person types it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli.template_files import names
from penstock.cli.templates import command
from tests.support.cli import typed
from tests.support.definitions import instances
from tests.support.server import Server, serving

SHELL = ("--parameter", "myS3InputLoc=s3://bucket/in", "--parameter", "myS3OutputLoc=s3://bucket/o")
DATABASE = {
    "myRDSInstanceId": "orders",
    "myRDSUsername": "reader",
    "*myRDSPassword": "opensesame",
    "myRDSTableName": "orders",
    "myOutputS3Loc": "s3://bucket/out",
}


def refused(*words: str) -> str:
    ran = CliRunner().invoke(command, words)
    assert ran.exit_code != 0, ran.output
    return str(ran.exception) if ran.exit_code == 1 and ran.exception else ran.output


def test_all_are_listed():
    listed = typed(command, "list").splitlines()
    assert [line.split()[0] for line in listed] == names()
    assert all(len(line.split()) > 3 for line in listed)


@pytest.mark.parametrize("name", names())
def test_each_is_shown_with_the_command_that_fills_it_in(name: str):
    shown = typed(command, "show", name)
    assert f"penstock templates create {name}" in shown
    document = json.loads(typed(command, "show", name, "--json"))
    assert list(document) == ["objects", "parameters"]


def test_what_a_parameter_may_be_is_shown():
    shown = typed(command, "show", "load-s3-to-redshift")
    assert "myRedshiftPassword (secret)\n    Password of that user.\n" in shown
    assert "one of: KEEP_EXISTING, OVERWRITE_EXISTING, TRUNCATE, APPEND\n" in shown
    shown = typed(command, "show", "copy-rds-to-s3")
    assert "myRDSJdbcConnectStr (in place of myRDSInstanceId)" in shown


def test_a_definition_is_printed():
    document = json.loads(typed(command, "create", "getting-started-shell", *SHELL))
    assert document["values"]["myS3InputLoc"] == "s3://bucket/in"


def test_a_file_with_secrets_is_its_owners_alone(tmp_path: Path):
    values, out = tmp_path / "values.json", tmp_path / "copy.json"
    values.write_text(json.dumps({"values": DATABASE}))
    words = ("--parameters-file", str(values), "--out", str(out))
    assert "opensesame" not in typed(command, "create", "copy-rds-to-s3", *words)
    assert out.stat().st_mode & 0o077 == 0
    assert json.loads(out.read_text())["values"] == DATABASE


def test_an_invalid_value_is_told_and_nothing_is_made(tmp_path: Path):
    out = tmp_path / "shell.json"
    words = ("create", "getting-started-shell", *SHELL, "--period", "ten days")
    ran = CliRunner().invoke(command, (*words, "--out", str(out)))
    assert ran.exit_code == 1
    assert "DefaultSchedule: " in ran.output
    assert "nothing was made" in ran.output
    assert not out.exists()


def test_what_is_missing_is_named():
    assert "still needs myS3InputLoc, myS3OutputLoc" in refused("create", "getting-started-shell")
    assert "belong to --create" in refused("create", "getting-started-shell", "--activate")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("templates") / "data") as found:
        yield found


def test_a_pipeline_is_made_and_activated(server: Server):
    where = ("--data", str(server.data), "--endpoint", server.endpoint)
    words = ("create", "getting-started-shell", *SHELL, "--create", "--name", "counts", *where)
    ran = CliRunner().invoke(command, (*words, "--period", "1 day", "--times", "1"))
    assert ran.exit_code == 0, ran.output
    pipeline = ran.stdout.strip()
    assert "counts is created; activate it" in ran.stderr
    client = server.boto()
    assert instances(client, pipeline) == []
    found = client.get_pipeline_definition(pipelineId=pipeline)
    assert {"id": "myS3InputLoc", "stringValue": "s3://bucket/in"} in found["parameterValues"]
    client.close()
