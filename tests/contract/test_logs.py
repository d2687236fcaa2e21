"""What every store must do for logs; written against `penstock.store.protocol` alone."""

from penstock.model.api import LogStream
from penstock.model.runtime import LogPiece
from penstock.store.protocol import Transaction
from tests.contract.rows import attempt, instance, pipeline


def piece(
    position: int = 0,
    size: int = 10,
    stream: LogStream = "stdout",
    instance: int = 1,
    attempt: int = 1,
    final: bool = False,
) -> LogPiece:
    content = b"\0z" + str(position).encode()
    return LogPiece(0, instance, attempt, stream, position, size, final, 5, 100, content)


def positions(unit: Transaction, number: int | None = None, stream: str | None = None) -> list[int]:
    return [row.position for row in unit.logs_after(1, number, stream, 0, 99)]


def test_pieces_come_back_as_they_were_put(unit: Transaction):
    put = piece(7, 3, "stderr", attempt=2, final=True)
    unit.append_log(1, put)
    (row,) = unit.logs_after(1, None, None, 0, 9)
    assert row.key > 0
    assert row == LogPiece(row.key, 1, 2, "stderr", 7, 3, True, 5, 100, put.content)
    assert unit.logs_after(1, None, None, row.key, 9) == []
    assert unit.logs_after(2, None, None, 0, 9) == []


def test_what_is_there_is_not_added_again(unit: Transaction):
    for position in (0, 10, 0, 5, 10, 20):
        unit.append_log(1, piece(position))
    unit.append_log(1, piece(0, stream="stderr"))
    unit.append_log(1, piece(0, attempt=2))
    assert positions(unit, 1, "stdout") == [0, 10, 20]
    assert positions(unit) == [0, 10, 20, 0, 0]


def test_one_attempt_one_stream_and_pages(unit: Transaction):
    for number in (1, 2):
        for stream in ("stdout", "stderr"):
            unit.append_log(1, piece(number, stream=stream, attempt=number))
    assert positions(unit, 2) == [2, 2]
    assert positions(unit, None, "stderr") == [1, 2]
    first, *rest = unit.logs_after(1, None, None, 0, 99)
    assert unit.logs_after(1, None, None, 0, 1) == [first]
    assert unit.logs_after(1, None, None, first.key, 99) == rest
    assert [row.stream for row in unit.last_logs(1, 2, 9)] == ["stderr", "stdout"]
    assert len(unit.last_logs(1, 2, 1)) == 1


def test_the_beginning_of_a_stream_is_trimmed(unit: Transaction):
    for position in (0, 10, 20):
        unit.append_log(1, piece(position))
    unit.append_log(1, piece(0, stream="stderr"))
    unit.trim_log(1, 1, 1, "stdout", 19)
    assert positions(unit) == [10, 20, 0]
    unit.append_log(1, piece(0))
    assert positions(unit, 1, "stdout") == [10, 20]


def test_the_end_is_marked(unit: Transaction):
    unit.append_log(1, piece())
    assert not unit.is_log_complete(1, 1)
    unit.append_log(1, piece(10, 0, final=True))
    assert unit.is_log_complete(1, 1)
    assert not unit.is_log_complete(1, 2)


def test_all_logs_together_are_counted_and_the_oldest_dropped(unit: Transaction):
    assert unit.stored_log_bytes() == 0
    for number in (1, 2, 3):
        unit.append_log(1, piece(instance=number))
    assert unit.stored_log_bytes() == 300
    oldest = unit.oldest_logs(2)
    assert [stored for _, stored in oldest] == [100, 100]
    unit.drop_logs(oldest[-1][0])
    assert [len(unit.logs_after(number, None, None, 0, 9)) for number in (1, 2, 3)] == [0, 0, 1]


def test_followers_count_for_a_while(unit: Transaction):
    assert unit.log_followed_until(1) is None
    for until in (5, 9):
        unit.follow_log(1, until)
    unit.follow_log(2, 3)
    assert unit.log_followed_until(1) == 9
    assert unit.followed_logs([1, 2, 3], 8) == {1}
    assert unit.followed_logs([1, 2, 3], 9) == set()


def test_logs_go_with_their_instances(unit: Transaction):
    key = unit.insert_pipeline(pipeline())
    for number in (1, 2, 3):
        unit.insert_instance(
            instance(number, number, "A", pipeline=key, status="FINISHED", ended_at=9)
        )
        unit.insert_attempt(attempt(number, pipeline=key))
        unit.append_log(key, piece(instance=number))
        unit.follow_log(number, 99)
    unit.prune(key, "A", unit.past(key, "A", 1, 1, 9))
    assert unit.followed_logs([1, 2, 3], 0) == {2, 3}
    assert unit.stored_log_bytes() == 200
    while unit.purge(key, 1):
        pass
    assert unit.followed_logs([1, 2, 3], 0) == set()
    assert unit.stored_log_bytes() == 0
