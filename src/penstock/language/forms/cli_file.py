"""The command line's file form.

`{"objects": [{"id", "name"?, field: value | {"ref": id} | [several]}], "parameters": [{"id",
attribute: value}], "values": {id: value | [values]}}`. Fields keep their order; JSON numbers and
booleans are taken as their strings. Source: guide, "Pipeline Definition File Syntax".
"""

from collections.abc import Iterable, Iterator

from penstock.language.forms.shapes import list_of, mapping_of, member_of, quoted, text_of
from penstock.model.definition import (
    Definition,
    Field,
    ParameterAttribute,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.errors import DefinitionError

TOP_LEVEL = ("objects", "parameters", "values")
"""The keys of the form; others at the top, such as `metadata`, are not part of the definition."""

_OBJECT_MEMBERS = ("id", "name")


def from_cli(document: object) -> Definition:
    """A definition from the command line's form, already decoded from JSON.

    A missing name is the id; empty lists are absent fields; other top-level keys are ignored.
    Raises DefinitionError, with the place.
    """
    top = mapping_of(document, "the definition")
    objects = list_of(top.get("objects", []), "objects")
    parameters = list_of(top.get("parameters", []), "parameters")
    values = mapping_of(top.get("values", {}), "values")
    return Definition(
        tuple(_object(each, f"objects[{at}]") for at, each in enumerate(objects)),
        tuple(_parameter(each, f"parameters[{at}]") for at, each in enumerate(parameters)),
        tuple(
            ParameterValue(key, text_of(value, f"values.{key}"))
            for key, given in values.items()
            for value in _several(given)
        ),
    )


def _object(document: object, where: str) -> PipelineObject:
    members = mapping_of(document, where)
    object_id = member_of(members, "id", where)
    where = f"object {object_id!r}"
    name = text_of(members["name"], f"{where}, 'name'") if "name" in members else object_id
    fields = tuple(
        _field(key, value, f"{where}, field {key!r}")
        for key, given in members.items()
        if key not in _OBJECT_MEMBERS
        for value in _several(given)
    )
    return PipelineObject(object_id, name, fields)


def _field(key: str, value: object, where: str) -> Field:
    if not isinstance(value, dict):
        return Field(key, string_value=text_of(value, where))
    if key == "fields" and "key" in value:
        raise DefinitionError(
            f"{where}: lists of 'key' with 'stringValue' or 'refValue' are the API's form; there "
            "'objects' is called 'pipelineObjects', 'parameters' 'parameterObjects', and 'values' "
            "'parameterValues'"
        )
    if list(value) != ["ref"]:
        raise DefinitionError(f'{where}: a reference is {{"ref": id}}, not {quoted(value)}')
    return Field(key, ref_value=text_of(value["ref"], where))


def _parameter(document: object, where: str) -> ParameterObject:
    members = mapping_of(document, where)
    parameter_id = member_of(members, "id", where)
    where = f"parameter {parameter_id!r}"
    attributes = tuple(
        ParameterAttribute(key, text_of(value, f"{where}, attribute {key!r}"))
        for key, given in members.items()
        if key != "id"
        for value in _several(given)
    )
    return ParameterObject(parameter_id, attributes)


def _several(given: object) -> list[object]:
    return given if isinstance(given, list) else [given]


def to_cli(definition: Definition) -> dict[str, object]:
    """The command line's form of a definition, ready for a JSON encoder.

    Several values of a key become a list at the place of the first. `parameters` and `values` are
    left out when there are none, and so is what `cli_losses` names.
    """
    document: dict[str, object] = {
        "objects": [
            {"id": each.id, "name": each.name, **_grouped(_values(each))}
            for each in definition.pipeline_objects
        ]
    }
    if definition.parameter_objects:
        document["parameters"] = [
            {"id": each.id, **_grouped(_attributes(each))} for each in definition.parameter_objects
        ]
    if definition.parameter_values:
        document["values"] = _grouped((v.id, v.string_value) for v in definition.parameter_values)
    return document


def cli_losses(definition: Definition) -> list[str]:
    """What a definition has that the command line's form cannot spell, a sentence each.

    In that form `id` and `name` stand beside the fields, so no field can have their names.
    """
    fields = [
        f"object {each.id!r}: the field {field.key!r} cannot be written in the command line's form"
        for each in definition.pipeline_objects
        for field in each.fields
        if field.key in _OBJECT_MEMBERS
    ]
    attributes = [
        f"parameter {each.id!r}: the attribute 'id' cannot be written in the command line's form"
        for each in definition.parameter_objects
        for attribute in each.attributes
        if attribute.key == "id"
    ]
    return fields + attributes


def _values(each: PipelineObject) -> Iterator[tuple[str, object]]:
    for field in each.fields:
        if field.key not in _OBJECT_MEMBERS:
            reference = field.ref_value is not None
            yield field.key, {"ref": field.ref_value} if reference else field.string_value or ""


def _attributes(each: ParameterObject) -> Iterator[tuple[str, object]]:
    return ((a.key, a.string_value) for a in each.attributes if a.key != "id")


def _grouped(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    grouped: dict[str, list[object]] = {}
    for key, value in pairs:
        grouped.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in grouped.items()}
