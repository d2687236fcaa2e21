"""Settings of a server: one struct, our wide defaults, and the profile `aws`."""

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from penstock.model.limits import AWS_LIMITS, Limits
from penstock.model.times import DAY_MS, MINUTE_MS


class Settings(Struct, frozen=True):
    """All a server can be told; times in milliseconds, sizes in bytes."""

    data_dir: Path = Path(".penstock")
    host: str = "127.0.0.1"
    port: int = 8780
    poll_wait_ms: int = 90_000
    acknowledge_timeout_ms: int = 2 * MINUTE_MS
    report_timeout_ms: int = 15 * MINUTE_MS
    allow_backfill: bool = False
    backfill_grace_ms: int = DAY_MS
    max_body_bytes: int = 25 * 1024 * 1024
    limits: Limits = Limits()
    revive_finished: bool = True


def with_profile(settings: Settings, profile: str) -> Settings:
    """Settings under a named profile: `aws` (the published limits) or `default`."""
    if profile == "aws":
        return replace(settings, limits=AWS_LIMITS, revive_finished=False)
    if profile == "default":
        return settings
    raise ValueError(f"unknown profile {profile!r}; known are 'default' and 'aws'")
