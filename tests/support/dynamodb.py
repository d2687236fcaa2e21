"""Tables in moto's DynamoDB."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import boto3

Item = dict[str, Any]


@cache
def client(endpoint: str, service: str = "dynamodb", region: str = "us-east-1") -> Any:
    """A client, made once: reading botocore's models takes a fifth of a second."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client(service, endpoint_url=endpoint, region_name=region, **keys)


def make_table(
    endpoint: str, name: str, items: Iterable[Item] = (), units: int = 0, region: str = "us-east-1"
) -> None:
    """A table with the hash key `id`; on demand unless it has `units` of either capacity."""
    dynamodb = client(endpoint, region=region)
    billing: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"}
    if units:
        throughput = {"ReadCapacityUnits": units, "WriteCapacityUnits": units}
        billing = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        **billing,
    )
    batch = [{"PutRequest": {"Item": item}} for item in items]
    for start in range(0, len(batch), 25):
        dynamodb.batch_write_item(RequestItems={name: batch[start : start + 25]})


def items_of(endpoint: str, name: str, region: str = "us-east-1") -> dict[str, Item]:
    """All items by their key."""
    pages = client(endpoint, region=region).get_paginator("scan").paginate(TableName=name)
    return {item["id"]["S"]: item for page in pages for item in page["Items"]}


def numbered(count: int) -> list[Item]:
    return [{"id": {"S": f"k{n:04}"}, "n": {"N": str(n)}} for n in range(count)]
