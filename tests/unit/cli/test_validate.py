"""`penstock validate`: findings as a person reads them."""

import click

from penstock.cli.validate import parameter_values, report, summary
from penstock.model.definition import Finding, Findings, ParameterValue

FOUND = Findings(
    (
        Finding("A", "error", "missing-field", "no command", "command"),
        Finding("A", "error", "missing-schedule", "no schedule"),
        Finding("", "error", "too-many-objects", "no objects"),
        Finding("B", "warning", "unused-object", "unused"),
    )
)


def test_findings_stand_under_their_objects() -> None:
    assert [click.unstyle(text) for text in report(FOUND)] == [
        "A",
        "  error: no command",
        "  error: no schedule",
        "definition",
        "  error: no objects",
        "B",
        "  warning: unused",
    ]


def test_the_summary_counts() -> None:
    assert summary(FOUND, 2) == "3 errors, 1 warning."
    assert summary(Findings(), 1) == "No errors, no warnings in 1 object."


def test_parameters_keep_their_order_and_repetition() -> None:
    assert parameter_values((("a", "1"), ("a", "2"))) == (
        ParameterValue("a", "1"),
        ParameterValue("a", "2"),
    )
