"""The chart as data, and as a picture."""

import xml.etree.ElementTree as ET

import pytest

from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS
from penstock.simulation.gantt import Bar, Chart, Lane, bars, cells, ticks
from penstock.simulation.picture import MOST_BARS, svg
from penstock.simulation.whatif import Run, Try

MARCH: int = 1_772_323_200_000
"""2026-03-01T00:00:00."""

SVG = "{http://www.w3.org/2000/svg}"


def run(status: str, *tries: Try, ended: int | None = None) -> Run:
    return Run("A", "ShellCommandActivity", "activity", 0, 100, 10, status, ended, tuple(tries))


def attempt(status: str, ready: int, started: int | None, ended: int | None) -> Try:
    return Try("workers", status, ready, started, ended)


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (
            run("FINISHED", attempt("FINISHED", 20, 30, 40), ended=40),
            [(10, 20, "waiting"), (20, 30, "queued"), (30, 40, "finished")],
        ),
        (
            run(
                "FINISHED",
                attempt("FAILED", 10, 10, 20),
                attempt("FINISHED", 30, 30, 35),
                ended=35,
            ),
            [(10, 20, "failed"), (20, 30, "retry"), (30, 35, "finished")],
        ),
        (
            run("WAITING_ON_DEPENDENCIES", attempt("FAILED", 10, 10, 20)),
            [(10, 20, "failed"), (20, 90, "retry")],
        ),
        (run("RUNNING", attempt("RUNNING", 10, 10, None)), [(10, 90, "running")]),
        (run("WAITING_FOR_RUNNER", attempt("WAITING_FOR_RUNNER", 10, None, None)),
         [(10, 90, "queued")]),
        (run("WAITING_ON_DEPENDENCIES"), [(10, 90, "waiting")]),
        (run("CASCADE_FAILED", ended=50), [(10, 50, "waiting"), (50, 51, "cascaded")]),
        (run("FAILED", attempt("FAILED", 10, None, 10), ended=10), []),
    ],
)  # fmt: skip
def test_how_an_instance_spent_its_time(each: Run, expected):
    assert [(bar.start, bar.stop, bar.kind) for bar in bars(each, over=90)] == expected


def test_cells_show_what_matters_most_and_how_long_something_ran():
    row = [Bar(0, 25, "waiting"), Bar(25, 50, "finished"), Bar(60, 61, "failed")]
    found = cells(row, 0, 100, 4)
    assert [cell.kind if cell else None for cell in found] == [
        "waiting",
        "finished",
        "failed",
        None,
    ]
    assert [cell.share if cell else None for cell in found] == [0, 1, 0.04, None]


def test_cells_take_no_notice_of_what_lies_outside():
    assert cells([Bar(-50, -10, "failed"), Bar(150, 160, "failed")], 0, 100, 2) == [None, None]


def test_marks_are_at_round_times_and_days_are_dated():
    found = ticks(MARCH - 90 * MINUTE_MS, MARCH + 3 * HOUR_MS, most=5)
    assert [tick.label for tick in found] == ["02-28", "03-01", "01:00", "02:00"]
    assert found[1].at == MARCH


def test_what_is_long_is_marked_by_months():
    found = ticks(MARCH - DAY_MS, MARCH + 365 * DAY_MS, most=7)
    assert [tick.label for tick in found] == [
        "2026-03", "2026-05", "2026-07", "2026-09", "2026-11", "2027-01",
    ]  # fmt: skip


def test_there_are_no_more_marks_than_asked_for():
    assert all(len(ticks(MARCH, MARCH + n * DAY_MS, 6)) <= 7 for n in range(1, 1500, 13))


def chart(lanes: int = 2, each: int = 3) -> Chart:
    row = tuple(Bar(MARCH + i * 10, MARCH + i * 10 + 5, "finished") for i in range(each))
    return Chart(
        MARCH, MARCH + each * 10, tuple(Lane(f"<{n}> & more", row) for n in range(lanes)), False
    )


def test_the_picture_is_whole_and_its_texts_are_texts():
    root = ET.fromstring(svg(chart(), "a <b> & c", "below"))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a <b> & c", "below", "<0> & more", "ran, and finished"} <= set(texts)
    bars_drawn = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert len(bars_drawn) == 6


def test_the_picture_needs_nothing_else():
    text = svg(chart(), "t", "s").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in text
    assert "href" not in text


def test_a_year_of_bars_makes_no_huge_file():
    assert len(svg(chart(1, MOST_BARS * 50), "t", "s")) < 100_000
