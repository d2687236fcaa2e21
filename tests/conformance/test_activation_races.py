"""Activations at the same moment, each a version and a run of its own; and how many may be."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.definitions import described, instances, ondemand, shell
from tests.support.server import Server

RUNS = 8


def test_activations_at_once_are_numbered_and_none_is_lost(client: Any, name: str) -> None:
    pipeline = client.create_pipeline(name=name, uniqueId=name)["pipelineId"]
    client.put_pipeline_definition(
        pipelineId=pipeline,
        pipelineObjects=[ondemand(name, maxActiveInstances=str(RUNS)), shell("A")],
    )
    with ThreadPoolExecutor(RUNS) as threads:
        calls = [threads.submit(client.activate_pipeline, pipelineId=pipeline) for _ in range(RUNS)]
        for call in calls:
            call.result()
    made = instances(client, pipeline)
    assert len(set(made)) == RUNS
    versions = {described(client, pipeline, each)["@version"] for each in made}
    assert versions == {str(number) for number in range(1, RUNS + 1)}


def test_a_server_can_bound_the_runs_that_a_definition_asks_for(
    start: Callable[..., Server],
) -> None:
    client = start("limits.on_demand_runs=5").boto()
    pipeline = client.create_pipeline(name="bound", uniqueId="bound")["pipelineId"]

    def put_and_activate(runs: int) -> None:
        objects = [ondemand("bound", maxActiveInstances=str(runs)), shell("A")]
        client.put_pipeline_definition(pipelineId=pipeline, pipelineObjects=objects)
        client.activate_pipeline(pipelineId=pipeline)

    with pytest.raises(ClientError, match="is 6; an on-demand pipeline can have at most 5 runs"):
        put_and_activate(6)
    assert instances(client, pipeline) == []
    put_and_activate(5)
    assert len(instances(client, pipeline)) == 1
    client.close()
