"""(c) the hand-over to a waiting poll, and (d) thousands of polls that only wait."""

from bench.figures import Figure
from bench.ground import Ground, Measured, measure
from bench.pipelines import activate, chain, create, make_objects
from bench.processes import Server, holding, memory, serving

GROUP = "handover"
P50_MS, P99_MS = 5.0, 25.0
KIB_A_POLL = 25.0
POLLS = 5_000
_PAUSE_MS = 120.0
"""Longer than the server takes to see a poll as one that waits."""


def make_chains(server: Server, count: int, hops: int) -> list[str]:
    """Pipelines of one chain each, each in a worker group of its own."""
    client = server.client()
    return [
        create(client, name, make_objects(name, chain(hops + 1)))
        for name in (f"{GROUP}-{number}" for number in range(count))
    ]


def measure_hops(server: Server, chains: list[str], hops: int) -> Measured:
    """Hand-overs along chains, one at a time."""
    activate(server.client(), chains)
    facts = {"worker_group": GROUP, "chains": len(chains), "pause_ms": _PAUSE_MS}
    return measure(server, server.job("handover", hops, **facts))


def measure_handover(ground: Ground) -> list[Figure]:
    """With nothing else going on."""
    with serving(ground.data("handover")) as server:
        count, length = ground.pick(5, 1), ground.pick(100, 40)
        chains = make_chains(server, count, length)
        measure_hops(server, chains[:1], length)
        hops = measure_hops(server, chains, length)
    return _figures("c", hops)


def _figures(part: str, hops: Measured) -> list[Figure]:
    times = hops.told.percentiles_ms
    return [
        Figure(part, "hand-over, p50", times[50], "ms", P50_MS, at_least=False),
        Figure(part, "hand-over, p99", times[99], "ms", P99_MS, at_least=False),
    ]


def measure_idle(ground: Ground) -> list[Figure]:
    """Memory of held polls, and the hand-over while they wait."""
    with serving(ground.data("idle")) as server:
        count, length = ground.pick(5, 1), ground.pick(100, 40)
        chains = make_chains(server, count, length)
        measure_hops(server, chains[:1], length)
        before = memory(server.process.pid)
        with holding(server.job("hold", POLLS)):
            after = memory(server.process.pid)
            hops = measure_hops(server, chains, length)
    kib = (after.rss_kib - before.rss_kib) / POLLS
    return [
        Figure("d", f"memory of each of {POLLS:,} polls", kib, "KiB", KIB_A_POLL, at_least=False),
        *_figures("d", hops),
    ]
