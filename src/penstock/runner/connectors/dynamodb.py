"""DynamoDB tables, read in segments and written in batches within a share of their throughput.

Items have botocore's typed shape (`records/dynamodb_export.py`). Rates are capacity units a second.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from penstock.runner.aws import Aws
from penstock.runner.errors import TaskFailed
from penstock.runner.records.dynamodb_export import Item

DYNAMODB_FAILED = "DynamoDBFailed"
"""errorId when DynamoDB refuses a request, or the table is not there."""

ON_DEMAND_UNITS = 40_000.0
"""What an on-demand table is taken to have: its quota unless raised. EMR's connector does so."""

DEFAULT_PERCENT = 0.5
"""Share of the throughput when the data node names none, as EMR's connector has it."""

BATCH_ITEMS = 25
"""The most items that BatchWriteItem takes."""

SEGMENT_BYTES = 256 * 1024 * 1024
"""Table bytes to a segment, about; a retry goes on within a segment anyhow."""

MOST_SEGMENTS = 1_000
WORKERS = 8
"""Segments read, or files written, at once."""

_PAGE_SECONDS = 2.0
_BURST_SECONDS = 1.0
_READ_UNIT_BYTES = 8_192
_ITEM_BYTES = 400.0
_PATIENCE_SECONDS = 900.0
_LONGEST_PAUSE_SECONDS = 30.0
_PATIENT_CODES = frozenset(
    "ProvisionedThroughputExceededException ThrottlingException RequestLimitExceeded"
    " InternalServerError ServiceUnavailable LimitExceededException".split()
)

Pause = Callable[[float], None]
"""Waits so many seconds; raises if the work shall stop."""


class Facts(Struct, frozen=True):
    """What a table says of itself. `identity` changes when it is deleted and made anew."""

    name: str
    identity: str
    key: tuple[str, ...]
    size_bytes: int
    items: int
    read_units: float
    write_units: float

    @property
    def segments(self) -> int:
        """Segments to read it in, by its size."""
        return max(WORKERS // 2, min(MOST_SEGMENTS, math.ceil(self.size_bytes / SEGMENT_BYTES)))

    @property
    def item_bytes(self) -> float:
        """Size of an item, on the average."""
        # DynamoDB counts every six hours; until then a new table is thought to have small items.
        known = self.size_bytes and self.items
        return self.size_bytes / self.items if known else _ITEM_BYTES


class Throughput:
    """A token bucket that several threads draw from: `units` a second, one second's in store.

    What a request costs is known only afterwards, so a request that overdraws is followed by a
    pause long enough to make up for it.
    """

    def __init__(
        self, units: float, pause: Pause, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.units = units
        self._pause = pause
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._paid_until = monotonic() - _BURST_SECONDS

    def spend(self, units: float) -> None:
        """Account for a request's units, then wait until the next one may be made."""
        with self._lock:
            now = self._monotonic()
            earliest = max(self._paid_until, now - _BURST_SECONDS)
            self._paid_until = earliest + units / self.units
            ahead = self._paid_until - now
        self._pause(max(0.0, ahead))


class Page(Struct, frozen=True):
    """Items of a scan, and the key that the next page begins after; None at the end."""

    items: list[Item]
    after: Item | None


class DynamoTable:
    """One table, through one client. Safe to use from several threads.

    Requests that are throttled are made again with growing pauses, for a quarter of an hour;
    all else that DynamoDB refuses is a `TaskFailed`.
    """

    def __init__(self, aws: Aws, name: str, region: str | None, pause: Pause) -> None:
        place = (region or "").strip().lower().replace("_", "-") or None
        self._client = aws.client("dynamodb", place)
        self.name = name
        self.region: str = self._client.meta.region_name
        self._pause = pause
        self.facts = self._describe()

    def throughput(self, kind: str, percent: float) -> Throughput:
        """The rate at a share (0.1 to 1) of what is provided to `read` or `write`."""
        units = self.facts.read_units if kind == "read" else self.facts.write_units
        return Throughput(max(1.0, units * percent), self._pause)

    def scan(
        self, segment: int, segments: int, after: Item | None, rate: Throughput, sharers: int
    ) -> Iterator[Page]:
        """The pages of a segment that follow a key; `sharers` segments are read at this rate.

        A page is kept so small that reading it takes about two seconds at that rate: a whole
        megabyte at once would throttle whoever else uses a small table.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "Segment": segment,
            "TotalSegments": segments,
            "ReturnConsumedCapacity": "TOTAL",
        }
        affordable = rate.units * _PAGE_SECONDS / sharers * _READ_UNIT_BYTES
        if affordable < 1024 * 1024:
            request["Limit"] = max(1, int(affordable / self.facts.item_bytes))
        while True:
            if after:
                request["ExclusiveStartKey"] = after
            answer = self._insist("scan", request)
            after = answer.get("LastEvaluatedKey") or None
            yield Page(answer["Items"], after)
            if after is None:
                return
            rate.spend(_consumed(answer, len(answer["Items"])))

    def put(self, items: Sequence[Item], rate: Throughput) -> None:
        """Put up to 25 items; one with the key of another takes the other's place.

        Of several with the same key the last counts: DynamoDB takes a key once in a batch.
        """
        unlike = {self._key_of(item): item for item in items}
        requests = [{"PutRequest": {"Item": item}} for item in unlike.values()]
        tries = 0
        started = time.monotonic()
        while requests:
            answer = self._insist(
                "batch_write_item",
                {"RequestItems": {self.name: requests}, "ReturnConsumedCapacity": "TOTAL"},
            )
            rest = answer.get("UnprocessedItems", {}).get(self.name, [])
            rate.spend(_consumed(answer, len(requests) - len(rest)))
            tries = 0 if len(rest) < len(requests) else tries + 1
            if rest:
                self._back_off(tries, started, "its items are left unprocessed")
            requests = rest

    def _key_of(self, item: Item) -> str:
        missing = [name for name in self.facts.key if name not in item]
        if missing:
            raise ValueError(f"the item has no {missing[0]!r}, which is a key of {self.name}")
        return repr([item[name] for name in self.facts.key])

    def _describe(self) -> Facts:
        table = self._insist("describe_table", {"TableName": self.name})["Table"]
        billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        provided = table.get("ProvisionedThroughput", {})
        units = [provided.get(f"{kind}CapacityUnits", 0) for kind in ("Read", "Write")]
        if billing == "PAY_PER_REQUEST" or not all(units):
            units = [ON_DEMAND_UNITS, ON_DEMAND_UNITS]
        return Facts(
            name=self.name,
            identity=f"{table.get('TableArn')} {table.get('TableId') or table['CreationDateTime']}",
            key=tuple(part["AttributeName"] for part in table["KeySchema"]),
            size_bytes=table.get("TableSizeBytes", 0),
            items=table.get("ItemCount", 0),
            read_units=float(units[0]),
            write_units=float(units[1]),
        )

    def _insist(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Call until answered; raises `TaskFailed` for what no repetition would mend."""
        from botocore.exceptions import (  # type: ignore[import-untyped]
            BotoCoreError,
            ClientError,
        )

        started = time.monotonic()
        tries = 0
        while True:
            self._pause(0)
            try:
                answer: dict[str, Any] = getattr(self._client, operation)(**request)
                return answer
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                text = error.response.get("Error", {}).get("Message", "")
                if code not in _PATIENT_CODES:
                    raise self._failure(f"{code}: {text}") from error
                tries += 1
                self._back_off(tries, started, f"{code}: {text}")
            except BotoCoreError as error:
                raise self._failure(str(error)) from error

    def _back_off(self, tries: int, started: float, reason: str) -> None:
        if time.monotonic() - started > _PATIENCE_SECONDS:
            raise self._failure(f"throttled for {_PATIENCE_SECONDS / 60:.0f} minutes: {reason}")
        longest = min(_LONGEST_PAUSE_SECONDS, 0.1 * 2 ** min(tries, 12))
        self._pause(random.uniform(longest / 2, longest))  # noqa: S311 - no secret

    def _failure(self, what: str) -> TaskFailed:
        region = getattr(self, "region", "")
        return TaskFailed(DYNAMODB_FAILED, f"DynamoDB table {self.name!r} in {region}: {what}")


def _consumed(answer: dict[str, Any], items: int) -> float:
    """Capacity units of an answer; stand-ins do not tell, and then an item counts as one."""
    told = answer.get("ConsumedCapacity")
    parts = told if isinstance(told, list) else [told] if told else []
    return sum(part.get("CapacityUnits", 0.0) for part in parts) or float(items)
