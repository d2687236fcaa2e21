"""The command line's file form.

`{"objects": [{"id", "name"?, field: value | {"ref": id} | [several]}], "parameters": [{"id",
attribute: value}], "values": {id: value | [values]}}`. Fields keep their order; JSON numbers and
booleans are taken as their strings. Source: guide, "Pipeline Definition File Syntax".
"""

from collections.abc import Iterable, Iterator, Mapping

from penstock.language.forms.shapes import (
    Faults,
    entries_of,
    mapping_of,
    member_of,
    named_by,
    quoted,
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

TOP_LEVEL = ("objects", "parameters", "values")
"""The keys of the form; others at the top, such as `metadata`, are not part of the definition."""

_OBJECT_MEMBERS = ("id", "name")


def from_cli(document: object) -> Definition:
    """A definition from the command line's form, already decoded from JSON.

    A missing name is the id; empty lists are absent fields; other top-level keys are ignored.
    Raises DefinitionError, with the place.
    """
    top = mapping_of(document, "the definition")
    values = mapping_of(top.get("values", {}), "values")
    faults = Faults()
    named = named_by("id")
    read_objects = faults.each(
        entries_of(top, "objects"), lambda each, at: _object(each, at, faults), named
    )
    read_parameters = faults.each(
        entries_of(top, "parameters"), lambda each, at: _parameter(each, at, faults), named
    )
    read_values = faults.each(_entries(values, "values."), _value, lambda each, _: (each[0], None))
    faults.check()
    return Definition(read_objects, read_parameters, read_values)


def _entries(
    members: Mapping[str, object], where: str, others: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, object], str]]:
    """Each value of each member but `others`, with its key and its place."""
    for key, given in members.items():
        if key not in others:
            at = f"{where}{key}" if where.endswith(".") else f"{where} {key!r}"
            for value in _several(given):
                yield (key, value), at


def _value(entry: tuple[str, object], where: str) -> ParameterValue:
    return ParameterValue(entry[0], text_of(entry[1], where))


def _object(document: object, where: str, faults: Faults) -> PipelineObject:
    members = mapping_of(document, where)
    object_id = member_of(members, "id", where)
    where = f"object {object_id!r}"
    name = text_of(members["name"], f"{where}, 'name'") if "name" in members else object_id
    fields = faults.each(
        _entries(members, f"{where}, field", _OBJECT_MEMBERS),
        _field,
        lambda each, _: (object_id, each[0]),
    )
    return PipelineObject(object_id, name, fields)


def _field(entry: tuple[str, object], where: str) -> Field:
    key, value = entry
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


def _parameter(document: object, where: str, faults: Faults) -> ParameterObject:
    members = mapping_of(document, where)
    parameter_id = member_of(members, "id", where)
    attributes = faults.each(
        _entries(members, f"parameter {parameter_id!r}, attribute", ("id",)),
        lambda each, at: ParameterAttribute(each[0], text_of(each[1], at)),
        lambda each, _: (parameter_id, each[0]),
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
