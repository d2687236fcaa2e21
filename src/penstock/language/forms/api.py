"""The API's form: `pipelineObjects`, `parameterObjects`, `parameterValues`.

As in PutPipelineDefinition's request and GetPipelineDefinition's answer, whose other members
(`pipelineId`, an SDK's `ResponseMetadata`) say nothing about the definition and are ignored.
"""

from penstock.language.forms.shapes import (
    Faults,
    entries_of,
    mapping_of,
    member_of,
    named_by,
    part_of,
    text_of,
)
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

    A missing name is the id. Raises DefinitionError, with the places.
    """
    top = mapping_of(document, "the definition")
    faults = Faults()
    named = named_by("id")
    objects = faults.each(
        entries_of(top, "pipelineObjects"), lambda each, at: _object(each, at, faults), named
    )
    parameters = faults.each(
        entries_of(top, "parameterObjects"), lambda each, at: _parameter(each, at, faults), named
    )
    values = faults.each(entries_of(top, "parameterValues"), _value, named)
    faults.check()
    return Definition(objects, parameters, values)


def _object(document: object, where: str, faults: Faults) -> PipelineObject:
    members = mapping_of(document, where)
    object_id = member_of(members, "id", where)
    where = f"object {object_id!r}"
    name = text_of(members["name"], f"{where}, 'name'") if "name" in members else object_id
    fields = faults.each(entries_of(members, "fields", where), _field, part_of(object_id, "key"))
    return PipelineObject(object_id, name, fields)


def _field(document: object, where: str) -> Field:
    members = mapping_of(document, where)
    key = member_of(members, "key", where)
    given = [name for name in ("stringValue", "refValue") if members.get(name) is not None]
    if len(given) != 1:
        raise DefinitionError(
            f"{where} ({key!r}): exactly one of 'stringValue' and 'refValue' is needed"
        )
    value = text_of(members[given[0]], f"{where} ({key!r})")
    return Field(key, value) if given[0] == "stringValue" else Field(key, ref_value=value)


def _parameter(document: object, where: str, faults: Faults) -> ParameterObject:
    members = mapping_of(document, where)
    parameter_id = member_of(members, "id", where)
    attributes = faults.each(
        entries_of(members, "attributes", f"parameter {parameter_id!r}"),
        _attribute,
        part_of(parameter_id, "key"),
    )
    return ParameterObject(parameter_id, attributes)


def _attribute(document: object, where: str) -> ParameterAttribute:
    members = mapping_of(document, where)
    return ParameterAttribute(
        member_of(members, "key", where), member_of(members, "stringValue", where)
    )


def _value(document: object, where: str) -> ParameterValue:
    members = mapping_of(document, where)
    return ParameterValue(member_of(members, "id", where), member_of(members, "stringValue", where))


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
