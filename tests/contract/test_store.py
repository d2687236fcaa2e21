"""What every store must do; written against `penstock.store.protocol` alone."""

import threading

import pytest
from msgspec.structs import replace

from penstock.model.runtime import ComponentRow, HistoryEvent, Timer, Wait
from penstock.store.protocol import RangeState, Store, Transaction
from tests.contract.rows import (
    ACCOUNT,
    FULL_ATTEMPT,
    FULL_COMPONENT,
    FULL_INSTANCE,
    FULL_PIPELINE,
    FULL_WAIT,
    GROUP,
    attempt,
    instance,
    pipeline,
)


class Planted(Exception):
    pass


def test_a_pipeline_comes_back_as_it_went_in(unit: Transaction):
    key = unit.insert_pipeline(pipeline())
    full = replace(FULL_PIPELINE, key=key, description="", created_at=1)
    assert unit.pipeline(key) == replace(pipeline(), key=key)
    unit.update_pipeline(full)
    assert unit.pipeline(key) == full
    assert unit.pipeline_by_id(ACCOUNT, "df-one") == full
    assert unit.pipeline_by_id("000000000002", "df-one") is None


def test_an_instance_comes_back_as_it_went_in(unit: Transaction):
    key = unit.reserve_instance_key()
    full = replace(FULL_INSTANCE, key=key)
    unit.insert_instance(full)
    unit.insert_attempt(replace(FULL_ATTEMPT, instance=key))
    found = unit.task(key)
    assert found is not None
    assert found.instance == full
    assert found.attempt == replace(FULL_ATTEMPT, instance=key)
    assert unit.task(key, 4) == found
    assert unit.task(key, 3) is None
    assert unit.task(key + 1) is None
    assert unit.task_by_name(1, "A", 0) == found
    assert unit.task_by_name(1, "A", 1) is None


@pytest.mark.parametrize("first_read", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "WAITING_FOR_RUNNER", "tries": 1, "attempts": 1},
        {"status": "FINISHED", "ended_at": 9, "unmet": 0},
        {"status": "CANCELED", "ended_at": 9, "cancel_reason": "because", "revive": True},
        {"retry_at": 5, "error_id": "E", "error_message": "M", "error_stack_trace": "T"},
        {"rerun": True, "tries": 0},
        {"status": "CASCADE_FAILED", "ended_at": 1, "cascade_on": "@B"},
    ],
)
def test_an_instance_is_written_whole_whatever_changes(open_store, changes, first_read):
    """Stores may write only what differs; what they write must be all of it."""
    store = open_store()
    before = instance(1)
    unit = store.begin()
    assert unit.reserve_instance_key() == 1
    unit.insert_instance(before)
    unit.commit()
    unit = store.begin()
    if first_read:
        unit.task(1)
    after = replace(before, **changes)
    unit.update_instance(after)
    found = unit.task(1)
    assert found is not None
    assert found.instance == after
    unit.update_instance(replace(before, due_at=before.due_at))
    unit.update_instance(after)
    unit.commit()
    with open_store().reader() as reader:
        stored = reader.task(1)
    assert stored is not None
    assert stored.instance == after


@pytest.mark.parametrize("first_read", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "RUNNING", "offered": False, "handed_at": 3, "hostname": "h"},
        {"status": "FINISHED", "offered": False, "acknowledged": True, "ended_at": 9},
        {"generation": 3, "status": "WAITING_FOR_RUNNER", "offered": True},
        {"cancel_reason": "because"},
        {"status": "FAILED", "offered": False, "error_id": "E", "error_message": "M"},
        {"fields": '{"a": "b"}', "reported_at": 3, "acknowledged": True},
    ],
)
def test_an_attempt_is_written_whole_whatever_changes(open_store, changes, first_read):
    store = open_store()
    unit = store.begin()
    unit.reserve_instance_key()
    unit.insert_instance(instance(1, attempts=1))
    unit.insert_attempt(attempt(1))
    unit.commit()
    unit = store.begin()
    if first_read:
        unit.offered(ACCOUNT, GROUP, 1)
    after = replace(attempt(1), **changes)
    unit.update_attempt(after)
    found = unit.task(1)
    assert found is not None
    assert found.attempt == after
    unit.commit()
    with open_store().reader() as reader:
        assert reader.attempts_of(1) == [after]


def test_a_report_changes_what_a_report_may(unit: Transaction):
    unit.insert_instance(instance(1, attempts=1))
    unit.insert_attempt(attempt(1, handed_at=1))
    reported = attempt(1, handed_at=1, acknowledged=True, reported_at=7, fields="{}")
    unit.touch_attempt(reported)
    assert unit.attempts_of(1) == [reported]


def test_components_come_back_as_they_went_in_and_active_is_counted(unit: Transaction):
    unit.put_component(FULL_COMPONENT)
    assert unit.component(1, "A") == FULL_COMPONENT
    for key, changes in enumerate(
        (
            {},
            {"rerun": True},
            {"status": "FINISHED", "ended_at": 1},
            {"status": "RUNNING"},
            {"component": "B"},
            {"pipeline": 2},
        ),
        start=1,
    ):
        unit.insert_instance(replace(instance(key, key * 10), **changes))
    assert unit.component_with_active(1, "A") == replace(FULL_COMPONENT, active=2)
    assert unit.components_with_active(1) == [replace(FULL_COMPONENT, active=2)]
    assert unit.component(1, "A") == FULL_COMPONENT
    assert unit.component(1, "Z") is None
    healthy = replace(FULL_COMPONENT, health="HEALTHY", health_start=8, health_at=9)
    unit.put_component(healthy)
    assert unit.components(1) == [healthy]
    moved = replace(healthy, next_start=99, open=False, paused=False, health=None)
    unit.put_component(moved)
    assert unit.components(1) == [moved]
    assert not unit.has_open_component(1)


def test_definitions_are_kept_by_version(unit: Transaction):
    unit.put_definition(1, 0, b"draft")
    unit.put_definition(1, 0, b"later draft")
    unit.put_definition(1, 1, b"\x00active")
    assert unit.definition(1, 0) == b"later draft"
    assert unit.definition(1, 1) == b"\x00active"
    assert unit.definition(1, 2) is None


def test_unique_ids_belong_to_living_pipelines(unit: Transaction):
    key = unit.insert_pipeline(pipeline())
    found = unit.pipeline_by_unique_id(ACCOUNT, "one", "one-token")
    assert found is not None
    assert found.key == key
    assert unit.pipeline_by_unique_id("000000000002", "one", "one-token") is None
    unit.update_pipeline(replace(found, state="DELETED", deleted_at=3))
    assert unit.pipeline_by_unique_id(ACCOUNT, "one", "one-token") is None
    assert unit.insert_pipeline(pipeline(id="df-two")) > key


def test_pipelines_are_paged_in_creation_order(unit: Transaction):
    keys = [unit.insert_pipeline(pipeline(f"p{k}")) for k in range(5)]
    unit.insert_pipeline(pipeline("other", account_id="000000000002"))
    gone = unit.pipeline(keys[2])
    assert gone is not None
    unit.update_pipeline(replace(gone, state="DELETED", deleted_at=1))
    living = [keys[k] for k in (0, 1, 3, 4)]
    assert [p.key for p in unit.pipelines_after(ACCOUNT, 0, 3)] == living[:3]
    assert [p.key for p in unit.pipelines_after(ACCOUNT, living[2], 3)] == living[3:]
    assert [p.key for p in unit.pipelines_before(ACCOUNT, 2**62, 3)] == living[:0:-1]
    assert [p.key for p in unit.pipelines_before(ACCOUNT, living[1], 3)] == living[:1]


def test_commits_are_seen_by_others_and_rollbacks_by_nobody(open_store):
    store, other = open_store(), open_store()
    unit = store.begin()
    key = unit.insert_pipeline(pipeline())
    with other.reader() as reader:
        assert reader.pipeline(key) is None
    unit.commit()
    with other.reader() as reader:
        assert reader.pipeline(key) is not None
    unit = store.begin()
    unit.insert_pipeline(pipeline("two"))
    unit.rollback()
    with store.reader() as reader:
        assert len(reader.pipelines_after(ACCOUNT, 0, 9)) == 1


def test_a_commit_outlives_the_store(open_store):
    store = open_store()
    unit = store.begin()
    key = unit.insert_pipeline(pipeline())
    unit.commit()
    store.close()
    with open_store().reader() as reader:
        assert reader.pipeline(key) is not None


def test_a_commit_may_come_from_another_thread(store: Store):
    unit = store.begin()
    key = unit.insert_pipeline(pipeline())
    thread = threading.Thread(target=unit.commit)
    thread.start()
    thread.join()
    with store.reader() as reader:
        assert reader.pipeline(key) is not None
    store.begin().rollback()


def test_a_savepoint_is_undone_alone(store: Store):
    unit = store.begin()
    first = unit.insert_pipeline(pipeline())
    unit.insert_instance(instance(1, attempts=1))
    unit.insert_attempt(attempt(1))
    unit.put_component(FULL_COMPONENT)
    before = (unit.task(1), unit.component(1, "A"))

    def change_and_fail() -> None:
        with unit.savepoint():
            unit.insert_pipeline(pipeline("two"))
            unit.update_instance(instance(1, attempts=1, status="PAUSED"))
            unit.update_attempt(attempt(1, offered=False))
            unit.put_component(replace(FULL_COMPONENT, paused=False))
            raise Planted

    with pytest.raises(Planted):
        change_and_fail()
    assert (unit.task(1), unit.component(1, "A")) == before
    with unit.savepoint():
        third = unit.insert_pipeline(pipeline("three"))
    unit.commit()
    with store.reader() as reader:
        assert [p.key for p in reader.pipelines_after(ACCOUNT, 0, 9)] == [first, third]
        assert reader.task(1) == before[0]


def test_savepoints_nest(unit: Transaction):

    def change_and_fail() -> None:
        with unit.savepoint():
            unit.put_definition(1, 2, b"inner")
            raise Planted

    with unit.savepoint():
        unit.put_definition(1, 1, b"outer")
        with pytest.raises(Planted):
            change_and_fail()
    assert unit.definition(1, 1) == b"outer"
    assert unit.definition(1, 2) is None


def test_rows_read_before_a_rollback_are_not_remembered(store: Store):
    unit = store.begin()
    unit.insert_instance(instance(1))
    unit.put_component(FULL_COMPONENT)
    unit.commit()
    unit = store.begin()
    unit.task(1)
    unit.update_instance(instance(1, status="PAUSED"))
    unit.put_component(replace(FULL_COMPONENT, paused=False))
    unit.rollback()
    unit = store.begin()
    found = unit.task(1)
    assert found is not None
    assert found.instance == instance(1)
    assert unit.component(1, "A") == FULL_COMPONENT
    unit.rollback()


def test_what_another_server_wrote_is_seen(open_store):
    here, there = open_store(), open_store()
    unit = here.begin()
    unit.insert_instance(instance(1, attempts=1))
    unit.insert_attempt(attempt(1))
    unit.put_component(FULL_COMPONENT)
    unit.commit()
    unit = here.begin()
    unit.task(1)
    unit.component(1, "A")
    unit.commit()
    unit = there.begin()
    unit.update_instance(instance(1, attempts=1, status="PAUSED"))
    unit.update_attempt(attempt(1, offered=False))
    unit.put_component(replace(FULL_COMPONENT, paused=False))
    unit.commit()
    unit = here.begin()
    found = unit.task(1)
    assert found is not None
    assert found.attempt is not None
    assert (found.instance.status, found.attempt.offered) == ("PAUSED", False)
    assert unit.component(1, "A") == replace(FULL_COMPONENT, paused=False)
    unit.rollback()


def test_changes_grow_with_what_is_written_and_with_nothing_else(unit: Transaction):
    before = unit.changes()
    unit.task(1)
    unit.offered(ACCOUNT, GROUP, 1)
    unit.next_due()
    assert unit.changes() == before
    unit.put_definition(1, 1, b"")
    assert unit.changes() > before


def test_a_reader_sees_one_commit_throughout(store: Store):
    unit = store.begin()
    unit.insert_pipeline(pipeline())
    unit.commit()
    with store.reader() as reader:
        assert len(reader.pipelines_after(ACCOUNT, 0, 9)) == 1
        unit = store.begin()
        unit.insert_pipeline(pipeline("two"))
        unit.commit()
        assert len(reader.pipelines_after(ACCOUNT, 0, 9)) == 1
    with store.reader() as reader:
        assert len(reader.pipelines_after(ACCOUNT, 0, 9)) == 2


def test_readers_do_not_share_a_view(store: Store):
    with store.reader() as one:
        one.pipelines_after(ACCOUNT, 0, 9)
        unit = store.begin()
        unit.insert_pipeline(pipeline())
        unit.commit()
        with store.reader() as two:
            assert len(two.pipelines_after(ACCOUNT, 0, 9)) == 1
        assert one.pipelines_after(ACCOUNT, 0, 9) == []


def test_a_reader_that_raises_can_be_followed_by_another(store: Store):
    with pytest.raises(Planted), store.reader():
        raise Planted
    with store.reader() as reader:
        assert reader.pipelines_after(ACCOUNT, 0, 9) == []


def test_the_queue_is_in_order_of_readiness(unit: Transaction):
    for key, ready_at in ((1, 30), (2, 10), (3, 20), (4, 10)):
        unit.insert_instance(instance(key, key, attempts=1))
        unit.insert_attempt(attempt(key, ready_at=ready_at))
    unit.insert_instance(instance(5, 5, attempts=3))
    unit.insert_attempt(attempt(5, worker_group="Workers"))
    unit.insert_attempt(attempt(5, 2, account_id="000000000002"))
    unit.insert_attempt(attempt(5, 3, offered=False))
    found = unit.offered(ACCOUNT, GROUP, 9)
    assert [task.instance.key for task in found] == [2, 4, 3, 1]
    assert [task.instance.key for task in unit.offered(ACCOUNT, GROUP, 2)] == [2, 4]
    first = found[0].attempt
    assert first is not None
    unit.update_attempt(replace(first, offered=False, status="RUNNING"))
    assert [task.instance.key for task in unit.offered(ACCOUNT, GROUP, 1)] == [4]


def first(unit: Transaction) -> int | None:
    found = unit.offered(ACCOUNT, GROUP, 1)
    return found[0].instance.key if found else None


def claim(unit: Transaction) -> int:
    (task,) = unit.offered(ACCOUNT, GROUP, 1)
    assert task.attempt is not None
    unit.update_attempt(replace(task.attempt, offered=False, status="RUNNING"))
    unit.update_instance(replace(task.instance, status="RUNNING"))
    return task.instance.key


def test_the_queue_is_in_order_while_it_is_served(unit: Transaction):
    """Stores may read ahead; what is written meanwhile counts."""
    for key in range(1, 31):
        waiting = {"status": "WAITING_FOR_RUNNER", "attempts": 1}
        unit.insert_instance(instance(key, key, **waiting))
        unit.insert_attempt(attempt(key, ready_at=key * 10))
    assert [claim(unit) for _ in range(8)] == list(range(1, 9))
    # One gives its task back, to its old place; one is cancelled; one comes, with an early place.
    unit.update_attempt(attempt(3, ready_at=30, generation=1))
    unit.update_attempt(attempt(10, ready_at=100, offered=False, status="CANCELED", ended_at=1))
    unit.insert_instance(instance(31, 31, attempts=1))
    unit.insert_attempt(attempt(31, ready_at=95))
    assert [claim(unit) for _ in range(4)] == [3, 9, 31, 11]
    found = unit.task(3)
    assert found is not None
    assert found.instance.status == "RUNNING"

    def claim_and_fail() -> None:
        with unit.savepoint():
            assert [claim(unit) for _ in range(2)] == [12, 13]
            raise Planted

    with pytest.raises(Planted):
        claim_and_fail()
    assert [claim(unit) for _ in range(19)] == list(range(12, 31))
    assert first(unit) is None
    unit.update_attempt(attempt(5, ready_at=50, generation=1))
    assert first(unit) == first(unit) == 5


def test_attempts_are_listed_by_number(unit: Transaction):
    for number in (2, 1, 10):
        unit.insert_attempt(attempt(1, number))
    unit.insert_attempt(attempt(2))
    assert [each.number for each in unit.attempts_of(1)] == [1, 2, 10]


def test_the_state_of_a_range(unit: Transaction):
    ends = ["FINISHED", "SKIPPED", None, "FAILED", "CANCELED"]
    for key, status in enumerate(ends, start=1):
        ended = {} if status is None else {"status": status, "ended_at": 1}
        unit.insert_instance(instance(key, key * 10, **ended))
    unit.insert_instance(instance(9, 20, component="B"))
    assert unit.range_state(1, "A", 10, 50) == RangeState(5, 2, 40)
    assert unit.range_state(1, "A", 10, 30) == RangeState(3, 2, None)
    assert unit.range_state(1, "A", 50, 50) == RangeState(1, 0, 50)
    assert unit.range_state(1, "A", 60, 90) == RangeState(0, 0, None)
    assert unit.range_state(2, "A", 10, 50) == RangeState(0, 0, None)


def test_waits_are_found_from_both_ends(unit: Transaction):
    unit.insert_instance(instance(1))
    unit.insert_instance(instance(2, 10))
    unit.put_wait(FULL_WAIT)
    unit.put_wait(Wait(1, 1, "C", 0, 99, 1))
    unit.put_wait(Wait(2, 1, "B", 52, 60, 1))
    assert sorted(unit.waits_of(1), key=lambda wait: wait.target) == [
        FULL_WAIT,
        Wait(1, 1, "C", 0, 99, 1),
    ]
    for start, waiters in ((50, []), (51, [1]), (52, [1, 2]), (53, [2]), (61, [])):
        found = unit.waits_for(1, "B", start)
        assert [each.instance.key for each in found] == waiters
    assert unit.waits_for(2, "B", 52) == []
    unit.put_wait(replace(FULL_WAIT, missing=1))
    assert unit.waits_for(1, "B", 51)[0].wait.missing == 1
    unit.drop_waits(1)
    assert unit.waits_of(1) == []
    assert len(unit.waits_of(2)) == 1


def test_timers_fire_in_order_and_one_stands_per_subject(unit: Transaction):
    assert unit.next_due() is None
    for kind, subject, due_at in (("owner", 1, 30), ("tick", 1, 10), ("retry", 2, 20)):
        unit.set_timer(Timer(kind, subject, due_at))
    assert unit.next_due() == 10
    assert [timer.due_at for timer in unit.due_timers(20, 9)] == [10, 20]
    assert [timer.due_at for timer in unit.due_timers(99, 2)] == [10, 20]
    unit.set_timer(Timer("tick", 1, 40))
    assert unit.next_due() == 20
    unit.hasten_timer(Timer("tick", 1, 50))
    unit.hasten_timer(Timer("owner", 1, 25))
    unit.hasten_timer(Timer("retry", 3, 60))
    assert [timer.due_at for timer in unit.due_timers(99, 9)] == [20, 25, 40, 60]
    unit.clear_timer("retry", 2)
    unit.clear_timer("retry", 99)
    assert unit.next_due() == 25


@pytest.mark.parametrize("asks", [False, True])
def test_when_the_next_timer_is_due_is_known_after_the_commit_too(store: Store, asks: bool):
    unit = store.begin()
    assert not asks or unit.next_due() is None
    unit.set_timer(Timer("tick", 1, 10))
    unit.commit()
    assert unit.next_due() == 10


def test_instances_and_attempts_are_paged_by_name_and_number(unit: Transaction):
    names = [("A", 0), ("A", 10), ("B", 0), ("C", 5)]
    for key, (component, start) in enumerate(names, start=1):
        unit.insert_instance(instance(key, start, component, attempts=2))
        for number in (1, 2):
            unit.insert_attempt(attempt(key, number))
    unit.insert_instance(instance(9, 0, pipeline=2))
    seen, mark = [], ("", 0)
    while page := unit.instances_after(1, *mark, 3):
        seen += [(each.component, each.start) for each in page]
        mark = seen[-1]
    assert seen == names
    found, last = [], ("", 0, 0)
    while tasks := unit.attempts_after(1, *last, 3):
        for task in tasks:
            assert task.attempt is not None
            found.append((task.instance.component, task.instance.start, task.attempt.number))
        last = found[-1]
    assert found == [(*name, number) for name in names for number in (1, 2)]


def test_what_is_unfinished_open_or_running(unit: Transaction):
    assert not unit.has_unfinished(1)
    assert not unit.under_way(1)
    unit.insert_instance(instance(1, 20))
    unit.insert_instance(instance(2, 10, "B"))
    unit.insert_instance(instance(3, 30, status="FINISHED", ended_at=1))
    assert [each.key for each in unit.unfinished(1)] == [2, 1]
    assert [each.key for each in unit.unfinished(1, "A")] == [1]
    assert unit.has_unfinished(1)
    assert not unit.under_way(1)
    unit.update_instance(instance(1, 20, status="RUNNING"))
    for key, status in enumerate(("VALIDATING", "CREATING", "ACTIVATING", "SHUTTING_DOWN"), 4):
        unit.insert_instance(instance(key, 20, f"C{key}", status=status))
    assert [each.key for each in unit.under_way(1)] == [1, 4, 5, 6, 7]
    assert not unit.has_unfinished(2)


def test_runs_that_can_move(unit: Transaction):
    states = [
        {"status": "WAITING_FOR_RUNNER"},
        {"status": "RUNNING"},
        {"retry_at": 5},
        {},
        {"status": "FAILED", "ended_at": 1},
    ]
    for key, changes in enumerate(states, start=1):
        unit.insert_instance(instance(key, key, **changes))
    unit.insert_instance(instance(9, 1, "B", status="RUNNING"))
    unit.insert_instance(instance(10, 6, "C", status="ACTIVATING"))
    assert unit.active_runs(1) == 4


def test_what_a_deactivation_and_a_failure_took_down(unit: Transaction):
    cancelled = {"status": "CANCELED", "ended_at": 1}
    unit.insert_instance(instance(1, 10, revive=True, **cancelled))
    unit.insert_instance(instance(2, 20, **cancelled))
    unit.insert_instance(instance(3, 30, status="FINISHED", ended_at=1, revive=True))
    cascaded = {"status": "CASCADE_FAILED", "ended_at": 1}
    unit.insert_instance(instance(4, 40, cascade_on="@A", **cascaded))
    unit.insert_instance(instance(5, 50, cascade_on="@B", **cascaded))
    unit.insert_instance(instance(6, 60, cascade_on="@A"))
    assert [each.key for each in unit.revivable(1)] == [1]
    assert [each.key for each in unit.cascaded(1, "@A")] == [4]


def test_history_is_read_backwards_page_by_page(unit: Transaction):
    lines = [
        HistoryEvent(1, "", None, None, 1, "CREATE", "", "ann"),
        HistoryEvent(1, "A", 0, 1, 2, "RUNNING"),
        HistoryEvent(2, "A", 0, 1, 3, "RUNNING"),
        HistoryEvent(1, "A", 10, 1, 4, "RUNNING"),
        HistoryEvent(1, "A", None, None, 5, "SET_STATUS", "PAUSE", "ann"),
        HistoryEvent(1, "B", 0, None, 6, "FAILED", "so it is"),
    ]
    for line in lines:
        unit.record(line)

    def page(component=None, start=None, before=2**62, limit=9) -> list[HistoryEvent]:
        return [line.event for line in unit.lines_before(1, component, start, before, limit)]

    own = [line for line in lines if line.pipeline == 1]
    assert page() == own[::-1]
    assert page("A") == [lines[4], lines[3], lines[1]]
    assert page("A", 10) == [lines[3]]
    assert page("C") == []
    first = unit.lines_before(1, None, None, 2**62, 2)
    assert [line.event for line in first] == [lines[5], lines[4]]
    assert page(before=first[-1].key, limit=2) == [lines[3], lines[1]]


def test_history_is_kept_in_order_by_object(unit: Transaction):
    lines = [HistoryEvent(1, "A", 0, k, 100 - k, "RUNNING", str(k)) for k in range(3)]
    for line in lines:
        unit.record(line)
    whole = HistoryEvent(1, "A", None, None, 1, "PAUSED")
    unit.record(whole)
    assert unit.history(1, "A", 0) == lines
    assert unit.history(1, "A", None) == [whole]
    assert unit.history(1, "B", 0) == []


def test_what_the_console_asks(unit: Transaction):
    ends = {"status": "FINISHED", "ended_at": 1}
    for key in range(1, 6):
        unit.insert_instance(instance(key, key * 10, **(ends if key < 4 else {})))
    unit.insert_instance(instance(6, 20, "B", status="FAILED", ended_at=1))
    unit.insert_instance(instance(7, 20, "C", status="CASCADE_FAILED", ended_at=1))
    for component in "ABC":
        unit.put_component(ComponentRow(1, component, 0, True))
    assert unit.latest_run(1) == 50
    assert unit.latest_run(2) is None
    completed = [unit.latest_completed_run(1, component) for component in "ABC"]
    assert completed == [30, None, None]
    assert unit.recent_starts(1, 3) == [50, 40, 30]
    assert unit.recent_starts(1, 9) == [50, 40, 30, 20, 10]
    assert [each.start for each in unit.latest_of_component(1, "A", 2)] == [50, 40]
    assert unit.status_counts(1, 9) == {"WAITING_ON_DEPENDENCIES": 2, "FAILED": 2}
    expected = {"all": [5, 4, 3, 7, 6, 2, 1], "unfinished": [5, 4], "failed": [7, 6]}
    for selection, keys in expected.items():
        page = unit.tasks_before(1, selection, 2**62, 2**62, 9)
        assert [task.instance.key for task in page] == keys
    page = unit.tasks_before(1, "all", 20, 7, 2)
    assert [t.instance.key for t in page] == [6, 2]


def test_a_purge_goes_in_steps_and_spares_others(unit: Transaction):
    for key in range(1, 6):
        unit.insert_instance(instance(key, key, pipeline=1 if key < 5 else 2, attempts=1))
        unit.insert_attempt(attempt(key, pipeline=1 if key < 5 else 2))
        unit.put_wait(Wait(key, 1 if key < 5 else 2, "B", 0, 1, 1))
        unit.set_timer(Timer("owner", key, 1))
        unit.record(HistoryEvent(1 if key < 5 else 2, "A", key, None, 1, "RUNNING"))
    for number in (1, 2):
        unit.put_component(ComponentRow(number, "A", 0, True))
        unit.put_definition(number, 1, b"x")
    steps = 0
    while unit.purge(1, 2):
        steps += 1
    assert 2 <= steps <= 8
    assert unit.instances_after(1, "", 0, 9) == []
    assert unit.attempts_of(1) == []
    assert unit.waits_of(1) == []
    assert (unit.components(1), unit.definition(1, 1)) == ([], None)
    assert unit.history(1, "A", 1) == []
    assert [timer.subject for timer in unit.due_timers(9, 9)] == [5]
    assert len(unit.attempts_of(5)) == len(unit.waits_of(5)) == len(unit.components(2)) == 1
    assert unit.definition(2, 1) == b"x"
    assert not unit.purge(1, 2), "purging what is gone is no fault"


def test_a_key_is_never_used_again(open_store):
    store = open_store()
    unit = store.begin()
    keys = [unit.reserve_instance_key() for _ in range(3)]
    assert len(set(keys)) == 3
    for key in keys:
        unit.insert_instance(instance(key, key))
    gone = unit.insert_pipeline(pipeline())
    unit.purge(1, 99)
    unit.commit()
    store.close()
    unit = open_store().begin()
    assert unit.reserve_instance_key() > max(keys)
    assert unit.insert_pipeline(pipeline("two")) > gone
    unit.rollback()


def test_states_that_cannot_be_are_refused(unit: Transaction):
    wrong = [
        instance(1, status="SLEEPING"),
        instance(1, status="FINISHED"),
        instance(1, ended_at=5),
        instance(1, unmet=-1),
    ]
    for row in wrong:
        with pytest.raises(Exception, match=r"(?i)check"), unit.savepoint():
            unit.insert_instance(row)
    with pytest.raises(Exception, match=r"(?i)check"), unit.savepoint():
        unit.insert_attempt(attempt(1, status="RUNNING", offered=True))
    unit.insert_instance(instance(1))
    with pytest.raises(Exception, match=r"(?i)unique"), unit.savepoint():
        unit.insert_instance(instance(2))


def test_polls_are_kept_by_worker_group_until_they_are_forgotten(unit: Transaction):
    for group, at in (("a", 1), ("b", 5), ("a", 7)):
        unit.put_poll(ACCOUNT, group, at)
    unit.put_poll("another", "c", 9)
    unit.put_heartbeat(ACCOUNT, "runner", GROUP, "host", 1)
    assert [unit.last_poll(ACCOUNT, group) for group in "abc"] == [7, 5, None]
    assert unit.polled(ACCOUNT, 6) == {"a"}
    before = unit.changes()
    unit.forget_runners(6)
    assert unit.changes() == before + 2
    assert unit.polled(ACCOUNT, 0) == {"a"}


def test_heartbeats_are_kept_once_per_runner(unit: Transaction):
    unit.put_heartbeat(ACCOUNT, "runner", GROUP, "host", 1)
    before = unit.changes()
    unit.put_heartbeat(ACCOUNT, "runner", GROUP, "host", 2)
    assert unit.changes() == before + 1
