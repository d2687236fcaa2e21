"""Validation and comparison of definitions: whatever comes in, they answer, and always the same."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.language.catalogue import all_types, fields_of_any_type
from penstock.language.differences import differences
from penstock.language.edits import forbidden_edits
from penstock.language.expressions.functions import FUNCTIONS
from penstock.language.forms import read_definition
from penstock.language.validate import validate
from penstock.model.definition import (
    Definition,
    Field,
    ParameterAttribute,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.errors import DefinitionError
from penstock.model.limits import AWS_LIMITS, Limits

# Without a deadline: how long an example takes is the machine's affair, not the test's.
QUICK = settings(deadline=None, max_examples=60)
SECRET = "hush-quite-hush"

IDS = ["Default", "A", "B", "C", "S", "@x", "é"]
ANY_TEXT = st.text(st.characters(), max_size=6)  # lone surrogates too
WORDS = st.sampled_from(
    [
        "1", "2.5", "'t'", '"u"', "myX", "*myY", "@scheduledStartTime", "node", "input", ".", ",",
        "(", ")", "+", "-", "*", "/", "^", "}", "#{", " ", "'", "day", "id", "parent", "\\", "é",
        "$", *FUNCTIONS,
    ]
)  # fmt: skip
EXPRESSIONS = st.lists(WORDS, max_size=12).map(lambda words: "#{" + "".join(words) + "}")
LIKELY_EXPRESSIONS = st.sampled_from(
    [
        "#{myX}", "#{*myY}", "#{myX + 1}", "#{input.filePath}", "#{node.name}", "#{node.node.id}",
        "#{schedule.period}", "#{@scheduledStartTime}", "#{format(@scheduledStartTime, *myY)}",
        "#{plusPeriod(@scheduledStartTime, myX)}", "#{*myY} hours", "#{parent.myX}", "#{nope}",
    ]
)  # fmt: skip
TEXTS = (
    EXPRESSIONS
    | LIKELY_EXPRESSIONS
    | ANY_TEXT
    | st.sampled_from(
        ["", "1", "15 minutes", "true", "cron", "ondemand", "ONDEMAND_PERIOD", "2026-01-01", "w"]
    )
)
TYPES = st.sampled_from([*(known.name for known in all_types().values()), "Nothing", "Default", ""])
KEYS = (
    st.sampled_from(["myX", "*myY", "@status", "id", "nonsense", *fields_of_any_type()])
    | st.sampled_from(["parent", "dependsOn", "input", "output", "schedule", "onFail"])
    | ANY_TEXT
)


def fields() -> st.SearchStrategy[Field]:
    """A field: mostly a text, often a reference; a secret one holds the secret."""
    texts = st.builds(lambda key, text: Field(key, text), KEYS, TEXTS)
    references = st.builds(
        lambda key, to: Field(key, ref_value=to), KEYS, st.sampled_from([*IDS, ""]) | ANY_TEXT
    )
    return (texts | references).map(
        lambda field: (
            Field(field.key, SECRET)
            if field.key.startswith("*") and field.string_value is not None
            else field
        )
    )


OBJECTS = st.builds(
    lambda object_id, name, kind, rest: PipelineObject(
        object_id, name, (*([Field("type", kind)] if kind else []), *rest)
    ),
    st.sampled_from(IDS) | ANY_TEXT,
    st.sampled_from(["n", ""]) | ANY_TEXT,
    TYPES,
    st.lists(fields(), max_size=7).map(tuple),
)
PARAMETER_IDS = st.sampled_from(["myX", "*myY", "p", "myZ"])
ATTRIBUTES = st.sampled_from(
    ["default", "type", "optional", "isArray", "allowedValues", "description", "defualt"]
)


def attribute(parameter_id: str) -> st.SearchStrategy[ParameterAttribute]:
    """An attribute; of a secret parameter the default and what is allowed are secrets."""
    words = st.sampled_from(["Integer", "Double", "String", "true", "yes", "1"])
    return st.builds(
        lambda key, text: ParameterAttribute(
            key,
            SECRET
            if parameter_id.startswith("*") and key in ("default", "allowedValues")
            else text,
        ),
        ATTRIBUTES,
        TEXTS | words,
    )


PARAMETERS = PARAMETER_IDS.flatmap(
    lambda each: st.builds(
        ParameterObject, st.just(each), st.lists(attribute(each), max_size=4).map(tuple)
    )
)
VALUES = st.builds(
    lambda each, text: ParameterValue(each, SECRET if each.startswith("*") else text),
    PARAMETER_IDS,
    TEXTS,
)
DEFINITIONS = st.builds(
    Definition,
    st.lists(OBJECTS, max_size=6, unique_by=lambda each: each.id).map(tuple),
    st.lists(PARAMETERS, max_size=3).map(tuple),
    st.lists(VALUES, max_size=2).map(tuple),
)
LIMITS = st.sampled_from([Limits(), AWS_LIMITS])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "ref", "type", "objects", "fields", "key"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
DOCUMENTS = JSON | st.fixed_dictionaries(
    {"objects": st.lists(JSON, max_size=3)}, optional={"parameters": JSON, "values": JSON}
)


@QUICK
@given(DEFINITIONS, LIMITS, st.booleans(), st.none() | st.just(0) | st.just(1_800_000_000_000))
def test_validation_never_raises_and_says_the_same_again(
    definition: Definition, limits: Limits, draft: bool, now: int | None
) -> None:
    found = validate(definition, limits, draft=draft, now=now, polled=frozenset({"w"}))
    assert all(each.text and each.rule for each in found.found)
    again = validate(definition, limits, draft=draft, now=now, polled=frozenset({"w"}))
    assert again == found


@QUICK
@given(DOCUMENTS)
def test_whatever_the_json_it_is_read_and_validated_or_refused(document: object) -> None:
    with suppress(DefinitionError):
        validate(read_definition(json.dumps(document)), Limits())


@QUICK
@given(DEFINITIONS, st.data())
def test_the_order_of_the_objects_is_no_matter(definition: Definition, data: st.DataObject) -> None:
    objects = data.draw(st.permutations(definition.pipeline_objects))
    other = Definition(tuple(objects), definition.parameter_objects, definition.parameter_values)
    assert set(validate(definition, Limits()).found) == set(validate(other, Limits()).found)


@QUICK
@given(DEFINITIONS, LIMITS)
def test_no_secret_is_in_any_text(definition: Definition, limits: Limits) -> None:
    for each in validate(definition, limits).found:
        assert SECRET not in each.text


@QUICK
@given(DEFINITIONS, DEFINITIONS)
def test_what_differs(old: Definition, new: Definition) -> None:
    assert differences(old, old) == ()
    changes = differences(old, new)
    assert SECRET not in str(changes)
    assert len(forbidden_edits(old, new)) == sum(each.forbidden is not None for each in changes)
    back = {(each.part, each.id, each.field) for each in differences(new, old)}
    assert back == {(each.part, each.id, each.field) for each in changes}
