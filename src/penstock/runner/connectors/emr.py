"""A cluster of Amazon EMR: steps added, watched to their end, and cancelled.

Steps are added one at a time and with the failure action CONTINUE. With CANCEL_AND_WAIT the failure
of one activity's step would cancel those that other activities have pending on the same cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from penstock.runner.aws import Aws
from penstock.runner.aws_errors import aws_failures
from penstock.runner.errors import Stopped, TaskFailed

STEP_FAILED = "EmrStepFailed"
"""errorId when a step failed on the cluster."""

STEP_CANCELED = "EmrStepCanceled"
"""errorId when somebody else cancelled the step, or the cluster ended."""

_ACTIVE = ("PENDING", "RUNNING", "CANCEL_PENDING")
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 20.0
_PATIENCE_CALLS = 30
_PASSING = frozenset(
    "ThrottlingException InternalServerException InternalServerError EndpointConnectionError"
    " ConnectTimeoutError ReadTimeoutError ConnectionClosedError HTTPClientError".split()
)

Pause = Callable[[float], None]
"""Waits so many seconds; raises `Stopped` if the work shall stop."""


class Step(Struct, frozen=True):
    """What a step runs. `name` must begin with its owner's, see `EmrCluster.clear`."""

    name: str
    jar: str
    arguments: tuple[str, ...] = ()
    main_class: str | None = None


class EmrCluster:
    """One cluster. All methods raise `TaskFailed` for what EMR refuses."""

    def __init__(self, aws: Aws, cluster_id: str, region: str | None, pause: Pause) -> None:
        self.id = cluster_id
        self._client = aws.client("emr", region)
        self._pause = pause
        with self._failures():
            cluster = self._client.describe_cluster(ClusterId=cluster_id)["Cluster"]
        self._logs = (cluster.get("LogUri") or "").replace("s3n://", "s3://", 1).rstrip("/")

    def log_place(self, step_id: str) -> str | None:
        """Where a step's logs are put; None if the cluster keeps none."""
        return f"{self._logs}/{self.id}/steps/{step_id}/" if self._logs else None

    def clear(self, owner: str) -> None:
        """Cancel what earlier attempts have left, and wait for its end.

        `owner` begins the names of its steps. A runner that died could not cancel its own, and two
        of a kind would write the same output.
        """
        for pause in _pauses():
            left = [step for step in self._active() if step["Name"].startswith(owner)]
            if not left:
                return
            self._cancel([step["Id"] for step in left if step["Status"]["State"] in _ACTIVE[:2]])
            self._pause(pause)

    def run(self, step: Step, on_status: Callable[[str, str], None]) -> None:
        """Run a step to its good end; cancels it when told to stop.

        `on_status` is told its id and its state whenever the state changes.
        """
        step_id = self._add(step)
        try:
            status = self._wait(step_id, on_status)
        except Stopped:
            with suppress(TaskFailed):
                self._cancel([step_id])
            raise
        if status["State"] != "COMPLETED":
            raise self._failure(step, step_id, status)

    def _add(self, step: Step) -> str:
        job: dict[str, Any] = {"Jar": step.jar, "Args": list(step.arguments)}
        if step.main_class:
            job["MainClass"] = step.main_class
        wanted = {"Name": step.name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": job}
        with self._failures():
            answer = self._client.add_job_flow_steps(JobFlowId=self.id, Steps=[wanted])
        step_id: str = answer["StepIds"][0]
        # A request whose answer was lost is made again, and EMR then has the step twice.
        twins = [s["Id"] for s in self._active() if s["Name"] == step.name and s["Id"] != step_id]
        self._cancel(twins)
        return step_id

    def _wait(self, step_id: str, on_status: Callable[[str, str], None]) -> dict[str, Any]:
        """The step's status when it has ended."""
        state, faults = "", 0
        for pause in _pauses():
            try:
                status = self._describe(step_id)
            except TaskFailed as failure:
                faults += 1
                if failure.error_id not in _PASSING or faults > _PATIENCE_CALLS:
                    raise
                self._pause(pause)
                continue
            faults = 0
            if status["State"] != state:
                state = status["State"]
                on_status(step_id, state)
            if state not in _ACTIVE:
                return status
            self._pause(pause)
        raise AssertionError("pauses have no end")

    def _describe(self, step_id: str) -> dict[str, Any]:
        with self._failures():
            answer = self._client.describe_step(ClusterId=self.id, StepId=step_id)
        status: dict[str, Any] = answer["Step"]["Status"]
        return status

    def _failure(self, step: Step, step_id: str, status: dict[str, Any]) -> TaskFailed:
        state = status["State"]
        details = status.get("FailureDetails") or {}
        said = [details.get("Reason"), details.get("Message")]
        said.append((status.get("StateChangeReason") or {}).get("Message"))
        reason = ": ".join(text.strip().rstrip(".") for text in said if text)
        if state != "FAILED" and not reason:
            reason = self._cluster_reason()
        place = details.get("LogFile") or self.log_place(step_id)
        message = f"Step {step_id} ({step.jar}) on EMR cluster {self.id} is {state}"
        message += f": {reason}." if reason else "."
        message += f" Its log: {place}" if place else " The cluster keeps no logs."
        return TaskFailed(STEP_FAILED if state == "FAILED" else STEP_CANCELED, message)

    def _cluster_reason(self) -> str:
        """Why the cluster ends, if it does: that has taken the step with it."""
        with suppress(TaskFailed), self._failures():
            status = self._client.describe_cluster(ClusterId=self.id)["Cluster"]["Status"]
            if status["State"].startswith("TERMINAT"):
                why = (status.get("StateChangeReason") or {}).get("Message") or "no reason given"
                return f"the cluster is {status['State']}: {why}".rstrip(".")
        return ""

    def _active(self) -> list[dict[str, Any]]:
        with self._failures():
            pages = self._client.get_paginator("list_steps").paginate(
                ClusterId=self.id, StepStates=list(_ACTIVE)
            )
            return [step for page in pages for step in page["Steps"]]

    def _cancel(self, step_ids: Sequence[str]) -> None:
        if step_ids:
            with self._failures():
                self._client.cancel_steps(
                    ClusterId=self.id,
                    StepIds=list(step_ids),
                    StepCancellationOption="TERMINATE_PROCESS",
                )

    def _failures(self) -> Any:
        return aws_failures(f"EMR cluster {self.id}")


def _pauses() -> Iterator[float]:
    """Seconds between two looks, without end."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
