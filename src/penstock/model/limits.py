"""Limits on definitions and requests: our wide defaults, and the original's published figures."""

from msgspec import Struct

from penstock.model.times import MINUTE_MS


class Limits(Struct, frozen=True):
    """What a definition and a request may hold; `None` means no limit.

    A *roll-up* is one interval of an object's dependency that lies in its own: an object with a
    period of a day that waits for an hourly one rolls up 24.
    """

    objects_per_pipeline: int | None = 20_000
    bytes_per_field: int | None = 1_048_576
    bytes_per_object: int | None = 4_194_304
    fields_per_object: int | None = 10_000
    bytes_per_id: int | None = 256
    parameters: int | None = 1_000
    bytes_of_values: int | None = 1_048_576
    tags_per_pipeline: int | None = 50
    minimum_period_ms: int = MINUTE_MS
    minimum_retry_delay_ms: int = 0
    maximum_retries: int | None = None
    active_instances: int | None = None
    rollups: int | None = None
    on_demand_runs: int | None = None


AWS_LIMITS = Limits(
    objects_per_pipeline=100,
    bytes_per_field=10_240,
    bytes_per_object=15_360,
    fields_per_object=50,
    bytes_per_id=256,
    parameters=50,
    bytes_of_values=15 * 1024,
    tags_per_pipeline=10,
    minimum_period_ms=15 * MINUTE_MS,
    minimum_retry_delay_ms=2 * MINUTE_MS,
    maximum_retries=5,
    active_instances=5,
    rollups=32,
    on_demand_runs=5,
)
"""The original service's published limits (developer guide, "AWS Data Pipeline Limits")."""
