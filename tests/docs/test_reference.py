"""The generated reference is current, whole, and its examples are sound."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from docs.reference.generate import EXAMPLES, OBJECTS, examples, files
from penstock.language.catalogue import all_types
from penstock.language.descriptions import descriptions, field_sentence
from penstock.language.forms import read_definition
from penstock.language.schema import definition_schema
from penstock.language.validate import validate
from penstock.model.limits import AWS_LIMITS

FILES = files()
TYPES = sorted(all_types().values(), key=lambda each: each.name)
VALIDATOR = Draft202012Validator(definition_schema())

EXPECTED_WARNINGS = {"MySqlDataNode": "deprecated"}
"""A word of the one warning that an example cannot do without."""


@pytest.mark.parametrize("path", sorted(FILES), ids=lambda path: path.name)
def test_a_generated_file_is_current(path: Path):
    written = path.read_text("utf-8") if path.exists() else ""
    assert written == FILES[path], f"{path.name} is out of date: run `make reference`"


def test_there_are_no_pages_beside_them():
    assert {path.name for path in OBJECTS.glob("*.md")} == {
        path.name for path in FILES if path.parent == OBJECTS
    }


def test_each_type_has_an_example():
    assert {path.stem for path in EXAMPLES.glob("*.json")} == {each.name for each in TYPES}


@pytest.mark.parametrize("name", sorted(examples()))
def test_an_example_is_sound_and_of_its_type(name: str):
    definition = read_definition(examples()[name])
    findings = validate(definition, AWS_LIMITS)
    assert findings.errors == {}
    warnings = [str(text) for texts in findings.warnings.values() for text in texts]
    expected = EXPECTED_WARNINGS.get(name)
    assert [text for text in warnings if expected is None or expected not in text] == []
    assert name in {each.string("type") for each in definition.pipeline_objects}
    assert list(VALIDATOR.iter_errors(json.loads(examples()[name]))) == []


def test_each_page_names_every_field():
    for each in TYPES:
        page = FILES[OBJECTS / f"{each.name}.md"]
        assert [key for key in each.fields if f"`{key}`" not in page] == [], each.name


def test_every_type_and_field_is_described_in_a_sentence():
    assert descriptions().types.keys() == {each.name for each in TYPES}
    texts = {
        f"{each.name}.{key}": field_sentence(each.name, key)
        for each in TYPES
        for key in each.fields
    }
    for where, text in {**texts, **descriptions().types}.items():
        assert text[0].isupper() or text[0] == "`", where
        assert text.endswith("."), where
        assert text.count("`") % 2 == 0, where


def test_no_description_is_of_a_field_that_is_not_there():
    known = {key for each in TYPES for key in each.fields}
    special = {f"{each.name}.{key}" for each in TYPES for key in each.fields}
    assert descriptions().fields.keys() <= known | special
