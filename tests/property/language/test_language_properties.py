"""What must hold whatever comes in: round trips, and no surprises."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.language.catalogue import all_types, fields_of_any_type
from penstock.language.expressions.functions import FUNCTIONS
from penstock.language.forms import from_cli, read_definition, to_cli
from penstock.language.validate import validate
from penstock.model.errors import DefinitionError
from penstock.model.limits import AWS_LIMITS, Limits

# Without a deadline: how long an example takes is the machine's affair, not the test's.
QUICK = settings(deadline=None, max_examples=80)

NAMES = st.text(min_size=1, max_size=8).filter(lambda key: key not in ("id", "name"))
IDS = st.sampled_from(["Default", "A", "B", "C", "@x", "é"])


SCALARS = st.text(max_size=10)
VALUES = st.one_of(SCALARS, st.builds(lambda each: {"ref": each}, IDS))
CLI_OBJECTS = st.builds(
    lambda object_id, name, fields: {**fields, "id": object_id, "name": name},
    IDS,
    SCALARS,
    st.dictionaries(NAMES, st.one_of(VALUES, st.lists(VALUES, min_size=2, max_size=3)), max_size=4),
)
CLI_DOCUMENTS = st.fixed_dictionaries(
    {"objects": st.lists(CLI_OBJECTS, max_size=4)},
    optional={
        "parameters": st.lists(
            st.builds(
                lambda object_id, rest: {**rest, "id": object_id},
                IDS,
                st.dictionaries(NAMES, SCALARS, max_size=3),
            ),
            min_size=1,
            max_size=3,
        ),
        "values": st.dictionaries(NAMES, SCALARS, min_size=1, max_size=3),
    },
)


@QUICK
@given(CLI_DOCUMENTS)
def test_the_command_line_form_is_kept_with_its_order(document: dict[str, object]):
    definition = from_cli(document)
    written = to_cli(definition)
    assert from_cli(written) == definition
    assert read_definition(json.dumps(written)) == definition
    assert written == document


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
DEFINITION_LIKE = st.dictionaries(
    st.sampled_from(
        [
            "objects",
            "parameters",
            "values",
            "pipelineObjects",
            "parameterObjects",
            "parameterValues",
        ]
    ),
    st.lists(st.dictionaries(st.sampled_from(["id", "name", "fields", "key"]), JSON)) | JSON,
)


@QUICK
@given(DEFINITION_LIKE | JSON)
def test_reading_raises_only_its_error(document: object):
    with suppress(DefinitionError):
        read_definition(json.dumps(document))


@QUICK
@given(st.binary() | st.text())
def test_reading_anything_raises_only_its_error(text: str | bytes):
    with suppress(DefinitionError):
        read_definition(text)


WORDS = st.sampled_from(
    [
        "1", "2.5", "'t'", '"u"', "myX", "@scheduledStartTime", "node", "input", ".", ",", "(", ")",
        "+", "-", "*", "/", "^", "}", "#{", " ", "'", "day", "id", "parent", "\\", "é", "$",
        *FUNCTIONS,
    ]
)  # fmt: skip
EXPRESSIONS = st.lists(WORDS, max_size=12).map(lambda words: "#{" + "".join(words) + "}")


TYPES = st.sampled_from([*(known.name for known in all_types().values()), "Nothing", "Default", ""])
KEYS = st.sampled_from(
    ["myX", "*myY", "@status", "type", "id", "nonsense", *fields_of_any_type()]
) | st.text(max_size=3)
TEXTS = (
    EXPRESSIONS
    | st.text(max_size=6)
    | st.sampled_from(
        ["", "1", "15 minutes", "true", "cron", "ONDEMAND_PERIOD", "2026-01-01", "#{node.node.id}"]
    )
)
OBJECTS = st.builds(
    lambda object_id, type_name, fields: {
        "id": object_id,
        "type": type_name,
        **fields,
        "name": "n",
    },
    IDS,
    TYPES,
    st.dictionaries(
        KEYS,
        st.lists(TEXTS | st.builds(lambda each: {"ref": each}, IDS | st.just("")), max_size=2),
        max_size=6,
    ).map(lambda fields: {key: value for key, value in fields.items() if key != "id"}),
)


@QUICK
@given(
    st.lists(OBJECTS, max_size=5),
    st.lists(
        st.fixed_dictionaries(
            {"id": st.sampled_from(["myX", "p"])},
            optional={
                "default": TEXTS,
                "type": st.sampled_from(["Integer", "x"]),
                "optional": TEXTS,
            },
        ),
        max_size=2,
    ),
    st.sampled_from([Limits(), AWS_LIMITS]),
)
def test_validation_never_raises(
    objects: list[dict[str, object]], parameters: list[dict[str, object]], limits: Limits
):
    findings = validate(from_cli({"objects": objects, "parameters": parameters}), limits)
    for texts in (*findings.errors.values(), *findings.warnings.values()):
        assert texts
        assert all(texts)
