"""Pipelines to measure with, made through the API like anybody's."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from penstock.wire.client import Client

Objects = list[dict[str, Any]]


def make_objects(worker_group: str, activities: Mapping[str, Iterable[str]]) -> Objects:
    """A definition of ShellCommandActivities that run `true`; each maps to what it depends on."""
    default = {"scheduleType": "ondemand", "workerGroup": worker_group, "maxActiveInstances": "5"}
    objects = [describe("Default", default, ())]
    facts = {"type": "ShellCommandActivity", "command": "true"}
    objects.extend(
        describe(name, facts, [("dependsOn", need) for need in needs])
        for name, needs in activities.items()
    )
    return objects


def describe(
    name: str, facts: Mapping[str, str], refs: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """An object of a definition, as the API takes it: its fields, and its references."""
    fields = [{"key": key, "stringValue": value} for key, value in facts.items()]
    fields += [{"key": key, "refValue": ref} for key, ref in refs]
    return {"id": name, "name": name, "fields": fields}


def fan_out(count: int) -> dict[str, tuple[str, ...]]:
    """Activities that wait for nothing."""
    return {f"Activity{number:04d}": () for number in range(count)}


def chain(length: int) -> dict[str, tuple[str, ...]]:
    """Activities of which each waits for the one before."""
    names = [f"Link{number:04d}" for number in range(length)]
    before: list[tuple[str, ...]] = [(), *((name,) for name in names)]
    return dict(zip(names, before, strict=False))


def create(client: Client, name: str, objects: Objects) -> str:
    """A pipeline with a definition, not yet active; its id."""
    made = client.call("CreatePipeline", {"name": name, "uniqueId": name})
    pipeline_id = str(made["pipelineId"])
    answer = client.call(
        "PutPipelineDefinition", {"pipelineId": pipeline_id, "pipelineObjects": objects}
    )
    if answer["errored"]:
        raise ValueError(str(answer["validationErrors"]))
    return pipeline_id


def activate(client: Client, pipeline_ids: Iterable[str]) -> None:
    """Begin a run of each."""
    for pipeline_id in pipeline_ids:
        client.call("ActivatePipeline", {"pipelineId": pipeline_id})


def wait_until_finished(client: Client, pipeline_id: str, look_seconds: float = 0.1) -> None:
    """Return when a pipeline has finished."""
    while True:
        described = client.call("DescribePipelines", {"pipelineIds": [pipeline_id]})
        fields = described["pipelineDescriptionList"][0]["fields"]
        states = {field["key"]: field.get("stringValue") for field in fields}
        if states.get("@pipelineState") == "FINISHED":
            return
        time.sleep(look_seconds)
