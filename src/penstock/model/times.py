"""Instants and their spelling.

An instant is a whole number of milliseconds since the epoch, UTC: exact, ordered, one word in a
database row. Only the language's calendar arithmetic uses `datetime`, always naive and in UTC.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

Instant = int
"""Milliseconds since 1970-01-01T00:00:00 UTC."""

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_EPOCH = datetime(1970, 1, 1)


def to_datetime(instant: Instant) -> datetime:
    """The naive UTC datetime of an instant."""
    return _EPOCH + timedelta(milliseconds=instant)


def from_datetime(moment: datetime) -> Instant:
    """The instant of a datetime; a naive one is taken as UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(4096)
def format_instant(instant: Instant) -> str:
    """`YYYY-MM-DDTHH:MM:SS`, as the API spells dates inside object fields; fractions are cut.

    Remembered, because one task spells the same few times again and again.
    """
    return to_datetime(instant).replace(microsecond=0).isoformat()
