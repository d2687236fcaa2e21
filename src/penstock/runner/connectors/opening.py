"""From a database object of a definition to an open connection."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.connectors.address import (
    INVALID_DATABASE,
    Address,
    parse_address,
    read_properties,
)
from penstock.runner.connectors.protocol import Connection
from penstock.runner.errors import TaskFailed


def connect(node: PipelineObject, context: Context) -> Connection:
    """Connect to the database that an object describes, and have it cancelled when the work is
    told to stop.

    `node` is a JdbcDatabase, RdsDatabase or RedshiftDatabase, or a data node with a
    `connectionString` of its own. Raises `TaskFailed`.
    """
    address = find_address(node, context)
    connection = _connector(address.kind)(address, node, context)
    context.stop.on_request(connection.cancel)
    return connection


def find_address(node: PipelineObject, context: Context) -> Address:
    """Where a database object says it is, with its credentials."""
    text = node.string("connectionString")
    if text:
        address = parse_address(text)
    elif node.string("rdsInstanceId") or node.string("clusterId"):
        from penstock.runner.connectors.lookup import look_up

        address = look_up(node, context)
    else:
        message = f"{node.name!r} says nowhere where the database is; give it a connectionString."
        raise TaskFailed(INVALID_DATABASE, message)
    properties = address.properties | read_properties(node.strings("jdbcProperties"))
    return msgspec.structs.replace(
        address,
        database=node.string("databaseName") or address.database,
        properties=properties,
        user=node.string("username") or address.user or properties.pop("user", ""),
        password=node.string("*password") or address.password or properties.pop("password", ""),
    )


def _connector(kind: str) -> Callable[[Address, PipelineObject, Context], Connection]:
    """What opens a database of a kind; its driver is imported now."""
    from penstock.runner.connectors import java, mysql, native, postgres, sqlite

    openers: dict[str, Callable[[Address, PipelineObject, Context], Connection]] = {
        "postgresql": postgres.open_postgres,
        "redshift": postgres.open_postgres,
        "mysql": mysql.open_mysql,
        "sqlite": sqlite.open_sqlite,
        "sqlserver": native.open_sql_server,
        "oracle": native.open_oracle,
    }
    return openers.get(kind, java.open_jdbc)
