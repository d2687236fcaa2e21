"""What the load generator can be told to do, and what it tells."""

from msgspec import Struct


class Job(Struct, frozen=True):
    """One job; `kind` is a name of `bench.load.JOBS`.

    `count` is the number of requests, lives, polls, or hand-overs in each chain, as the kind has
    it; chain n is found in worker group `<worker_group>-<n>`.
    """

    kind: str
    host: str
    port: int
    access_key_id: str
    secret_access_key: str
    count: int
    connections: int = 64
    worker_group: str = "bench"
    chains: int = 1
    body_bytes: int = 200
    pause_ms: float = 0
    other_port: int = 0
    """Of a second server, if there is one: every other connection goes there."""


class Told(Struct, frozen=True):
    """What came of a job: wall and processor seconds of the generator, latencies by percentile.

    `percentiles_ms` holds 101 values, from the shortest latency to the longest.
    """

    seconds: float
    cpu_seconds: float
    count: int
    percentiles_ms: list[float]

    @property
    def per_second(self) -> float:
        """Requests, lives or hand-overs a second."""
        return self.count / self.seconds

    @property
    def cpu_share(self) -> float:
        """The part of one core that the generator itself used."""
        return self.cpu_seconds / self.seconds


def percentiles(values: list[float]) -> list[float]:
    """The 101 percentiles of values (nearest rank), rounded to thousandths; none of none."""
    if not values:
        return []
    ordered = sorted(values)
    last = len(ordered) - 1
    return [round(ordered[round(last * percent / 100)], 3) for percent in range(101)]
