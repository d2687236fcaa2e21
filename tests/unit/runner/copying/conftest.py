"""Databases of the test's own, and tasks that copy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.support.mariadb import PASSWORD, USER, Maria, running_mariadb
from tests.support.postgres import SUPERUSER, Cluster
from tests.unit.runner.scripted import House, make_task

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, note text, amount numeric(10, 2))"


class Shop:
    """A PostgreSQL database, as a definition names it and as a test looks into it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.name = cluster.create()
        host = quote(str(cluster.directory), safe="")
        self.node = {
            "type": "JdbcDatabase",
            "connectionString": f"jdbc:postgresql://{host}/{self.name}",
            "username": SUPERUSER,
            "*password": "topsecret",
        }

    def run(self, statement: str) -> list[Any]:
        with psycopg.connect(self.cluster.url(self.name), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


class Market:
    """A MariaDB database, likewise."""

    def __init__(self, maria: Maria) -> None:
        self.maria = maria
        self.name = maria.create()
        self.node = {
            "type": "JdbcDatabase",
            "connectionString": maria.url(self.name),
            "username": USER,
            "*password": PASSWORD,
        }

    def run(self, statement: str) -> list[Any]:
        return self.maria.run(self.name, statement)


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    made = Shop(cluster)
    yield made
    cluster.drop(made.name)


@pytest.fixture(scope="session")
def maria() -> Iterator[Maria]:
    with running_mariadb() as running:
        yield running


@pytest.fixture
def market(maria: Maria) -> Market:
    return Market(maria)


def run(directory: Path, task: Any, **changes: Any) -> dict[str, Any]:
    """Run one task by a runner of its own; what SetTaskStatus was told."""
    return House(directory).run(task, **changes)


def finish(directory: Path, task: Any) -> None:
    """Run one task that is to succeed."""
    status = run(directory, task)
    assert status["taskStatus"] == "FINISHED", status


def fail(directory: Path, task: Any, error_id: str) -> str:
    """Run one task that is to fail; its message."""
    status = run(directory, task)
    assert status.get("errorId") == error_id, status
    message: str = status["errorMessage"]
    return message


def cancel_when(
    begun: Callable[[], bool], directory: Path, task: Any, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """Cancel a task once it is in the middle; the statuses that were set, which is none."""
    monkeypatch.setattr("penstock.runner.task.REPORT_EVERY_MS", 1_000)
    house, canceled = House(directory), threading.Event()

    def answer(_told: dict[str, Any]) -> dict[str, Any]:
        if begun():
            canceled.set()
        return {"canceled": canceled.is_set()}

    house.service.answers["ReportTaskProgress"] = answer
    house.start()
    house.service.offer(task)
    assert canceled.wait(30)
    house.close()
    return house.service.of("SetTaskStatus")


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


def in_directory(path: Path, **fields: Any) -> dict[str, Any]:
    return {"type": "S3DataNode", "directoryPath": f"file://{path}"} | fields


def in_table(name: str, database: str = "Db", **fields: Any) -> dict[str, Any]:
    return {"type": "SqlDataNode", "table": name, "database": ("ref", database)} | fields
