"""Findings as a person, a program or a code host's annotations read them."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import click
from msgspec import Struct

from penstock.language.wording import shorten

if TYPE_CHECKING:
    from penstock.model.definition import Finding

Format = Literal["text", "json", "github"]
FORMATS: tuple[Format, ...] = ("text", "json", "github")

COLOURS = {"error": "red", "warning": "yellow"}


class Located(Struct, frozen=True):
    """A finding and where in its file it stands, by line and column from 1, if that is known."""

    finding: "Finding"
    place: tuple[int, int] | None = None


class Verdict(Struct, frozen=True):
    """All that was found in one pipeline of one file.

    `pipeline` tells it from others in the same file (a template may have several); it is empty
    where there is just one.
    """

    file: str
    pipeline: str = ""
    found: tuple[Located, ...] = ()

    def count(self, severity: str) -> int:
        """How many errors, or warnings."""
        return sum(each.finding.severity == severity for each in self.found)


def render(verdicts: Sequence[Verdict], form: Format) -> Iterator[str]:
    """The lines to print; colours are left out by click where nobody sees them."""
    match form:
        case "text":
            yield from as_text(verdicts)
        case "json":
            yield as_json(verdicts)
        case "github":
            yield from as_annotations(verdicts)


def as_text(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """`file:line:column: error: object: text [rule]`, which editors know how to follow."""
    for verdict in verdicts:
        for each in verdict.found:
            yield text_line(verdict, each)
        if not verdict.count("error"):
            yield f"{_title(verdict)}: {_valid(verdict)}"
    if len(verdicts) > 1 or any(verdict.count("error") for verdict in verdicts):
        yield summary(verdicts)


def text_line(verdict: Verdict, each: Located) -> str:
    """One finding; the lines of a text after the first (a marked expression) are indented."""
    finding = each.finding
    place = "".join(f":{number}" for number in each.place or ())
    severity = click.style(finding.severity, fg=COLOURS[finding.severity], bold=True)
    first, *rest = _about(finding).split("\n")
    rule = click.style(f"[{finding.rule}]", dim=True)
    head = f"{_title(verdict, place)}: {severity}: {first} {rule}"
    return "\n".join([head, *(f"    {line}" for line in rest)])


def summary(verdicts: Sequence[Verdict]) -> str:
    """The closing line: how many of what."""
    errors = sum(verdict.count("error") for verdict in verdicts)
    warnings = sum(verdict.count("warning") for verdict in verdicts)
    totals = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
    if len(verdicts) == 1:
        return f"{totals}."
    valid = sum(not verdict.count("error") for verdict in verdicts)
    return f"{valid} of {counted(len(verdicts), 'definition')} valid; {totals}."


def as_json(verdicts: Sequence[Verdict]) -> str:
    """One JSON document; `line` and `column` are null where they are not known."""
    import json

    document = {
        "valid": not any(verdict.count("error") for verdict in verdicts),
        "errors": sum(verdict.count("error") for verdict in verdicts),
        "warnings": sum(verdict.count("warning") for verdict in verdicts),
        "definitions": [
            {
                "file": verdict.file,
                "pipeline": verdict.pipeline or None,
                "valid": not verdict.count("error"),
                "findings": [_members(each) for each in verdict.found],
            }
            for verdict in verdicts
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _members(each: Located) -> dict[str, object]:
    finding = each.finding
    line, column = each.place or (None, None)
    return {
        "severity": finding.severity,
        "rule": finding.rule,
        "object": finding.object_id or None,
        "field": finding.field,
        "line": line,
        "column": column,
        "message": finding.text,
    }


def as_annotations(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Workflow commands of GitHub Actions, which mark the line in the change under review."""
    for verdict in verdicts:
        for each in verdict.found:
            properties = {"file": verdict.file}
            for name, number in zip(("line", "col"), each.place or (), strict=False):
                properties[name] = str(number)
            properties["title"] = each.finding.rule
            listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
            yield f"::{each.finding.severity} {listed}::{_data(_about(each.finding))}"


def _data(text: str) -> str:
    """Escaped as workflow commands need it: a line break would end the command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _about(finding: "Finding") -> str:
    """The text after the object's id; control characters would play tricks on a terminal."""
    text = f"{shorten(finding.object_id)}: {finding.text}" if finding.object_id else finding.text
    return re.sub(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f]", " ", text)


def _title(verdict: Verdict, place: str = "") -> str:
    pipeline = f" ({verdict.pipeline})" if verdict.pipeline else ""
    return f"{verdict.file}{place}{pipeline}"


def _valid(verdict: Verdict) -> str:
    word = click.style("valid", fg="green")
    warnings = verdict.count("warning")
    return f"{word}, {counted(warnings, 'warning')}" if warnings else word


def counted(count: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
