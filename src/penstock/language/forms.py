"""The two JSON forms of a definition: the command line's file and the API's members.

CLI file: `{"objects": [{"id", "name"?, field: value | {"ref": id} | [several]}], "parameters":
[{"id", attribute: value}], "values": {id: value | [values]}}`. API: `pipelineObjects`,
`parameterObjects`, `parameterValues`. Both are read; fields keep their order; JSON numbers and
booleans are taken as their strings. Errors are DefinitionErrors that say where and what.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from penstock.language.wording import shorten
from penstock.model.definition import (
    Definition,
    Field,
    ParameterAttribute,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.errors import DefinitionError

_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def read_definition(text: str | bytes) -> Definition:
    """A definition from JSON text in either form, told apart by its keys.

    Raises DefinitionError for anything else, with the place.
    """
    document = _read_json(text)
    if isinstance(document, dict) and "pipelineObjects" in document:
        return from_api(document)
    if isinstance(document, dict) and "objects" in document:
        return from_cli(document)
    raise DefinitionError(
        "the document is no pipeline definition: it must be a JSON object with 'objects' "
        "(command line form) or 'pipelineObjects' (API form)"
    )


def _read_json(text: str | bytes) -> object:
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        # Numbers stay the text they are, so that 1.10 or a long id is not rounded on the way.
        document: object = json.loads(decoded, parse_int=str, parse_float=str, parse_constant=str)
        return document
    except json.JSONDecodeError as error:
        raise DefinitionError(
            f"the text is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from error
    except UnicodeDecodeError as error:
        raise DefinitionError(f"the text is not UTF-8: byte {error.start} does not fit") from error
    except RecursionError as error:
        raise DefinitionError("the JSON is nested too deeply to be a definition") from error


def from_cli(document: object) -> Definition:
    """A definition from the command line's form, already decoded from JSON.

    A missing name is the id; empty lists are absent fields; other top-level keys are ignored.
    """
    top = _mapping(document, "the definition")
    objects = _list(top.get("objects", []), "objects")
    parameters = _list(top.get("parameters", []), "parameters")
    values = _mapping(top.get("values", {}), "values")
    return Definition(
        tuple(_cli_object(each, f"objects[{at}]") for at, each in enumerate(objects)),
        tuple(_cli_parameter(each, f"parameters[{at}]") for at, each in enumerate(parameters)),
        tuple(
            ParameterValue(key, _text(value, f"values.{key}"))
            for key, given in values.items()
            for value in _several(given)
        ),
    )


def _cli_object(document: object, where: str) -> PipelineObject:
    members = _mapping(document, where)
    object_id = _id(members, where)
    where = f"object {object_id!r}"
    name = _text(members["name"], f"{where}, 'name'") if "name" in members else object_id
    fields = tuple(
        _cli_field(key, value, f"{where}, field {key!r}")
        for key, given in members.items()
        if key not in ("id", "name")
        for value in _several(given)
    )
    return PipelineObject(object_id, name, fields)


def _cli_field(key: str, value: object, where: str) -> Field:
    if not isinstance(value, dict):
        return Field(key, string_value=_text(value, where))
    if list(value) != ["ref"]:
        raise DefinitionError(f'{where}: a reference is {{"ref": id}}, not {_quoted(value)}')
    return Field(key, ref_value=_text(value["ref"], where))


def _cli_parameter(document: object, where: str) -> ParameterObject:
    members = _mapping(document, where)
    parameter_id = _id(members, where)
    where = f"parameter {parameter_id!r}"
    attributes = tuple(
        ParameterAttribute(key, _text(value, f"{where}, attribute {key!r}"))
        for key, given in members.items()
        if key != "id"
        for value in _several(given)
    )
    return ParameterObject(parameter_id, attributes)


def from_api(document: object) -> Definition:
    """A definition from the API's members, already decoded from JSON."""
    top = _mapping(document, "the definition")
    return Definition(
        tuple(_api_object(each, where) for each, where in _members(top, "pipelineObjects")),
        tuple(_api_parameter(each, where) for each, where in _members(top, "parameterObjects")),
        tuple(
            ParameterValue(_id(each, where), _member(each, "stringValue", where))
            for each, where in _members(top, "parameterValues")
        ),
    )


def _api_object(members: Mapping[str, object], where: str) -> PipelineObject:
    object_id = _id(members, where)
    where = f"object {object_id!r}"
    name = _text(members["name"], f"{where}, 'name'") if "name" in members else object_id
    fields = tuple(_api_field(each, place) for each, place in _members(members, "fields", where))
    return PipelineObject(object_id, name, fields)


def _api_field(members: Mapping[str, object], where: str) -> Field:
    key = _member(members, "key", where)
    given = [name for name in ("stringValue", "refValue") if members.get(name) is not None]
    if len(given) != 1:
        raise DefinitionError(
            f"{where} ({key!r}): exactly one of 'stringValue' and 'refValue' is needed"
        )
    value = _text(members[given[0]], f"{where} ({key!r})")
    return Field(key, value) if given[0] == "stringValue" else Field(key, ref_value=value)


def _api_parameter(members: Mapping[str, object], where: str) -> ParameterObject:
    parameter_id = _id(members, where)
    attributes = tuple(
        ParameterAttribute(_member(each, "key", place), _member(each, "stringValue", place))
        for each, place in _members(members, "attributes", f"parameter {parameter_id!r}")
    )
    return ParameterObject(parameter_id, attributes)


def to_cli(definition: Definition) -> dict[str, object]:
    """The command line's form of a definition, ready for a JSON encoder.

    Several values of a key become a list at the place of the first. `parameters` and `values` are
    left out when there are none.
    """
    document: dict[str, object] = {
        "objects": [
            {"id": each.id, "name": each.name, **_grouped(_cli_values(each))}
            for each in definition.pipeline_objects
        ]
    }
    if definition.parameter_objects:
        document["parameters"] = [
            {"id": each.id, **_grouped((a.key, a.string_value) for a in each.attributes)}
            for each in definition.parameter_objects
        ]
    if definition.parameter_values:
        document["values"] = _grouped((v.id, v.string_value) for v in definition.parameter_values)
    return document


def _cli_values(each: PipelineObject) -> Iterator[tuple[str, object]]:
    for field in each.fields:
        reference = field.ref_value is not None
        yield field.key, {"ref": field.ref_value} if reference else field.string_value or ""


def _grouped(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    grouped: dict[str, list[object]] = {}
    for key, value in pairs:
        grouped.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in grouped.items()}


def _several(given: object) -> list[object]:
    return given if isinstance(given, list) else [given]


def _text(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    raise DefinitionError(f"{where}: a string, number or boolean is needed, not {_quoted(value)}")


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    raise DefinitionError(f"{where}: a JSON object is needed, not {_quoted(value)}")


def _list(value: object, where: str) -> list[object]:
    if isinstance(value, list):
        return value
    raise DefinitionError(f"{where}: a list is needed, not {_quoted(value)}")


def _members(
    members: Mapping[str, object], key: str, where: str = ""
) -> Iterator[tuple[Mapping[str, object], str]]:
    """The JSON objects of a list member, each with its place."""
    path = f"{where}, {key}" if where else key
    given = members.get(key)
    for at, each in enumerate(_list([] if given is None else given, path)):
        yield _mapping(each, f"{path}[{at}]"), f"{path}[{at}]"


def _member(members: Mapping[str, object], key: str, where: str) -> str:
    if members.get(key) is None:
        raise DefinitionError(f"{where}: {key!r} is missing")
    return _text(members[key], f"{where}, {key!r}")


def _id(members: Mapping[str, object], where: str) -> str:
    return _member(members, "id", where)


def _quoted(value: object) -> str:
    return f"{_JSON_NAMES.get(type(value), 'a value')} ({shorten(repr(value), 60)})"
