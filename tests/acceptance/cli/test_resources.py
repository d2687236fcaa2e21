"""Definitions for machines of a cloud, run on this host as a user would."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError

from penstock.language.forms import from_cli
from penstock.resources.local import is_running, process_of
from tests.support.object_store import object_store
from tests.support.server import Server, clean_environ, serving

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}

DEFAULT = {
    "id": "Default",
    "scheduleType": "ondemand",
    "role": "DataPipelineDefaultRole",
    "resourceRole": "DataPipelineDefaultResourceRole",
    "failureAndRerunMode": "CASCADE",
}
MACHINE = {
    "id": "Machine",
    "type": "Ec2Resource",
    "instanceType": "m1.medium",
    "imageId": "ami-12345678",
    "keyPair": "mine",
    "securityGroups": "default",
    "spotBidPrice": "0.05",
    "terminateAfter": "2 hours",
}
CLUSTER = {"id": "Cluster", "type": "EmrCluster", "releaseLabel": "emr-5.36.0"}


def shell(name: str, command: str, **fields: Any) -> dict[str, Any]:
    on = {"runsOn": {"ref": "Machine"}}
    return {"id": name, "type": "ShellCommandActivity", "command": command, **on, **fields}


def written(path: Path, *objects: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps({"objects": list(objects)}), "utf-8")
    return path


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        yield url


def penstock(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=clean_environ() | environ,
        timeout=120,
        check=False,
    )


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def test_an_old_definition_runs_as_it_is_with_preconditions_and_an_alarm(
    tmp_path: Path, endpoint: str
) -> None:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    s3, sns, sqs = (boto3.client(s, endpoint_url=endpoint, **keys) for s in ("s3", "sns", "sqs"))
    s3.create_bucket(Bucket="old")
    s3.put_object(Bucket="old", Key="in/_SUCCESS", Body=b"ok")
    topic = sns.create_topic(Name="done")["TopicArn"]
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:q")
    file = written(
        tmp_path / "old.json",
        DEFAULT,
        MACHINE,
        CLUSTER,
        {"id": "In", "type": "S3DataNode", "directoryPath": "s3://old/in"}
        | {"precondition": [{"ref": "Key"}, {"ref": "There"}]},
        {"id": "Key", "type": "S3KeyExists", "s3Key": "#{node.directoryPath}/_SUCCESS"},
        {"id": "There", "type": "Exists"},
        {"id": "Out", "type": "S3DataNode", "directoryPath": "s3://old/out"},
        shell("Copy", "cp $INPUT1_STAGING_DIR/* $OUTPUT1_STAGING_DIR", stage="true")
        | {"input": {"ref": "In"}, "output": {"ref": "Out"}, "onSuccess": {"ref": "Tell"}},
        shell("Count", "true", runsOn={"ref": "Cluster"}, dependsOn={"ref": "Copy"}),
        {"id": "Tell", "type": "SnsAlarm", "topicArn": topic, "subject": "done"}
        | {"message": "#{node.name} is #{node.@status}"},
    )
    ran = penstock("run", file, "--data", tmp_path / "d", AWS_ENDPOINT_URL=endpoint, **KEYS)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert s3.get_object(Bucket="old", Key="out/_SUCCESS")["Body"].read() == b"ok"
    (received,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(received["Body"])["Message"] == "Copy is FINISHED"
    directories = sorted((tmp_path / "d" / "resources").iterdir())
    assert len(directories) == 2
    assert not any(is_running(each) or (each / "runner.json").exists() for each in directories)
    assert all(f"Logs: {each}" in ran.stdout for each in directories)
    listed = penstock("keys", "list", "--data", tmp_path / "d")
    assert "resources" not in listed.stdout


class Client:
    """A pipeline at a server, by the stock client."""

    def __init__(self, server: Server, *objects: Mapping[str, Any]) -> None:
        self.boto = server.boto()
        self.pipeline = self.boto.create_pipeline(name="p", uniqueId="p")["pipelineId"]
        definition = msgspec.to_builtins(from_cli({"objects": list(objects)}))
        self.boto.put_pipeline_definition(pipelineId=self.pipeline, **definition)
        self.boto.activate_pipeline(pipelineId=self.pipeline)

    def status(self, component: str) -> str:
        found = self.boto.query_objects(pipelineId=self.pipeline, sphere="INSTANCE")["ids"]
        ids = [each for each in found if each.startswith(f"@{component}_")]
        if not ids:
            return ""
        shown = self.boto.describe_objects(pipelineId=self.pipeline, objectIds=ids)
        fields = shown["pipelineObjects"][0]["fields"]
        return next(each["stringValue"] for each in fields if each["key"] == "@status")


def test_a_runner_outlives_its_server_and_the_next_one_knows_it(tmp_path: Path) -> None:
    go, began = tmp_path / "go", tmp_path / "began"
    command = f"echo x >> {began}; while [ ! -e {go} ]; do sleep 0.1; done"
    with serving(tmp_path / "data") as server:
        client = Client(server, DEFAULT, MACHINE, shell("Long", command))
        until(began.exists)
        (directory,) = (tmp_path / "data" / "resources").iterdir()
        process = process_of(directory)
        server.kill()
        assert is_running(directory)
        server.start()
        client.boto = server.boto()
        go.touch()
        until(lambda: client.status("Machine") == "FINISHED")
        assert client.status("Long") == "FINISHED"
        assert began.read_text() == "x\n"
        assert process_of(directory) == process
        assert not is_running(directory)


def test_none_refuses_what_needs_a_machine(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "data", arguments=("--provider", "none")) as server,
        pytest.raises(ClientError, match="has no provider"),
    ):
        Client(server, DEFAULT, MACHINE, shell("A", "true"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_machine_in_aws_is_given_what_its_runner_needs_and_is_ended(
    tmp_path: Path, endpoint: str
) -> None:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    iam, ec2 = (boto3.client(s, endpoint_url=endpoint, **keys) for s in ("iam", "ec2"))
    iam.create_instance_profile(InstanceProfileName="DataPipelineDefaultResourceRole")
    port = free_port()
    server = Server(
        tmp_path / "data",
        arguments=("--provider", "aws", "--public-url", f"http://127.0.0.1:{port}"),
        environ={"AWS_ENDPOINT_URL": endpoint, **KEYS},
    )
    server.port = port
    server.start()
    try:
        client = Client(server, DEFAULT, MACHINE | {"imageId": AMI}, shell("Hi", "echo hi"))
        until(lambda: client.status("Machine") in {"CREATING", "ACTIVATING"} and bool(alive(ec2)))
        (machine,) = alive(ec2)
        told = ec2.describe_instance_attribute(InstanceId=machine, Attribute="userData")
        script = base64.b64decode(told["UserData"]["Value"]).decode()
        options = tmp_path / "runner.json"
        encoded = script.partition("echo ")[2].partition(" ")[0]
        told = json.loads(base64.b64decode(encoded)) | {"output": str(tmp_path / "logs")}
        options.write_text(json.dumps(told))
        runner = subprocess.Popen(
            [sys.executable, "-m", "penstock", "runner", f"--config={options}"],
            cwd=tmp_path,
            env=clean_environ(),
            stdout=subprocess.DEVNULL,
        )
        until(lambda: client.status("Hi") == "FINISHED")
        until(lambda: not alive(ec2))
        runner.terminate()
        runner.wait(60)
        assert server.stop() == 0
    finally:
        server.kill()
    assert "failed" not in server.log, server.log


AMI = "ami-12c6146b"
"""One that the stand-in knows."""


def alive(ec2: Any) -> list[str]:
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    found = ec2.describe_instances(Filters=running)["Reservations"]
    return [each["InstanceId"] for one in found for each in one["Instances"]]


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (("--provider", "aws"), {}, "needs --public-url"),
        (("--provider", "aws", "--public-url", "example.org"), {}, "needs --public-url"),
        ((), {"PENSTOCK_SMTP_URL": "http://me:secret@h"}, "PENSTOCK_SMTP_URL has the form"),
    ],
)
def test_a_server_that_lacks_something_says_so_at_once(
    tmp_path: Path, arguments: tuple[str, ...], environ: Mapping[str, str], said: str
) -> None:
    ran = penstock("serve", "--data", tmp_path / "d", "--port", "0", *arguments, **environ)
    assert ran.returncode == 1
    assert said in ran.stderr
    assert "secret" not in ran.stderr
    assert not (tmp_path / "d").exists()


def test_a_run_that_is_interrupted_leaves_no_runner(tmp_path: Path) -> None:
    began = tmp_path / "began"
    file = written(tmp_path / "d.json", DEFAULT, MACHINE, shell("A", f"touch {began}; sleep 600"))
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "run", file, "--data", tmp_path / "data"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environ(),
    )
    until(began.exists)
    (directory,) = (tmp_path / "data" / "resources").iterdir()
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not is_running(directory)
