import pytest

from penstock.console import words
from penstock.console.grid import cells_of, days_over
from penstock.model.runtime import Instance
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS

START = 1_715_680_800_000
MIDNIGHT = START - START % DAY_MS
QUARTER = 15 * MINUTE_MS
STARTS = [START + k * QUARTER for k in range(8)]


def instance(start: int, end: int) -> Instance:
    return Instance(1, 1, "A", start, end, 1, "FINISHED", start, ended_at=end)


def columns(instances: list[Instance]) -> list[tuple[int, bool]]:
    return [(cell.columns, cell.instance is not None) for cell in cells_of(STARTS, instances)]


def test_an_hour_stands_over_its_quarters() -> None:
    hours = [instance(START, START + HOUR_MS), instance(START + HOUR_MS, START + 2 * HOUR_MS)]
    assert columns(hours) == [(4, True), (4, True)]


def test_what_began_before_reaches_in_and_gaps_are_empty() -> None:
    before = instance(START - HOUR_MS, START + QUARTER)
    assert columns([before, instance(STARTS[2], STARTS[3])]) == [
        (1, True),
        (1, False),
        (1, True),
        *[(1, False)] * 5,
    ]


def test_overlaps_and_runs_without_length_keep_the_rows_width() -> None:
    crowd = [
        instance(START, START + HOUR_MS),
        instance(START + QUARTER, START + 2 * HOUR_MS),
        instance(STARTS[7], STARTS[7]),
    ]
    assert sum(cell.columns for cell in cells_of(STARTS, crowd)) == len(STARTS)
    assert columns([instance(STARTS[7], STARTS[7])])[-1] == (1, True)
    assert cells_of([], crowd) == []


def test_days_stand_over_their_columns() -> None:
    late = START - START % DAY_MS + 23 * HOUR_MS
    days = days_over([late, late + HOUR_MS, late + 2 * HOUR_MS])
    assert [(day.text, day.columns) for day in days] == [("2024-05-14", 1), ("2024-05-15", 2)]


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (-1, "\N{EN DASH}"),
        (0, "0 ms"),
        (999, "999 ms"),
        (4_200, "4.2 s"),
        (60_000, "1 min"),
        (185_000, "3 min 5 s"),
        (7_800_000, "2 h 10 min"),
        (DAY_MS * 3 + HOUR_MS * 4, "3 d 4 h"),
        (DAY_MS * 4000, "4,000 d"),
    ],
)
def test_durations(milliseconds: int | None, text: str) -> None:
    assert words.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("start", "length", "text"),
    [
        (START, QUARTER, "2024-05-14 10:00 \N{EN DASH} 10:15"),
        (START, 14 * HOUR_MS, "2024-05-14 10:00 \N{EN DASH} 00:00"),
        (START, DAY_MS, "2024-05-14 10:00 \N{EN DASH} 05-15 10:00"),
        (START + 5_000, 0, "2024-05-14 10:00:05"),
        (MIDNIGHT, DAY_MS, "2024-05-14"),
        (MIDNIGHT, 7 * DAY_MS, "2024-05-14 \N{EN DASH} 05-21"),
        (MIDNIGHT, 365 * DAY_MS, "2024-05-14 \N{EN DASH} 2025-05-14"),
        (MIDNIGHT, HOUR_MS, "2024-05-14 00:00 \N{EN DASH} 01:00"),
    ],
)
def test_intervals_are_said_briefly(start: int, length: int, text: str) -> None:
    assert words.span(instance(start, start + length)) == text


def test_the_end_names_its_day_only_if_it_is_another() -> None:
    assert words.moment_after(START + 1000, START) == "10:00:01"
    assert words.moment_after(START + DAY_MS, START) == "2024-05-15 10:00:00"
    assert words.moment_after(START, None) == "2024-05-14 10:00:00"
    assert words.moment_after(None, START) == "\N{EN DASH}"


def test_every_character_of_an_id_survives_its_address() -> None:
    path = words.object_path("@a/../b?#%é _2024", "df-1")
    assert path == "/pipelines/df-1/objects/@a%2F..%2Fb%3F%23%25%C3%A9%20_2024"


def test_counts_that_stopped_say_so() -> None:
    assert words.count(1204, 10_000) == "1,204"
    assert words.count(10_000, 10_000) == "10,000+"
