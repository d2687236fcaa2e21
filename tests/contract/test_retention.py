"""What every store must do for retention; written against `penstock.store.protocol` alone."""

from msgspec.structs import replace

from penstock.model.runtime import ComponentRow, HistoryEvent, Timer, Wait
from penstock.store.protocol import Past, Transaction
from tests.contract.rows import attempt, instance, pipeline

EVER = 2**62


def ended(key: int, start: int, pipeline: int = 1, component: str = "A"):
    return instance(
        key,
        start,
        component,
        pipeline=pipeline,
        status="FINISHED",
        ended_at=start + 5,
        attempts=1,
    )


def add(unit: Transaction, key: int, start: int, number: int = 1, component: str = "A") -> None:
    """A finished instance with all that an instance may have."""
    unit.insert_instance(ended(key, start, number, component))
    unit.insert_attempt(attempt(key, pipeline=number, status="FINISHED", offered=False))
    unit.put_wait(Wait(key, number, "B", 0, 1, 1))
    unit.set_timer(Timer("late", key, 1))
    unit.record(HistoryEvent(number, component, start, None, 1, "FINISHED"))


def keys(unit: Transaction, number: int = 1) -> list[int]:
    return [row.key for row in unit.instances_after(number, "", -1, 99)]


def test_the_past_of_a_component_is_read_by_start(unit: Transaction):
    for key, start in ((1, 30), (2, 10), (3, 20)):
        add(unit, key, start)
    add(unit, 4, 20, component="B")
    add(unit, 5, 20, number=2)
    unit.insert_instance(instance(6, 40))
    rows = unit.past(1, "A", 10, 40, 9)
    assert [row.key for row in rows] == [2, 3, 1, 6]
    assert rows[0] == Past(2, 10, 20, 1, "FINISHED", 5, 1, False, 15)
    assert rows[3].ended_at is None
    assert [row.key for row in unit.past(1, "A", 11, 39, 9)] == [3, 1]
    assert [row.key for row in unit.past(1, "A", 10, 40, 2)] == [2, 3]


def test_what_is_pruned_is_gone_with_all_that_was_its_own(unit: Transaction):
    for key, start in ((1, 10), (2, 20), (3, 30)):
        add(unit, key, start)
    add(unit, 4, 10, component="B")
    add(unit, 5, 10, number=2)
    unit.set_timer(Timer("tick", 1, 1))
    unit.record(HistoryEvent(1, "A", None, None, 1, "SET_STATUS"))
    unit.record(HistoryEvent(1, "", None, None, 1, "CREATE"))
    assert unit.task(1) is not None
    unit.prune(1, "A", unit.past(1, "A", 0, 20, 9))
    assert keys(unit) == [3, 4]
    assert unit.task(1) is None
    assert (unit.attempts_of(2), unit.waits_of(2), unit.history(1, "A", 20)) == ([], [], [])
    timers = {(timer.kind, timer.subject) for timer in unit.due_timers(9, 9)}
    assert timers == {("late", 3), ("late", 4), ("late", 5), ("tick", 1)}
    for key, number, component, start in ((3, 1, "A", 30), (4, 1, "B", 10), (5, 2, "A", 10)):
        assert len(unit.attempts_of(key)) == len(unit.waits_of(key)) == 1
        assert len(unit.history(number, component, start)) == 1
    assert len(unit.history(1, "A", None)) == len(unit.history(1, "", None)) == 1


def test_what_was_pruned_is_not_remembered(store):
    unit = store.begin()
    add(unit, 1, 10)
    unit.commit()
    unit = store.begin()
    assert unit.task(1) is not None
    unit.prune(1, "A", unit.past(1, "A", 0, 20, 9))
    assert unit.task(1) is None
    unit.rollback()
    unit = store.begin()
    assert unit.task(1) is not None, "the pruning was undone"
    unit.rollback()


def test_pipelines_that_may_have_something_to_forget(unit: Transaction):
    numbers = [
        unit.insert_pipeline(pipeline(name))
        for name in ("old", "young", "idle", "deleted", "draft", "late", "last", "others")
    ]
    for place, number in enumerate(numbers):
        changes = {"version": 0 if place == 4 else 1, "deleted_at": 1 if place == 3 else None}
        unit.update_pipeline(replace(pipeline(), key=number, **changes))
        unit.put_component(ComponentRow(number, "A", 0, True))
    for place, start in ((0, 10), (1, 100), (3, 10), (5, 10), (6, 10), (7, 10)):
        add(unit, place + 1, start, number=numbers[place])
        if place < 6:
            unit.insert_instance(instance(10 + place, start + 100, pipeline=numbers[place]))
    unit.insert_instance(instance(20, 10, pipeline=numbers[2]))
    # A later one of another component leaves this one the last of its own.
    unit.insert_instance(instance(21, 20, "B", pipeline=numbers[7]))
    first, last = numbers[0], numbers[5]
    assert unit.pipelines_with_past(0, 50, 9) == [first, last]
    assert unit.pipelines_with_past(0, 50, 1) == [first]
    assert unit.pipelines_with_past(first, 50, 9) == [last]
    assert unit.pipelines_with_past(0, 10, 9) == []


def test_old_definitions_go_and_the_draft_stays(unit: Transaction):
    for version in (0, 1, 2, 3):
        unit.put_definition(1, version, b"x")
    unit.put_definition(2, 1, b"x")
    unit.drop_definitions(1, 3)
    assert [v for v in range(4) if unit.definition(1, v)] == [0, 3]
    assert unit.definition(2, 1) == b"x"


def test_a_sweep_is_claimed_by_one_until_the_next_is_due(open_store):
    here, there = open_store(), open_store()

    def claim(store, now: int, until: int) -> bool:
        unit = store.begin()
        claimed = unit.claim_sweep(now, until)
        unit.commit()
        return claimed

    assert claim(here, 1_000, 2_000)
    assert not claim(there, 1_000, 2_000)
    assert not claim(here, 1_999, 3_000)
    assert claim(there, 2_000, 3_000)


def test_a_restoration_is_remembered(unit: Transaction):
    assert unit.restored_at() is None
    unit.note_restoration(7)
    unit.note_restoration(9)
    assert unit.restored_at() == 9
