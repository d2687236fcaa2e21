"""What must hold whatever comes in: round trips, and no surprises."""

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.language.catalogue import all_types, fields_of_any_type
from penstock.language.expressions.functions import FUNCTIONS
from penstock.language.forms import from_cli
from penstock.language.validate import validate
from penstock.model.limits import AWS_LIMITS, Limits

# Without a deadline: how long an example takes is the machine's affair, not the test's.
QUICK = settings(deadline=None, max_examples=80)

IDS = st.sampled_from(["Default", "A", "B", "C", "@x", "é"])


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
