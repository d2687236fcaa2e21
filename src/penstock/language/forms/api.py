"""The API's form: `pipelineObjects`, `parameterObjects`, `parameterValues`.

As in PutPipelineDefinition's request and GetPipelineDefinition's answer, whose other members
(`pipelineId`, an SDK's `ResponseMetadata`) say nothing about the definition and are ignored.
"""

from collections.abc import Mapping

from penstock.language.forms.shapes import mapping_of, member_of, members_of, text_of
from penstock.model.definition import (
    Definition,
    Field,
    ParameterAttribute,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.errors import DefinitionError


def from_api(document: object) -> Definition:
    """A definition from the API's members, already decoded from JSON.

    A missing name is the id. Raises DefinitionError, with the place.
    """
    top = mapping_of(document, "the definition")
    return Definition(
        tuple(_object(each, where) for each, where in members_of(top, "pipelineObjects")),
        tuple(_parameter(each, where) for each, where in members_of(top, "parameterObjects")),
        tuple(
            ParameterValue(member_of(each, "id", where), member_of(each, "stringValue", where))
            for each, where in members_of(top, "parameterValues")
        ),
    )


def _object(members: Mapping[str, object], where: str) -> PipelineObject:
    object_id = member_of(members, "id", where)
    where = f"object {object_id!r}"
    name = text_of(members["name"], f"{where}, 'name'") if "name" in members else object_id
    fields = tuple(_field(each, place) for each, place in members_of(members, "fields", where))
    return PipelineObject(object_id, name, fields)


def _field(members: Mapping[str, object], where: str) -> Field:
    key = member_of(members, "key", where)
    given = [name for name in ("stringValue", "refValue") if members.get(name) is not None]
    if len(given) != 1:
        raise DefinitionError(
            f"{where} ({key!r}): exactly one of 'stringValue' and 'refValue' is needed"
        )
    value = text_of(members[given[0]], f"{where} ({key!r})")
    return Field(key, value) if given[0] == "stringValue" else Field(key, ref_value=value)


def _parameter(members: Mapping[str, object], where: str) -> ParameterObject:
    parameter_id = member_of(members, "id", where)
    attributes = tuple(
        ParameterAttribute(member_of(each, "key", place), member_of(each, "stringValue", place))
        for each, place in members_of(members, "attributes", f"parameter {parameter_id!r}")
    )
    return ParameterObject(parameter_id, attributes)


def to_api(definition: Definition) -> dict[str, object]:
    """The API's members for a definition, ready for a JSON encoder.

    `parameterObjects` and `parameterValues` are left out when there are none.
    """
    document: dict[str, object] = {
        "pipelineObjects": [
            {"id": each.id, "name": each.name, "fields": [_written(field) for field in each.fields]}
            for each in definition.pipeline_objects
        ]
    }
    if definition.parameter_objects:
        document["parameterObjects"] = [
            {
                "id": each.id,
                "attributes": [
                    {"key": a.key, "stringValue": a.string_value} for a in each.attributes
                ],
            }
            for each in definition.parameter_objects
        ]
    if definition.parameter_values:
        document["parameterValues"] = [
            {"id": each.id, "stringValue": each.string_value}
            for each in definition.parameter_values
        ]
    return document


def _written(field: Field) -> dict[str, str]:
    if field.ref_value is not None:
        return {"key": field.key, "refValue": field.ref_value}
    return {"key": field.key, "stringValue": field.string_value or ""}
