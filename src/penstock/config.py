"""Settings of a server: one struct, our wide defaults, and the profile `aws` with the published limits."""

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from penstock.model.times import DAY_MS, MINUTE_MS


class Limits(Struct, frozen=True):
    """What a definition and a request may hold; `None` means no limit."""

    objects_per_pipeline: int | None = 20_000
    bytes_per_field: int | None = 1_048_576
    bytes_per_object: int | None = 4_194_304
    fields_per_object: int | None = 10_000
    bytes_per_id: int | None = 256
    parameters: int | None = 1_000
    tags_per_pipeline: int | None = 50
    minimum_period_ms: int = MINUTE_MS
    minimum_retry_delay_ms: int = 0
    maximum_retries: int | None = None
    on_demand_runs: int | None = None


AWS_LIMITS = Limits(
    objects_per_pipeline=100,
    bytes_per_field=10_240,
    bytes_per_object=15_360,
    fields_per_object=50,
    bytes_per_id=256,
    parameters=50,
    tags_per_pipeline=10,
    minimum_period_ms=15 * MINUTE_MS,
    minimum_retry_delay_ms=2 * MINUTE_MS,
    maximum_retries=5,
    on_demand_runs=5,
)
"""The original service's published limits (developer guide, "AWS Data Pipeline Limits")."""


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
