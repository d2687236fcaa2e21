"""Exists: met if what a data node stands for is there.

Source: developer guide, "Exists". For files: the file, or anything beneath the directory; for
tables: the table, whether it has rows or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.model.definition import PipelineObject
from penstock.runner.errors import LocationError, NotMet, TaskFailed
from penstock.runner.preconditions.tables import INVALID_PRECONDITION, THERE, table_status

if TYPE_CHECKING:
    from penstock.runner.activities.context import Context

LOCATION_FAILED = "LocationFailed"
"""errorId when a place of files could not be looked at."""


def check_exists(context: Context) -> None:
    """Look; raises `NotMet` if it is not there, `TaskFailed` if that cannot be found out."""
    (node,) = context.task.referenced("node") or (PipelineObject("", ""),)
    kind = node.string("type") or ""
    look = _LOOKS.get(kind)
    if look is None:
        known = ", ".join(sorted(_LOOKS))
        message = f"Exists asks for a data node, and {node.name!r} is of type {kind!r}; {known} are"
        raise TaskFailed(INVALID_PRECONDITION, message)
    if not look(node, context):
        raise NotMet(f"{node.name!r} is not there yet.")


def _files_are_there(node: PipelineObject, context: Context) -> bool:
    directory = node.string("directoryPath")
    file = node.string("filePath") or node.string("manifestFilePath")
    try:
        if directory:
            return next(iter(context.locations.entries(directory)), None) is not None
        if file:
            return context.locations.exists(file)
    except LocationError as error:
        raise TaskFailed(LOCATION_FAILED, str(error)) from error
    message = f"{node.name!r} has neither filePath nor directoryPath."
    raise TaskFailed(INVALID_PRECONDITION, message)


def _table_is_there(node: PipelineObject, context: Context) -> bool:
    from penstock.runner.connectors.opening import connect

    name = node.string("table") or node.string("tableName")
    if not name:
        raise TaskFailed(INVALID_PRECONDITION, f"{node.name!r} names no table.")
    reference = node.ref("database")
    database = context.task.objects.get(reference, node) if reference else node
    connection = connect(database, context)
    try:
        return connection.table(name, node.string("schemaName")) is not None
    finally:
        connection.close()


def _dynamodb_table_is_there(node: PipelineObject, context: Context) -> bool:
    name = node.string("tableName") or ""
    client = context.aws.client("dynamodb", node.string("region"))
    return table_status(client, name) in THERE


_LOOKS: dict[str, Callable[[PipelineObject, Context], bool]] = {
    "S3DataNode": _files_are_there,
    "SqlDataNode": _table_is_there,
    "MySqlDataNode": _table_is_there,
    "RedshiftDataNode": _table_is_there,
    "DynamoDBDataNode": _dynamodb_table_is_there,
}
