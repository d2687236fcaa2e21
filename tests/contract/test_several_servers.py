"""What keeps servers on one PostgreSQL apart, and what wakes them: two stores, one database."""

import select
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from msgspec.structs import replace

from penstock.model.runtime import TaskKey, Timer
from penstock.store import listening
from penstock.store.postgres import PostgresStore
from penstock.store.postgres_transaction import PASSED_OVER_MS, UnlockedWrite
from penstock.store.protocol import StoreUnavailable, lock_of
from tests.contract.rows import ACCOUNT, GROUP, attempt, instance, pipeline
from tests.support.waiting import eventually


@pytest.fixture
def here(database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(database, 0)
    yield store
    store.close()


@pytest.fixture
def there(database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(database, 0)
    yield store
    store.close()


def offer(store: PostgresStore, key: int, ready_at: int, of: int = 1) -> None:
    """A task in the queue, of pipeline `of`."""
    unit = store.begin([of])
    unit.insert_instance(instance(key, key, pipeline=of, attempts=1))
    unit.insert_attempt(attempt(key, ready_at=ready_at, pipeline=of))
    unit.commit()


def test_a_pipeline_is_changed_by_one_at_a_time_by_key_and_by_id(here, there):
    unit = here.begin()
    key = unit.insert_pipeline(pipeline("one"))
    unit.commit()
    order = []

    def change() -> None:
        unit = there.begin([key])
        order.append(unit.pipeline(key).state)
        unit.commit()

    unit = here.begin(["df-one"])
    found = unit.pipeline(key)
    thread = threading.Thread(target=change)
    thread.start()
    eventually(lambda: _waits_for_a_lock(here), "the other waits")
    unit.update_pipeline(replace(found, state="SCHEDULED"))
    order.append("committing")
    unit.commit()
    thread.join()
    assert order == ["committing", "SCHEDULED"], "who had to wait sees what was done meanwhile"


def _waits_for_a_lock(store: PostgresStore) -> bool:
    with psycopg.connect(store._url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert row is not None
    return bool(row[0])


def test_locks_in_any_order_never_stand_in_each_others_way(here, there):
    """Both name the same locks, in opposite orders, again and again; the database finds no knot."""
    names = [lock_of("create", str(number)) for number in range(20)]
    failures = []

    def take(store: PostgresStore, locks: list[int]) -> None:
        try:
            for _ in range(50):
                store.begin(locks).commit()
        except StoreUnavailable as error:
            failures.append(error)

    threads = [
        threading.Thread(target=take, args=(here, [*names, 1, 2, 3])),
        threading.Thread(target=take, args=(there, [3, 2, 1, *reversed(names)])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_names_and_pipelines_never_share_a_lock():
    assert lock_of("create", "a") < 0
    assert lock_of("a", "b") != lock_of("ab", "") != lock_of("a")


def test_a_task_of_a_pipeline_in_other_hands_is_passed_over(here, there):
    offer(here, 1, ready_at=10, of=1)
    offer(here, 2, ready_at=20, of=2)
    busy = there.begin([1])
    unit = here.begin()
    assert not unit.passed_over()
    assert [task.instance.key for task in unit.offered(ACCOUNT, GROUP, 1)] == [2]
    assert not unit.passed_over(), "there was a task all the same"
    assert [task.instance.key for task in unit.offered(ACCOUNT, GROUP, 9)] == [2]
    assert unit.passed_over()
    unit.rollback()
    busy.rollback()
    unit = here.begin()
    assert [task.instance.key for task in unit.offered(ACCOUNT, GROUP, 9)] == [1, 2]
    unit.rollback()


def test_a_claimed_task_is_kept_from_others(here, there):
    offer(here, 1, ready_at=10)
    unit = here.begin()
    (task,) = unit.offered(ACCOUNT, GROUP, 1)
    other = there.begin()
    assert other.offered(ACCOUNT, GROUP, 1) == []
    assert other.passed_over()
    unit.update_attempt(replace(task.attempt, offered=False, status="RUNNING"))
    unit.commit()
    assert other.offered(ACCOUNT, GROUP, 1) == [], "once passed over, passed over to the end"
    other.rollback()
    other = there.begin()
    assert other.offered(ACCOUNT, GROUP, 1) == []
    assert not other.passed_over()
    other.rollback()


def test_what_is_read_ahead_is_as_it_is_under_the_lock(here, there):
    """Who waits for a pipeline's lock reads what the other has committed, not what was before."""
    offer(here, 1, ready_at=10)
    found = []
    busy = there.begin([1])

    def look() -> None:
        unit = here.begin([TaskKey(ACCOUNT, 1, 1, 1, 0)])
        found.append(unit.task(1, 1))
        unit.commit()

    thread = threading.Thread(target=look)
    thread.start()
    eventually(lambda: _waits_for_a_lock(here), "the other waits")
    busy.update_instance(instance(1, 1, attempts=1, status="PAUSED"))
    busy.commit()
    thread.join()
    assert found[0].instance.status == "PAUSED"


def test_a_lock_taken_within_what_is_undone_is_given_back(here, there):
    offer(here, 1, ready_at=10)
    unit = here.begin()

    def claim_and_fail() -> None:
        with unit.savepoint():
            (task,) = unit.offered(ACCOUNT, GROUP, 1)
            unit.update_attempt(replace(task.attempt, offered=False, status="RUNNING"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        claim_and_fail()
    assert unit.attempts_of(1)[0].offered
    other = there.begin()
    (task,) = other.offered(ACCOUNT, GROUP, 1)
    other.update_attempt(replace(task.attempt, offered=False, status="RUNNING"))
    other.commit()
    assert unit.offered(ACCOUNT, GROUP, 1) == [], "it must ask again, and so sees what was done"
    unit.rollback()


def test_timers_of_a_pipeline_in_other_hands_are_passed_over(here, there):
    offer(here, 1, ready_at=10, of=1)
    unit = here.begin([1, 2])
    for timer in (Timer("owner", 1, 10), Timer("tick", 2, 20), Timer("retry", 99, 30)):
        unit.set_timer(timer)
    unit.commit()
    busy = there.begin([1])
    unit = here.begin()
    found = unit.due_timers(1_000, 9)
    assert [(timer.kind, timer.subject) for timer in found] == [("tick", 2), ("retry", 99)]
    due = unit.next_due()
    assert due is not None
    assert due >= PASSED_OVER_MS, "not at once: who has them is about to clear them"
    busy.rollback()
    unit.rollback()
    unit = here.begin()
    assert len(unit.due_timers(1_000, 9)) == 3
    assert unit.next_due() == 10
    unit.rollback()


def test_a_change_without_its_lock_is_a_defect(here):
    unit = here.begin([1])
    unit.insert_instance(instance(1))
    with pytest.raises(UnlockedWrite, match="pipeline 2"):
        unit.insert_instance(instance(2, pipeline=2))
    unit.rollback()


def test_a_server_that_dies_leaves_no_lock(here, there, cluster):
    unit = here.begin([1])
    with cluster.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(%s, 5000)",
            [here._writer.connection.info.backend_pid],
        )
    there.begin([1]).commit()
    unit.insert_instance(instance(1))
    with pytest.raises(StoreUnavailable):
        unit.commit()
    unit.rollback()
    here.begin([1]).commit()


def test_the_databases_clock_is_told(database):
    told: list[int] = []
    store = PostgresStore(database, 0, told.append)
    before = time.time() * 1000
    store.begin().commit()
    after = time.time() * 1000
    store.close()
    assert before - 1 <= told[0] <= after + 1


def heard(ear: listening.PostgresEar) -> list[tuple[str, str]]:
    found = ear.hear()
    while not found:
        assert select.select([ear], [], [], 30)[0], "nothing is heard"
        found = ear.hear()
    return found


def test_an_announcement_is_heard_once_it_is_durable(here, there):
    ear = there.listen()
    assert ear.hear() == []
    unit = here.begin()
    unit.announce(ACCOUNT, "a group with blanks")
    unit.announce("", "system")
    unit.flush()
    assert ear.hear() == []
    unit.commit()
    assert sorted(heard(ear)) == [("", "system"), (ACCOUNT, "a group with blanks")]
    unit = here.begin()
    unit.announce(ACCOUNT, "never")
    unit.rollback()
    assert ear.hear() == []
    ear.close()


def test_an_ear_whose_connection_is_cut_says_so(here, cluster):
    ear = here.listen()
    with cluster.connect() as connection:
        pid = ear._connection.info.backend_pid
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(StoreUnavailable):
        heard(ear)
    ear.close()


def test_several_servers_may_start_at_once(cluster):
    name = cluster.create()
    failures: list[BaseException] = []

    def start() -> None:
        try:
            PostgresStore(cluster.url(name), 0).close()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cluster.drop(name)
    assert failures == []
