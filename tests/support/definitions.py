"""Definitions in the API's form, written shortly, and their way into a server."""

from __future__ import annotations

from typing import Any, NamedTuple


class Ref(NamedTuple):
    """A field's value that names another object."""

    id: str


Value = str | Ref | list[str | Ref]


def component(object_id: str, **fields: Value) -> dict[str, Any]:
    """An object of a definition; a list makes a field of several values."""
    return {
        "id": object_id,
        "name": object_id,
        "fields": [
            {"key": key, "refValue": value.id}
            if isinstance(value, Ref)
            else {"key": key, "stringValue": value}
            for key, values in fields.items()
            for value in (values if isinstance(values, list) else [values])
        ],
    }


def shell(object_id: str, **fields: Value) -> dict[str, Any]:
    """A ShellCommandActivity; nobody runs its command here, tests are their own runners."""
    return component(object_id, type="ShellCommandActivity", **({"command": "true"} | fields))


def ondemand(worker_group: str, **fields: Value) -> dict[str, Any]:
    """The Default object of a definition that runs once with each activation."""
    return component("Default", scheduleType="ondemand", workerGroup=worker_group, **fields)


def activated(client: Any, name: str, *objects: dict[str, Any]) -> str:
    """The id of a new pipeline that runs; `client` is boto3's. One name makes one pipeline."""
    pipeline: str = client.create_pipeline(name=name, uniqueId=name)["pipelineId"]
    put = client.put_pipeline_definition(pipelineId=pipeline, pipelineObjects=list(objects))
    assert not put["errored"], put["validationErrors"]
    client.activate_pipeline(pipelineId=pipeline)
    return pipeline


def field_values(item: dict[str, Any], key: str) -> list[str]:
    """All values of one field of an object as DescribeObjects answers it."""
    return [
        field.get("stringValue") or field["refValue"]
        for field in item["fields"]
        if field["key"] == key
    ]


def described(client: Any, pipeline: str, object_id: str) -> dict[str, str]:
    """An object's fields, for those that have one value or of which any will do."""
    answer = client.describe_objects(pipelineId=pipeline, objectIds=[object_id])
    (item,) = answer["pipelineObjects"]
    return {field["key"]: field.get("stringValue") or field["refValue"] for field in item["fields"]}


def instances(client: Any, pipeline: str, sphere: str = "INSTANCE") -> list[str]:
    """The ids of all instances (or attempts), page by page."""
    pages = client.get_paginator("query_objects").paginate(pipelineId=pipeline, sphere=sphere)
    return [object_id for page in pages for object_id in page["ids"]]
