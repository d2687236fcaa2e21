"""Definitions as people write them: what validation says of each, and that nothing seen is missing.

The definitions are our own. Which types, fields, names and spellings public definitions use is
kept as facts (`used_*.json`, `SPELLINGS`); docs/corpus.md tells where they were seen. What is wrong
or worth a look in a definition stands beside it, a line for each finding: severity, object, rule,
field. A definition without such a file is without findings. What cannot be read at all has words
beside it that its error must contain.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from penstock.engine.compile import compile_plan
from penstock.language.catalogue import all_types, type_named
from penstock.language.expressions.evaluator import has_expression
from penstock.language.expressions.parser import parse
from penstock.language.expressions.tree import Call, Name, Node, walk
from penstock.language.forms import from_api, from_cli, read_definition, to_api, to_cli
from penstock.language.validate import validate
from penstock.model.definition import Definition
from penstock.model.errors import DefinitionError
from penstock.model.limits import AWS_LIMITS, Limits
from penstock.model.times import HOUR_MS

HERE = Path(__file__).parent
FORMS = (".json", ".yaml")
SOUND = sorted(p for p in (HERE / "definitions").iterdir() if p.suffix in FORMS)
FAULTY = sorted(p for p in (HERE / "faulty").iterdir() if p.suffix in FORMS)
UNREADABLE = sorted(p for p in (HERE / "unreadable").iterdir() if p.suffix in FORMS)
TEMPLATES = [path for path in SOUND if path.stem.endswith(".template")]

SPELLINGS = {
    "Default says that its type is Default": r'"type": "Default"',
    "on demand in capitals": '"ONDEMAND"',
    "cron in capitals": "CRON",
    "the mode of failures in mixed case": '"Cascade"',
    "words of an enumeration run together": '"retrynone"',
    "a unit in capitals": '"1 YEAR"',
    "a unit with a capital": '"70 Minutes"',
    "a unit in lower case": '"12 hours"',
    "one of a unit": '"1 Week"',
    "one of many": '"1 days"',
    "an expression before the unit": r'"#\{myHours\} Hours"',
    "a date alone": '"2031-10-01"',
    "a date with a space": '"2031-01-01 06:00:00"',
    "a date with a zone": '"2031-07-01T00:00:00Z"',
    "a date without seconds": '"2014-09-01T00:00"',
    "the start as a word in lower case": '"first_activation_date_time"',
    "a comment as a field": '"myComment"',
    "an empty list": r'"dependsOn": \[\]',
    "a number": '"maximumRetries": 5',
    "a decimal": '"taskInstanceBidPrice": 0.3',
    "a boolean": '"ebsOptimized": true',
    "a boolean in capitals": '"TRUE"',
    "a number in a template": r'"StringValue": 30\b',
    "a boolean in a template": '"StringValue": true',
    "a secret parameter": r"#\{\*myCode\}",
    "a sum of two fields": r'#\{stderr \+ \\",\\" \+ stdout\}',
    "a method": r"\.format\('",
    "a staging directory": r"\$\{INPUT1_STAGING_DIR\}",
    "a positional variable": r"\$\{10\}",
    "a staged table": r"\$\{input1\}",
    "an array of groups": r'"securityGroups": "#\{myGroups\}"',
    "an array of steps": r'"step": "#\{mySteps\}"',
    "an array of options": r'"commandOptions": "#\{myCopyOptions\}"',
    "a type of parameter in lower case": r'"type": "string"',
    "a parameter without my": r'"id": "title"',
    "an on-demand period": "ONDEMAND_PERIOD",
    "a reference in a field of one's own": r'"my_supplier": \{"ref"',
    "a bid without a limit": "OnDemandPrice",
}
"""Spellings that definitions have been seen with, each as a pattern that ours must contain."""


def expected(path: Path) -> list[str]:
    beside = path.with_suffix(".findings")
    return beside.read_text("utf-8").splitlines() if beside.exists() else []


def findings(definition: Definition, limits: Limits | None = None, draft: bool = True) -> list[str]:
    found = validate(definition, limits or Limits(), draft=draft).found
    return [f"{f.severity} {f.object_id or '-'} {f.rule} {f.field or '-'}" for f in found]


@cache
def definition_of(path: Path) -> Definition:
    return read_definition(path.read_bytes())


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", SOUND, ids=name)
def test_a_sound_definition_is_found_sound(path: Path) -> None:
    assert sorted(findings(definition_of(path))) == sorted(expected(path))
    assert not any(line.startswith("error") for line in expected(path))


@pytest.mark.parametrize("path", FAULTY, ids=name)
def test_a_faulty_definition_is_found_faulty(path: Path) -> None:
    assert sorted(findings(definition_of(path))) == sorted(expected(path))
    assert any(line.startswith("error") for line in expected(path))


@pytest.mark.parametrize("path", UNREADABLE, ids=name)
def test_what_cannot_be_read_is_said_where_and_why(path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_definition(path.read_bytes())
    for words in path.with_suffix(".error").read_text("utf-8").splitlines():
        assert words in str(caught.value)


@pytest.mark.parametrize("path", sorted({*SOUND} - {*TEMPLATES}), ids=name)
def test_a_sound_definition_can_be_activated_as_it_is(path: Path) -> None:
    assert not [line for line in findings(definition_of(path), draft=False) if line[0] == "e"]


@pytest.mark.parametrize("path", sorted({*SOUND} - {*TEMPLATES}), ids=name)
def test_what_is_found_sound_can_be_planned(path: Path) -> None:
    plan = compile_plan(definition_of(path), (), "df-1", 1, HOUR_MS, HOUR_MS)
    assert plan.components


@pytest.mark.parametrize("path", SOUND, ids=name)
def test_the_published_limits_refuse_none(path: Path) -> None:
    errors = [line for line in findings(definition_of(path), AWS_LIMITS) if line[0] == "e"]
    assert errors == []


@pytest.mark.parametrize("path", [*SOUND, *FAULTY], ids=name)
def test_the_verdict_does_not_depend_on_the_form(path: Path) -> None:
    definition = definition_of(path)
    by_cli = from_cli(json.loads(json.dumps(to_cli(definition))))
    by_api = from_api(json.loads(json.dumps(to_api(definition))))
    assert findings(by_cli) == findings(definition)
    assert by_api == definition


@pytest.mark.parametrize("path", [*SOUND, *FAULTY, *UNREADABLE], ids=name)
def test_each_definition_says_what_it_shows(path: Path) -> None:
    text = path.read_text("utf-8")
    features = re.search(r'"?[Ff]eatures"?:\s*(\[.+?\]|(?:\n\s+- .+)+)', text)
    assert features is not None
    assert len(features[1]) > 20


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_seen_is_in_some_definition(spelling: str) -> None:
    assert any(re.search(SPELLINGS[spelling], path.read_text("utf-8")) for path in SOUND)


def readable() -> Iterator[Definition]:
    """The sound definitions; one that cannot be read fails in its own tests, and only there."""
    for path in SOUND:
        with suppress(DefinitionError):
            yield definition_of(path)


def used_fields() -> dict[str, set[str]]:
    """Which fields ours use, by type; those of objects without a type under `Default`."""
    used: dict[str, set[str]] = {"parameter": set()}
    for definition in readable():
        for item in definition.pipeline_objects:
            known = type_named(item.string("type") or "")
            keys = {field.key for field in item.fields}
            used.setdefault(known.name if known else "Default", set()).update(keys)
        for parameter in definition.parameter_objects:
            used["parameter"].update(attribute.key for attribute in parameter.attributes)
    return used


def test_every_type_is_used() -> None:
    assert {known.name for known in all_types().values()} - used_fields().keys() == set()


SEEN: dict[str, list[str]] = json.loads((HERE / "used_fields.json").read_text("utf-8"))


@pytest.mark.parametrize("owner", SEEN)
def test_every_field_that_was_seen_is_used(owner: str) -> None:
    # What a parent brings counts: an abstract parent's fields have no type of their own.
    ours = used_fields()
    inherited = ours["Default"] if owner != "parameter" else set()
    assert set(SEEN[owner]) - ours[owner] - inherited == set()


def expressions() -> Iterator[Node]:
    for definition in readable():
        for item in definition.pipeline_objects:
            for field in item.fields:
                if has_expression(field.string_value or ""):
                    for part in parse(field.string_value or "").parts:
                        if not isinstance(part, str):
                            yield from walk(part)


SEEN_EXPRESSIONS = json.loads((HERE / "used_expressions.json").read_text("utf-8"))


def test_every_name_that_was_seen_in_expressions_is_used() -> None:
    ours = {".".join(node.path) for node in expressions() if isinstance(node, Name)}
    assert set(SEEN_EXPRESSIONS["names"]) - ours == set()


def test_every_function_is_used() -> None:
    ours = {node.function for node in expressions() if isinstance(node, Call)}
    assert set(SEEN_EXPRESSIONS["functions"]) - ours == set()
