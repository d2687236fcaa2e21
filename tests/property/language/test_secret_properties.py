"""Whatever a secret's characters: it is in nothing that people are shown."""

import json
from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.cli.diff import Side, as_json, as_text
from penstock.language.differences import differences
from penstock.language.forms import (
    NamedDefinition,
    read_definition,
    to_api,
    to_cli,
    to_cloudformation,
    write_json,
)
from penstock.language.resolve import resolve
from penstock.language.scope import ObjectScope
from penstock.language.validate import validate
from penstock.model.definition import Definition
from penstock.model.errors import DefinitionError, InvalidRequest
from penstock.model.limits import Limits
from penstock.service.masking import mask_definition, masker_of
from penstock.service.showing import evaluate_text

SECRETS = st.text(min_size=1, max_size=12) | st.lists(
    st.sampled_from(['"', "\\", "#{", "}", "${", "é", "\n", "\u2028", "😀", "'", "sesame", "7"]),
    min_size=1,
    max_size=6,
).map("".join)
REFERENCE = "@@"
PLAIN = {"scheduleType": "ondemand", "workerGroup": "w"}


def template(secret: str) -> bytes:
    """A template in which a secret is used in every way that there is."""
    own = {
        "type": "ShellCommandActivity",
        "command": {"Fn::Sub": "load ${Pw}"},
        "stdout": {"Fn::If": ["C", "a", "b"]},
        "stderr": {"Fn::Base64": {"Ref": "Pw"}},
        "*mySecret": {"Fn::Join": [",", [{"Ref": "Pw"}, "b"]]},
        "myPart": {"Fn::Select": [0, {"Fn::Split": [",", {"Ref": "Pw"}]}]},
    }
    listed = [
        {"Id": each, "Name": each, "Fields": [{"Key": k, "StringValue": v} for k, v in of.items()]}
        for each, of in {"Default": PLAIN, "A": own}.items()
    ]
    return json.dumps(
        {
            "Parameters": {
                "Pw": {
                    "Type": "String",
                    "NoEcho": True,
                    "Default": secret,
                    "AllowedValues": [secret],
                }
            },
            "Conditions": {"C": {"Fn::Equals": [{"Ref": "Pw"}, secret]}},
            "Resources": {
                "P": {
                    "Type": "AWS::DataPipeline::Pipeline",
                    "Properties": {"Name": "x", "PipelineObjects": listed},
                }
            },
        }
    ).encode()


def evaluated(definition: Definition) -> Iterator[str]:
    try:
        resolved = resolve(definition)
    except DefinitionError as error:
        yield str(error)
        return
    scope, masker = ObjectScope(resolved, "A"), masker_of(resolved)
    for text in ("#{*my_Pw}", "#{my_Pw + '!'}", "#{command}", "#{stderr}", "#{myPart}"):
        try:
            yield evaluate_text(scope, text, masker)
        except InvalidRequest as error:
            yield str(error)


def shown(secret: str) -> str:
    """All that is shown of such a definition, in one text."""
    definition = read_definition(template(secret))
    before = read_definition(template("before" + REFERENCE))
    sides = Side("old", before), Side("new", definition)
    changes = differences(before, definition)
    masked = mask_definition(definition)
    return "\n".join(
        [
            *as_text(sides, changes),
            *as_json(sides, changes),
            write_json(to_cli(masked)),
            write_json(to_api(masked)),
            *(finding.text for finding in validate(definition, Limits(), ()).found),
            *evaluated(definition),
        ]
    )


@settings(deadline=None, max_examples=60)
@given(SECRETS)
@example('hun"ter\\zwei')
@example("#{oops HIDDEN")
@example("né3")
@example("Ж")
def test_a_secret_is_shown_nowhere(secret: str) -> None:
    text, plain = shown(secret), shown(REFERENCE)
    for spelled in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}:
        # What stands there with any other secret is not told by this one.
        assert spelled in plain or spelled not in text


@settings(deadline=None, max_examples=60)
@given(SECRETS)
@example("#{oops HIDDEN")
def test_a_template_with_a_secret_is_written_as_it_was(secret: str) -> None:
    definition = read_definition(template(secret))
    written = to_cloudformation(NamedDefinition(definition, "api"))
    assert read_definition(write_json(written)) == definition
    assert written["Parameters"] == json.loads(template(secret))["Parameters"]
    assert written["Conditions"] == json.loads(template(secret))["Conditions"]
