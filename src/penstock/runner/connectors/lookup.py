"""Databases that a definition names by an identifier: asked for at RDS and Redshift."""

from __future__ import annotations

from typing import Any

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.connectors.address import Address
from penstock.runner.connectors.protocol import UNREACHABLE
from penstock.runner.errors import TaskFailed

_ENGINES = (
    ("postgres", "postgresql"),
    ("aurora-postgresql", "postgresql"),
    ("mysql", "mysql"),
    ("mariadb", "mysql"),
    ("aurora", "mysql"),
    ("oracle", "oracle"),
    ("sqlserver", "sqlserver"),
)


def look_up(node: PipelineObject, context: Context) -> Address:
    """Where an RdsDatabase or a RedshiftDatabase is; raises `TaskFailed`."""
    region = node.string("region")
    if cluster := node.string("clusterId"):
        answer = _ask(context, "redshift", region, cluster)
        return _found(answer, "redshift", cluster)
    instance = node.string("rdsInstanceId") or ""
    answer = _ask(context, "rds", region, instance)
    engine = str(answer.get("Engine", ""))
    kind = next((kind for prefix, kind in _ENGINES if engine.startswith(prefix)), None)
    if kind is None:
        raise TaskFailed(UNREACHABLE, f"The RDS instance {instance} runs {engine or 'nothing'}.")
    return _found(answer, kind, instance)


def _found(answer: dict[str, Any], kind: str, name: str) -> Address:
    endpoint = answer.get("Endpoint")
    if not endpoint:
        raise TaskFailed(UNREACHABLE, f"{name} has no address yet; is it being created?")
    database = answer.get("DBName") or ""
    port = int(endpoint.get("Port") or answer.get("DbInstancePort") or 0)
    if kind == "oracle":
        return Address(kind, endpoint["Address"], port, properties={"sid": database or "ORCL"})
    return Address(kind, endpoint["Address"], port, database)


def _ask(context: Context, service: str, region: str | None, name: str) -> dict[str, Any]:
    client = context.aws.client(service, region)
    try:
        if service == "rds":
            found = client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        else:
            found = client.describe_clusters(ClusterIdentifier=name)["Clusters"]
    except Exception as error:
        # Only the service's own answer is known; botocore's errors have no common base of ours.
        message = f"{service} could not say where {name} is: {error}"
        raise TaskFailed(UNREACHABLE, message) from error
    answer: dict[str, Any] = found[0]
    return answer
