"""Parameters and their values in files of their own, as the AWS CLI takes them.

`--parameter-objects` and `--parameter-values-uri` of `aws datapipeline put-pipeline-definition`
name such files: `{"parameters": […]}`, `{"values": {…}}`, the API's members, or bare lists of them.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from penstock.language.forms.api import from_api
from penstock.language.forms.cli_file import from_cli
from penstock.language.forms.json_text import read_json
from penstock.language.forms.shapes import mapping_of
from penstock.language.forms.texts import decoded
from penstock.model.definition import Definition, ParameterValue
from penstock.model.errors import DefinitionError

PARAMETER_KEYS = frozenset({"parameters", "values", "parameterObjects", "parameterValues"})


def read_parameters(text: str | bytes) -> Definition:
    """The parameters and values of such a file, as a definition without objects.

    Raises DefinitionError for anything else.
    """
    document = read_json(decoded(text))
    if isinstance(document, list):
        document = _named(document)
    members = mapping_of(document, "the file of parameters")
    if "parameters" in members or "values" in members:
        return from_cli({key: members[key] for key in ("parameters", "values") if key in members})
    if "parameterObjects" in members or "parameterValues" in members:
        return from_api({**members, "pipelineObjects": []})
    raise DefinitionError(
        "the file has no parameters in it: it must be a JSON object with 'parameters' or 'values',"
        " or 'parameterObjects' or 'parameterValues'"
    )


def _named(listed: Sequence[object]) -> dict[str, object]:
    """A bare list under the name that its members belong to."""
    given = [each for each in listed if isinstance(each, dict)]
    if any("attributes" in each for each in given):
        return {"parameterObjects": listed}
    if any("stringValue" in each for each in given):
        return {"parameterValues": listed}
    return {"parameters": listed}


def with_parameters(definition: Definition, more: Definition) -> Definition:
    """The definition with the parameters and values of another, which win, id by id."""
    declared = {each.id for each in more.parameter_objects}
    kept = tuple(each for each in definition.parameter_objects if each.id not in declared)
    return replace(
        definition,
        parameter_objects=kept + more.parameter_objects,
        parameter_values=with_values(definition.parameter_values, more.parameter_values),
    )


def with_values(
    known: tuple[ParameterValue, ...], given: tuple[ParameterValue, ...]
) -> tuple[ParameterValue, ...]:
    """Values given replace those known, id by id: a list replaces a whole list."""
    named = {value.id for value in given}
    return tuple(value for value in known if value.id not in named) + given
