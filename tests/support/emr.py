"""Clusters of moto's EMR, whose steps go on by a script: moto's own never end.

The server runs in this process, so that a test can say what becomes of the next steps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import moto.emr.models as models
from moto.core.responses import ActionResult
from moto.emr.responses import ElasticMapReduceResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.support.dynamodb import client

ACCOUNT = "123456789012"
GOOD = ("PENDING", "RUNNING", "COMPLETED")


class Clusters:
    """What the clusters do. `scripts` holds the states of the steps to come, by their order; the
    last of a script stays. A step without one ends well.
    """

    def __init__(self) -> None:
        self.scripts: list[tuple[str, ...]] = []
        self.details: dict[str, str] = {}
        self.reason: str | None = None
        self.looks: dict[str, int] = {}
        self.canceled: list[str] = []
        self.running = threading.Event()
        self.before_look: Callable[[], None] = lambda: None

    def look(self, number: int, step: Any) -> None:
        """Somebody looks at a step: it goes on to its next state."""
        self.before_look()
        script = self.scripts[number] if number < len(self.scripts) else GOOD
        if step.id not in self.canceled:
            at = self.looks.get(step.id, 0)
            self.looks[step.id] = at + 1
            step.state = script[min(at, len(script) - 1)]
        step.last_state_change_reason = self.reason
        if step.state == "RUNNING":
            self.running.set()


@contextmanager
def emr() -> Iterator[tuple[str, Clusters]]:
    """The endpoint of all of moto's services, and what its clusters do."""
    clusters = Clusters()
    backend = models.ElasticMapReduceBackend
    found, status = backend.describe_step, models.Step.status

    def describe_step(self: Any, cluster_id: str, step_id: str) -> Any:
        step = found(self, cluster_id, step_id)
        clusters.look(self.clusters[cluster_id].steps.index(step), step)
        return step

    def cancel_steps(self: Any) -> ActionResult:
        cluster = self.backend.clusters[self._get_param("ClusterId")]
        wanted = self._get_param("StepIds", [])
        for step in cluster.steps:
            if step.id in wanted:
                step.state = "CANCELLED"
                clusters.canceled.append(step.id)
        return ActionResult({"CancelStepsInfoList": []})

    def detailed(self: Any) -> dict[str, Any]:
        details = clusters.details if self.state == "FAILED" else {}
        return {**status.fget(self), **({"FailureDetails": details} if details else {})}

    backend.describe_step = describe_step
    ElasticMapReduceResponse.cancel_steps = cancel_steps  # type: ignore[attr-defined]
    models.Step.status = property(detailed)
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", clusters
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        backend.describe_step, models.Step.status = found, status
        del ElasticMapReduceResponse.cancel_steps  # type: ignore[attr-defined]


def start_cluster(endpoint: str, **more: Any) -> str:
    """A cluster's id."""
    answer = client(endpoint, "emr").run_job_flow(
        Name="test",
        LogUri="s3n://logs/emr/",
        JobFlowRole="EMR_EC2_DefaultRole",
        ServiceRole="EMR_DefaultRole",
        Instances={"KeepJobFlowAliveWhenNoSteps": True, "InstanceCount": 1},
        **more,
    )
    return str(answer["JobFlowId"])


def steps_of(endpoint: str, cluster: str) -> list[dict[str, Any]]:
    """The steps of a cluster, the first one first."""
    listed = client(endpoint, "emr").list_steps(ClusterId=cluster)["Steps"]
    return list(reversed(listed))


def add_step(endpoint: str, cluster: str, name: str) -> str:
    """A step that somebody has left."""
    step = {"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "x.jar"}}
    added = client(endpoint, "emr").add_job_flow_steps(JobFlowId=cluster, Steps=[step])
    return str(added["StepIds"][0])
