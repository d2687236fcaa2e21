"""Limits on definitions and requests: our wide defaults, and the original's published figures."""

from msgspec import Struct

from penstock.model.times import MINUTE_MS


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
