"""All that an account can see of itself, to hold one moment against another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.wire.client import Client, ServiceError

SPHERES = ("COMPONENT", "INSTANCE", "ATTEMPT")


def everything(caller: Client) -> dict[str, Any]:
    """Each pipeline's description, draft, version in force, and the objects of all spheres."""
    return {pipeline: _pipeline(caller, pipeline) for pipeline in pipelines(caller)}


def one(caller: Client, pipeline: str) -> dict[str, Any]:
    """Everything of one pipeline, and the names of the others."""
    return {"pipelines": pipelines(caller), pipeline: _pipeline(caller, pipeline)}


def pipelines(caller: Client) -> list[str]:
    """The ids of all pipelines."""
    return [
        item["id"]
        for page in _pages(caller, "ListPipelines", {})
        for item in page["pipelineIdList"]
    ]


def _pipeline(caller: Client, pipeline: str) -> dict[str, Any]:
    ids = {"pipelineId": pipeline}
    return {
        "description": caller.call("DescribePipelines", {"pipelineIds": [pipeline]}),
        "latest": caller.call("GetPipelineDefinition", ids),
        "active": caller.call("GetPipelineDefinition", {**ids, "version": "active"}),
        "objects": {sphere: _objects(caller, pipeline, sphere) for sphere in SPHERES},
    }


def _objects(caller: Client, pipeline: str, sphere: str) -> Any:
    """The objects; of a pipeline that has nothing to show, the refusal's text."""
    ids = {"pipelineId": pipeline}
    try:
        return [
            caller.call("DescribeObjects", {**ids, "objectIds": page["ids"]})["pipelineObjects"]
            for page in _pages(caller, "QueryObjects", {**ids, "sphere": sphere})
            if page["ids"]
        ]
    except ServiceError as refusal:
        return refusal.message


def _pages(caller: Client, operation: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    marker: str | None = None
    while True:
        page = caller.call(operation, parameters | ({"marker": marker} if marker else {}))
        yield page
        marker = page.get("marker")
        if not page["hasMoreResults"]:
            return
