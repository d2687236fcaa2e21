"""The primary is lost and its replica takes over: servers that know of both go on by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.test_outages import listed, made, refused, server_on, works_again
from tests.support.postgres import Cluster, running_cluster
from tests.support.waiting import eventually

Machines = tuple[Cluster, Cluster]


@pytest.fixture
def machines() -> Iterator[Machines]:
    """A primary and its replica."""
    with running_cluster() as primary, running_cluster(primary=primary) as replica:
        yield primary, replica


def url_of_both(machines: Machines, name: str) -> str:
    return machines[0].url(name, host=",".join(str(each.directory) for each in machines))


def caught_up(machines: Machines) -> bool:
    with machines[0].connect() as here, machines[1].connect() as there:
        (place,) = here.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ()
        row = there.execute("SELECT pg_last_wal_replay_lsn() >= %s", [place]).fetchone()
    return bool(row and row[0])


@pytest.mark.slow
def test_servers_find_the_new_primary(machines, tmp_path):
    """The new one is named first: while it was a replica it was not what a server looks for."""
    primary, replica = machines
    name = primary.create()
    url = url_of_both((replica, primary), name)
    eventually(lambda: caught_up(machines), "the replica has the database")
    with server_on(url, tmp_path / "data") as (_, caller):
        made(caller, "before")
        eventually(lambda: caught_up(machines), "the replica has the pipeline")
        primary.stop()
        refused(lambda: made(caller, "meanwhile"))
        replica.promote()
        works_again(caller, "after")
        assert sorted(listed(caller)) == ["after", "before"]
        with replica.connect(name) as there:
            assert there.execute("SELECT count(*) FROM pipeline").fetchone() == (2,)
