"""Activations of one pipeline at the same moment: each is a version and a run of its own."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.definitions import described, instances, ondemand, shell

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
