"""EmrCluster: one cluster of EMR, on whose master node a step installs the runner.

Source: developer guide, "EmrCluster" and the objects that it refers to, and EMR's RunJobFlow. The
guide's texts on `role` and `resourceRole` are the wrong way round; its own defaults and templates
have the service's role in `role` and the nodes' instance profile in `resourceRole`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from penstock.resources.aws.account import (
    ACCOUNT_TAG,
    INSTALLATION_TAG,
    TRY_TAG,
    Cloud,
    Setup,
    aws_errors,
    handle_of,
    parse_handle,
    price_problems,
    tag_values,
)
from penstock.resources.aws.cluster import cluster_request, runner_step, shell_step
from penstock.resources.aws.user_data import SERVICE
from penstock.resources.provider import Found, Gone, Keys, Made, Order, Pending, Up

PRICES = ("masterInstanceBidPrice", "coreInstanceBidPrice", "taskInstanceBidPrice")
_ALIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
_OURS = re.compile(r"df-[0-9A-Z]{20}_@.*_Attempt=\d+", re.DOTALL)


class EmrProvider:
    """Makes clusters; see `Provider` and `Traceable`.

    RunJobFlow makes a cluster each time that it is asked. So a cluster has the try's name, and one
    of that name that is alive is taken for the one that is wanted.
    """

    def __init__(self, cloud: Cloud, keys: Keys, setup: Setup) -> None:
        self._cloud = cloud
        self._keys = keys
        self._setup = setup

    def check(self, order: Order) -> Sequence[str]:
        """As `Provider.check`."""
        problems = price_problems(order, PRICES)
        if not order.fields.string("releaseLabel"):
            problems.append("releaseLabel is missing: EMR starts no clusters of an amiVersion now")
        count = order.fields.string("coreInstanceCount")
        if order.fields.string("coreInstanceBidPrice") and not count:
            problems.append("coreInstanceBidPrice needs a coreInstanceCount")
        return problems

    def create(self, order: Order) -> Made:
        """As `Provider.create`."""
        client = self._client(order)
        found = next(_named(client, order.token), None)
        if found is None:
            key = self._keys.grant(order.account_id, order.token)
            request = cluster_request(order, self._setup)
            steps = [*request.pop("Steps"), runner_step(order, self._setup, key)]
            with aws_errors(order.spot):
                found = client.run_job_flow(**request, Steps=steps)["JobFlowId"]
        region = str(client.meta.region_name)
        facts = {"@resourceId": str(found), "@resourceRegion": region}
        return Made(handle_of(region, str(found)), facts)

    def look(self, order: Order, handle: str) -> Up | Pending | Gone:
        """As `Provider.look`."""
        region, identity = parse_handle(handle)
        status = _status(self._cloud.client("emr", region), identity)
        state = str(status["State"])
        if state in {"RUNNING", "WAITING"}:
            return Up()
        if state in _ALIVE:
            return Pending()
        reason = status.get("StateChangeReason", {}).get("Message") or "no reason is given"
        return Gone(f"the cluster {identity} is {state}: {reason}")

    def restart_runner(self, order: Order, handle: str) -> None:
        """As `Provider.restart_runner`: by a step."""
        region, identity = parse_handle(handle)
        step = shell_step("Restart the task runner", f"sudo systemctl restart {SERVICE}")
        with aws_errors():
            self._cloud.client("emr", region).add_job_flow_steps(JobFlowId=identity, Steps=[step])

    def stop(self, order: Order, handle: str | None) -> bool:
        """As `Provider.stop`. What terminates is asked after until it has."""
        client = self._client(order)
        if handle is None:
            identities = list(_named(client, order.token, (*_ALIVE, "TERMINATING")))
        else:
            region, identity = parse_handle(handle)
            client = self._cloud.client("emr", region)
            over = str(_status(client, identity)["State"]).startswith("TERMINATED")
            identities = [] if over else [identity]
        if identities:
            _terminate(client, identities)
            return False
        self._keys.revoke(order.token)
        return True

    def found(self) -> Sequence[Found]:
        """As `Traceable.found`, in the regions in use."""
        made = []
        for region in self._regions():
            client = self._cloud.client("emr", region)
            for cluster in _clusters(client, _ALIVE):
                if not _OURS.fullmatch(cluster["Name"]):
                    continue
                with aws_errors():
                    described = client.describe_cluster(ClusterId=cluster["Id"])["Cluster"]
                tags = tag_values(described.get("Tags", []))
                if tags.get(INSTALLATION_TAG) == self._setup.installation:
                    handle = handle_of(region, cluster["Id"])
                    token = tags.get(TRY_TAG, cluster["Name"])
                    made.append(Found(tags.get(ACCOUNT_TAG, ""), token, handle))
        return made

    def discard(self, found: Found) -> None:
        """As `Traceable.discard`."""
        region, identity = parse_handle(found.handle)
        _terminate(self._cloud.client("emr", region), [identity])
        self._keys.revoke(found.token)

    def _regions(self) -> list[str]:
        self._cloud.client("emr")
        return self._cloud.regions()

    def _client(self, order: Order) -> Any:
        return self._cloud.client("emr", order.fields.string("region"))


def _status(client: Any, identity: str) -> dict[str, Any]:
    with aws_errors():
        status: dict[str, Any] = client.describe_cluster(ClusterId=identity)["Cluster"]["Status"]
        return status


def _terminate(client: Any, identities: list[str]) -> None:
    with aws_errors():
        client.terminate_job_flows(JobFlowIds=identities)


def _named(client: Any, name: str, states: Sequence[str] = _ALIVE) -> Iterator[str]:
    """The ids of clusters of exactly that name."""
    return (each["Id"] for each in _clusters(client, states) if each["Name"] == name[:256])


def _clusters(client: Any, states: Sequence[str]) -> Iterator[dict[str, Any]]:
    with aws_errors():
        for page in client.get_paginator("list_clusters").paginate(ClusterStates=list(states)):
            yield from page["Clusters"]
