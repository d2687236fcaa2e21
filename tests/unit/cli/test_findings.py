"""Findings in their three renderings."""

import json

import click

from penstock.cli.findings import Located, Verdict, render
from penstock.model.definition import Finding

BAD = Verdict(
    "bad.json",
    found=(
        Located(Finding("A", "error", "missing-field", "no command", "command"), (3, 7)),
        Located(Finding("", "error", "expression", "a mark\n  #{x\n    ^", "x, y")),
        Located(Finding("B", "warning", "unused-object", "100% unused")),
    ),
)
GOOD = Verdict("good.yaml", "Nightly")
WARNED = Verdict("warned.json", found=BAD.found[2:])


def text(*verdicts: Verdict) -> list[str]:
    return click.unstyle("\n".join(render(verdicts, "text"))).splitlines()


def test_text_leads_to_the_line() -> None:
    assert text(BAD) == [
        "bad.json:3:7: error: A: no command [missing-field]",
        "bad.json: error: a mark [expression]",
        "      #{x",
        "        ^",
        "bad.json: warning: B: 100% unused [unused-object]",
        "2 errors, 1 warning.",
    ]


def test_text_says_of_each_definition_that_it_is_valid() -> None:
    assert text(GOOD) == ["good.yaml (Nightly): valid"]
    assert text(WARNED)[-1] == "warned.json: valid, 1 warning"
    assert text(GOOD, WARNED, BAD)[-1] == "2 of 3 definitions valid; 2 errors, 2 warnings."


def test_control_characters_do_not_reach_the_terminal() -> None:
    rude = Verdict("f", found=(Located(Finding("A\x1b[2J", "error", "r", "x\ty\u2028\x9bz")),))
    assert text(rude) == ["f: error: A [2J: x y  z [r]", "1 error, 0 warnings."]


def test_json_has_everything() -> None:
    (line,) = render([BAD, GOOD], "json")
    document = json.loads(line)
    assert (document["valid"], document["errors"], document["warnings"]) == (False, 2, 1)
    bad, good = document["definitions"]
    assert bad["findings"][0] == {
        "severity": "error",
        "rule": "missing-field",
        "object": "A",
        "field": "command",
        "line": 3,
        "column": 7,
        "message": "no command",
    }
    assert bad["findings"][1]["object"] is None
    assert good == {"file": "good.yaml", "pipeline": "Nightly", "valid": True, "findings": []}


def test_annotations_are_workflow_commands() -> None:
    odd = Verdict("a,b:c.json", found=BAD.found)
    assert list(render([odd], "github")) == [
        "::error file=a%2Cb%3Ac.json,line=3,col=7,title=missing-field::A: no command",
        "::error file=a%2Cb%3Ac.json,title=expression::a mark%0A  #{x%0A    ^",
        "::warning file=a%2Cb%3Ac.json,title=unused-object::B: 100%25 unused",
    ]
