"""Databases, and ways to one, that servers cannot work with: each is refused, with the reason."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from penstock.app import App
from penstock.config import Settings, parse_database_url
from penstock.store import listening
from penstock.store.postgres import examine
from penstock.store.protocol import UnsuitableDatabase
from tests.support.pooler import pooling
from tests.support.postgres import running_cluster


@pytest.fixture
def pooled(cluster) -> Iterator[Path]:
    """Where a pooler listens; a socket's path must be short."""
    with (
        tempfile.TemporaryDirectory(prefix="penstock-pool-") as directory,
        pooling(cluster.directory, Path(directory)),
    ):
        yield Path(directory)


def refused(directory: Path, url: str, reason: str) -> None:
    with pytest.raises(UnsuitableDatabase, match=reason):
        App.open(Settings(data_dir=directory, database=parse_database_url(url)))
    assert not (directory / "secret.key").exists()


def tables(cluster, name: str) -> int:
    with cluster.connect(name) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
    return count


def test_the_pooler_of_the_next_test_lends_connections_for_a_transaction(cluster, pooled):
    url = cluster.url(host=str(pooled))
    pid = "SELECT pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as one, psycopg.connect(url) as other:
        (mine,) = other.execute(pid).fetchone()
        assert other.execute(pid).fetchone() == (mine,)
        assert one.execute(pid).fetchone() != (mine,)
        other.commit()
        assert one.execute(pid).fetchone() == (mine,)


def test_a_pooler_of_transactions_is_refused_and_nothing_is_made(
    cluster, pooled, tmp_path, monkeypatch
):
    monkeypatch.setattr(listening, "_PROOF_SECONDS", 0.2)
    name = cluster.create()
    refused(tmp_path, cluster.url(name, host=str(pooled)), "pool_mode = session")
    assert tables(cluster, name) == 0
    cluster.drop(name)


@pytest.mark.slow
def test_a_replica_is_refused(tmp_path):
    with running_cluster() as primary, running_cluster(primary=primary) as replica:
        refused(tmp_path, replica.url(), "is a replica.*name the primary")


def test_a_database_that_takes_no_changes_is_refused(cluster, tmp_path):
    name = cluster.create()
    with cluster.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    refused(tmp_path, cluster.url(name), "read only")
    assert tables(cluster, name) == 0
    cluster.drop(name)


def test_a_suitable_one_is_not(database):
    examine(database)
