"""(h) The same on PostgreSQL, as it is durable by default: with one server, and with two."""

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from bench.figures import Figure
from bench.ground import Ground, Measured, measure
from bench.handover import GROUP, make_chains
from bench.pipelines import activate
from bench.processes import Server, serving
from bench.throughput import make_fan_outs, per_second
from tests.support.postgres import Cluster, running_cluster

HOP_MS = 10.0
SLICE = 1_000
_PAUSE_MS = 120.0
_SETTINGS = {"shared_buffers": "128MB", "listen_addresses": ""}


@contextmanager
def clustered(ground: Ground) -> Iterator[Cluster]:
    """A cluster on the disk to be measured; its owner is another user, who must get there."""
    for directory in (ground.directory, ground.directory.parent):
        directory.chmod(0o711)
    with running_cluster(ground.directory, _SETTINGS) as cluster:
        yield cluster


def measure_postgres(ground: Ground) -> list[Figure]:
    """Lives with one server and with two, and hand-overs within a server and across two."""
    with clustered(ground) as cluster:
        url = ("--database-url", cluster.url(cluster.create()))
        with serving(ground.data("servers"), *url) as one, serving(one.data, *url) as other:
            return [*_lives(ground, one, other), *_hops(ground, one, other)]


def _lives(ground: Ground, one: Server, other: Server) -> Iterator[Figure]:
    """By turns, so that both see the machine as it is at the time."""
    rounds, tasks = ground.pick(3, 1), 2 * SLICE
    pipelines = make_fan_outs(one.client(), "bench", tasks)
    single: list[Measured] = []
    double: list[Measured] = []
    activate(one.client(), pipelines)
    measure(one, one.job("lives", tasks))
    for _ in range(rounds):
        activate(one.client(), pipelines)
        single.append(measure(one, one.job("lives", SLICE)))
        double.append(measure(one, one.job("lives", SLICE, other_port=other.port)))
    yield Figure("h", "task lives, one server", per_second(single), "/s", note=_note(single))
    yield Figure("h", "task lives, two servers", per_second(double), "/s", note=_note(double))


def _note(measured: list[Measured]) -> str:
    share = median(each.server_cpu_share for each in measured)
    life_ms = median(each.told.percentiles_ms[50] for each in measured)
    return f"a life among 64 takes {life_ms:.0f} ms; the first server {share:.0%} of a core"


def _hops(ground: Ground, one: Server, other: Server) -> Iterator[Figure]:
    count, length = ground.pick(5, 1), ground.pick(100, 40)
    chains = make_chains(one, count, length)
    for name, other_port in (("within a server", 0), ("across two servers", other.port)):
        facts = {"worker_group": GROUP, "pause_ms": _PAUSE_MS, "other_port": other_port}
        activate(one.client(), chains)
        hops = measure(one, one.job("handover", length, chains=len(chains), **facts))
        times = hops.told.percentiles_ms
        target = HOP_MS if other_port else None
        yield Figure("h", f"hand-over {name}, p50", times[50], "ms", target, at_least=False)
        yield Figure("h", f"hand-over {name}, p99", times[99], "ms", at_least=False)
