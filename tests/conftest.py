"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import Cluster, running_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL, shared: each test makes databases of its own."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """A database with Penstock's schema and nothing in it, to copy from."""
    from penstock.store.postgres import PostgresStore

    name = cluster.create()
    PostgresStore(cluster.url(name), 0).close()
    return name


@pytest.fixture
def database(cluster: Cluster, template: str) -> Iterator[str]:
    """The URL of a database of the test's own, with Penstock's schema."""
    name = cluster.create(template)
    yield cluster.url(name)
    cluster.drop(name)
