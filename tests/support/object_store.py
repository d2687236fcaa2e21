"""An S3 that answers on a free port: moto's server, one for a whole test session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SERVER = """
import sys
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def object_store() -> Iterator[str]:
    """The endpoint URL of a fresh store; any keys are accepted."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def put_object(endpoint: str, bucket: str, key: str | None, content: bytes = b"") -> None:
    """Make an object, or the bucket itself when there is no key."""
    import boto3

    with_keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=endpoint, **with_keys)
    if key is None:
        client.create_bucket(Bucket=bucket)
    else:
        client.put_object(Bucket=bucket, Key=key, Body=content)


def get_objects(endpoint: str, bucket: str, prefix: str = "") -> dict[str, bytes]:
    """All objects beneath a prefix."""
    import boto3

    with_keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=endpoint, **with_keys)
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {
        item["Key"]: client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        for item in listed
    }
