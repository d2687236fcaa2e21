"""Tables within their throughput: virtual time, and a client that says what a busy table says."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from penstock.runner.connectors import dynamodb
from penstock.runner.connectors.dynamodb import DynamoTable, Throughput
from penstock.runner.errors import TaskFailed


class Time:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waited: list[float] = []

    def pause(self, seconds: float) -> None:
        self.now += seconds
        if seconds:
            self.waited.append(seconds)

    def monotonic(self) -> float:
        return self.now


class Answers:
    """A client that gives prepared answers; an exception is raised."""

    def __init__(self, *answers: Any, units: int = 100, billing: str = "PROVISIONED") -> None:
        self.requests: list[dict[str, Any]] = []
        self.meta = self
        self.region_name = "us-east-1"
        provided = {"ReadCapacityUnits": units, "WriteCapacityUnits": units}
        table = {
            "TableArn": "arn",
            "TableId": "one",
            "KeySchema": [{"AttributeName": "id"}],
            "ProvisionedThroughput": provided,
            "BillingModeSummary": {"BillingMode": billing},
            "TableSizeBytes": 1_000_000,
            "ItemCount": 1_000,
        }
        self._answers: list[Any] = [{"Table": table}, *answers]

    def client(self, _service: str, _region: str | None) -> Answers:
        return self

    def _answer(self, **request: Any) -> Any:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    describe_table = scan = batch_write_item = _answer


def open_table(time: Time, answers: Answers) -> DynamoTable:
    return DynamoTable(answers, "T", None, time.pause)  # type: ignore[arg-type]


def busy(code: str = "ProvisionedThroughputExceededException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "too fast"}}, "Scan")


def page(units: float, last: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = {"Items": [{}], "ConsumedCapacity": {"CapacityUnits": units}}
    return answer if last else answer | {"LastEvaluatedKey": {"id": {"S": "x"}}}


def test_a_rate_is_kept_whatever_single_requests_cost() -> None:
    time = Time()
    rate = Throughput(10, time.pause, time.monotonic)
    begun = time.now
    for units in (1, 50, 0.5, 128, 20.5):
        rate.spend(units)
    # 200 units at 10 a second, but for the one second's worth in store.
    assert time.now - begun == pytest.approx(19)


def test_idle_time_is_no_credit() -> None:
    time = Time()
    rate = Throughput(10, time.pause, time.monotonic)
    time.now += 3_600
    begun = time.now
    rate.spend(110)
    assert time.now - begun == pytest.approx(10)


@pytest.mark.parametrize(
    ("units", "billing", "percent", "rate"),
    [
        (100, "PROVISIONED", 0.25, 25),
        (1, "PROVISIONED", 0.1, 1),
        (0, "PAY_PER_REQUEST", 0.5, 20_000),
    ],
)
def test_the_rate_is_a_share_of_what_is_provided(
    units: int, billing: str, percent: float, rate: float
) -> None:
    table = open_table(Time(), Answers(units=units, billing=billing))
    assert table.throughput("read", percent).units == rate
    assert table.throughput("write", percent).units == rate


def test_pages_of_a_small_table_are_small() -> None:
    time = Time()
    answers = Answers(page(2), page(2, last=True))
    table = open_table(time, answers)
    rate = Throughput(10, time.pause, time.monotonic)
    assert len(list(table.scan(1, 2, None, rate, 2))) == 2
    # Two seconds at 10 units a second, shared by two; a unit reads 8 KiB, an item has 1,000 bytes.
    assert [request["Limit"] for request in answers.requests[1:]] == [81, 81]
    assert answers.requests[2]["ExclusiveStartKey"] == {"id": {"S": "x"}}


def test_a_throttled_read_is_repeated_with_growing_pauses() -> None:
    time = Time()
    table = open_table(time, Answers(*[busy()] * 6, page(1, last=True)))
    rate = Throughput(10, time.pause, time.monotonic)
    assert len(list(table.scan(0, 1, None, rate, 1))) == 1
    assert len(time.waited) == 6
    assert time.waited[5] > 3 > time.waited[1]


def test_what_stays_throttled_fails_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    monkeypatch.setattr(dynamodb.time, "monotonic", time.monotonic)
    table = open_table(time, Answers(*[busy()] * 200))
    rate = Throughput(10, time.pause, time.monotonic)
    with pytest.raises(TaskFailed, match="throttled for 15 minutes: Provisioned") as failed:
        list(table.scan(0, 1, None, rate, 1))
    assert failed.value.error_id == "DynamoDBFailed"


def test_what_no_patience_mends_fails_at_once() -> None:
    time = Time()
    table = open_table(time, Answers(busy("AccessDeniedException")))
    with pytest.raises(TaskFailed) as failed:
        list(table.scan(0, 1, None, Throughput(10, time.pause), 1))
    assert str(failed.value) == "DynamoDB table 'T' in us-east-1: AccessDeniedException: too fast"
    assert time.waited == []


def test_items_left_unprocessed_are_put_again_and_no_others() -> None:
    time = Time()
    items = [{"id": {"S": text}} for text in "abca"]
    puts = [{"PutRequest": {"Item": item}} for item in items]
    consumed = {"ConsumedCapacity": [{"CapacityUnits": 1}]}
    answers = Answers({"UnprocessedItems": {"T": puts[1:2]}} | consumed, consumed)
    open_table(time, answers).put(items, Throughput(1_000, time.pause, time.monotonic))
    sent = [request["RequestItems"]["T"] for request in answers.requests[1:]]
    assert sorted(put["PutRequest"]["Item"]["id"]["S"] for put in sent[0]) == ["a", "b", "c"]
    assert sent[1] == puts[1:2]
