"""A database of the test's own, and tasks that copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.support.postgres import SUPERUSER, Cluster
from tests.unit.runner.scripted import House, make_task


class Shop:
    """A database, as a definition names it and as a test looks into it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.name = cluster.create()
        host = quote(str(cluster.directory), safe="")
        self.url = f"jdbc:postgresql://{host}/{self.name}"
        self.node = {
            "type": "JdbcDatabase",
            "connectionString": self.url,
            "username": SUPERUSER,
            "*password": "topsecret",
        }

    def run(self, statement: str) -> list[Any]:
        with psycopg.connect(self.cluster.url(self.name), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    made = Shop(cluster)
    yield made
    cluster.drop(made.name)


def run(directory: Path, task: Any, **changes: Any) -> dict[str, Any]:
    """Run one task by a runner of its own; what SetTaskStatus was told."""
    return House(directory).run(task, **changes)


def copy_task(source: dict[str, Any], target: dict[str, Any], **objects: Any) -> Any:
    """A copy of one node to another; formats and databases are further objects."""
    return make_task(
        type="CopyActivity",
        input=("ref", "In"),
        output=("ref", "Out"),
        objects={"In": source, "Out": target} | objects,
    )


def in_file(path: Path, **fields: Any) -> dict[str, Any]:
    return {"type": "S3DataNode", "filePath": f"file://{path}"} | fields


def in_table(name: str, database: str = "Shop", **fields: Any) -> dict[str, Any]:
    return {"type": "SqlDataNode", "table": name, "database": ("ref", database)} | fields
