"""What a provider of compute is asked for: a runner that serves worker groups, and its end."""

from pathlib import Path
from typing import Protocol

from msgspec import Struct


class RunnerOrder(Struct, frozen=True):
    """A runner that is wanted: what it serves, where, with which keys.

    `directory` is its own: keys, logs and working directories go there. `tasks` is the number of
    slots for each worker group.
    """

    worker_groups: tuple[str, ...]
    endpoint: str
    access_key_id: str
    secret_access_key: str
    directory: Path
    tasks: int = 2

    def __repr__(self) -> str:
        return f"RunnerOrder({self.worker_groups!r}, {self.endpoint!r}, …)"


class Compute(Protocol):
    """Something that was started and runs a runner."""

    def ended(self) -> str | None:
        """None while it runs; then a sentence that says how it ended and where to look."""

    def stop(self, grace_seconds: float) -> None:
        """End it: running tasks get the grace time. Returns when nothing of it is left."""


class Provider(Protocol):
    """Starts compute. What it starts ends with whoever started it, even if that is killed."""

    def start(self, order: RunnerOrder) -> Compute:
        """Start a runner; raises OSError if that cannot be done here."""
