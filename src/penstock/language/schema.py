"""A JSON Schema of the command line's form of a definition, for editors that complete and check.

It is generated from the catalogue and lies beside this file as `pipeline.schema.json`. What it
refuses, validation refuses too; the reverse does not hold, since a schema knows neither what a
reference leads to nor what an object inherits. So nothing is required but `id`.

The schema is of draft 2020-12 by its own word, and keeps to what draft 7 has too, which is what
editors complete by. Choices made for them, tried out with Visual Studio Code's language service:

- Which fields an object has is told by `if` its `type` is such, `then` it has those. With `oneOf`
  editors complain of every type that an object is not.
- Each type lists all its fields, shared ones by `$ref`, and forbids others. `additionalProperties`
  sees no fields that stand in another schema.
- Alternatives of a value are `anyOf`: a word in any case passes by its pattern, and an `enum`
  beside it is what is offered. `if` is not looked into where no value is yet.
- Of alternatives that all fail, the first tells its complaint, so the clearest stands first.
- `enumDescriptions`, `defaultSnippets`, `errorMessage`, `patternErrorMessage` and
  `deprecationMessage` are Visual Studio Code's; others pass over them.
"""

import json
from collections.abc import Iterable

from msgspec.structs import replace

from penstock.language.catalogue import FieldType, ObjectType, all_types, fields_of_any_type
from penstock.language.descriptions import descriptions, field_sentence
from penstock.language.periods import UNITS

Schema = dict[str, object]

SCHEMA_FILE = "pipeline.schema.json"
"""Name of the generated file, beside this module."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_EXPRESSION = r"#\{"
_USER_FIELD = r"^\*?my[^a-z]"
"""Wider than what a user field is, which depends on what Unicode calls a capital letter."""

_REFERENCE_SNIPPET: Schema = {"defaultSnippets": [{"label": '{"ref": id}', "body": {"ref": "$1"}}]}
_TEXT_SNIPPET: Schema = {"defaultSnippets": [{"label": '""', "body": "$1"}]}
"""What is put in behind a field's name; a field with a default has that instead."""

_PARAMETER_TYPES = ("String", "Integer", "Double", "AWS::S3::ObjectKey")
_PARAMETER_ATTRIBUTES = {
    "description": "What the parameter is for.",
    "optional": "Whether the parameter may be left without a value.",
    "default": "The value where none is given.",
    "allowedValues": "All values that may be given.",
    "isArray": "Whether it may have several values.",
    "watermark": "What a form shows in the empty field.",
    "helpText": "A longer explanation.",
    "helpLink": "Where to read on.",
}


def schema_text() -> str:
    """What stands in the file."""
    return json.dumps(definition_schema(), indent=1, ensure_ascii=False) + "\n"


def definition_schema() -> Schema:
    """The whole schema, ready for a JSON encoder."""
    fields = _fields()
    return {
        "$schema": _DRAFT,
        "title": "Pipeline definition",
        "description": "A pipeline definition as `penstock validate` and the AWS CLI read it.",
        "type": "object",
        "required": ["objects"],
        "properties": {
            "metadata": {"description": "Anything; it is not looked at."},
            "objects": {"type": "array", "items": _ref("object")},
            "parameters": {"type": "array", "items": _ref("parameter")},
            "values": {
                "description": "Values of parameters, by their ids.",
                "type": "object",
                "additionalProperties": _ref("attribute"),
            },
        },
        "$defs": {**_values(), **_parameter(), **_objects(fields), **fields},
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _one_or_several(*alternatives: Schema) -> Schema:
    items = alternatives[0] if len(alternatives) == 1 else {"anyOf": list(alternatives)}
    return {"anyOf": [*alternatives, {"type": "array", "items": items}]}


def _pattern(pattern: str, wanted: str) -> Schema:
    """Texts of a pattern, or with an expression in them."""
    return {
        "type": "string",
        "pattern": f"{pattern}|{_EXPRESSION}",
        "patternErrorMessage": f"This must be {wanted}, or have an expression #{{...}} in it.",
    }


def _any_case(words: Iterable[str]) -> str:
    """A pattern for any of the words, in any case; `(?i)` is not known to all who read schemas."""
    return "|".join(
        "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in word) for word in words
    )


def _values() -> Schema:
    """The kinds of values, each alone or several in a list."""
    unit = _any_case(UNITS)
    count_and_unit = rf"[0-9]{{1,8}}\s+({unit})[sS]?"
    period = "a period such as '15 minutes'"
    return {
        "scalar": {"type": ["string", "number", "boolean"]},
        "reference": {
            "type": "object",
            "required": ["ref"],
            "properties": {"ref": {"description": "The id of an object.", **_ref("scalar")}},
            "additionalProperties": False,
            "errorMessage": 'A reference is written {"ref": "id of an object"}.',
            **_REFERENCE_SNIPPET,
        },
        "attribute": _one_or_several(_ref("scalar")),
        "anything": _one_or_several(_ref("scalar"), _ref("reference")),
        "kind.string": _one_or_several(_ref("scalar")),
        "kind.reference": _one_or_several(_ref("reference")),
        "kind.integer": _one_or_several(
            _pattern(r"^\s*[+-]?[0-9]{1,18}\s*$", "a whole number"), {"type": "integer"}
        ),
        "kind.double": _one_or_several(_number(), {"type": "number"}),
        "kind.boolean": _one_or_several(
            {"enum": ["true", "false"]},
            {"type": "boolean"},
            _pattern(rf"^\s*({_any_case(('true', 'false'))})\s*$", "true or false"),
        ),
        "kind.datetime": _one_or_several(
            _pattern(r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", "a date such as '2026-01-31T14:00:00'")
        ),
        "kind.period": _one_or_several(_pattern(rf"^\s*{count_and_unit}\s*$", period)),
        "kind.period.schedule": _one_or_several(
            _pattern(rf"^\s*({count_and_unit}|{_any_case(('ONDEMAND_PERIOD',))})\s*$", period)
        ),
        "kind.period.hours": _one_or_several(
            _pattern(rf"^\s*({count_and_unit}|[0-9]{{1,8}})\s*$", "a period such as '2 hours'"),
            {"type": "integer"},
        ),
    }


def _number(words: Iterable[str] = ()) -> Schema:
    # Any spelling of Python's: letters only for an exponent.
    number = r"^[^A-Za-z]*([eE][^A-Za-z]*)?$"
    named = "".join(rf"|^\s*{_any_case([word])}\s*$" for word in words)
    return _pattern(number + named, " or ".join(["a number", *(repr(word) for word in words)]))


def _kind(key: str, field: FieldType) -> Schema:
    """The schema of a field's values."""
    if key == "period":
        return _ref("kind.period.schedule")
    if key == "terminateAfter":
        return _ref("kind.period.hours")
    if not field.values:
        return _ref(f"kind.{'string' if field.kind == 'enumeration' else field.kind}")
    offered: Schema = {"enum": list(field.values)}
    if field.kind == "string":
        return _one_or_several(offered, _ref("scalar"))
    if field.kind == "double":
        return _one_or_several(offered, {"type": "number"}, _number(field.values))
    wanted = " or ".join(repr(word) for word in field.values)
    return _one_or_several(offered, _pattern(rf"^\s*({_any_case(field.values)})\s*$", wanted))


def _field(type_name: str, key: str, field: FieldType) -> Schema:
    """A field with what an editor tells of it."""
    notes = [field_sentence(type_name, key)]
    if field.default:
        notes.append(f"Default: {field.default!r}.")
    hint = _hint(field)
    if hint:
        notes.append(hint)
    schema: Schema = {"description": _plain(" ".join(notes)), **_kind(key, field)}
    if field.default:
        schema["default"] = field.default
    else:
        schema.update(_REFERENCE_SNIPPET if field.kind == "reference" else _TEXT_SNIPPET)
    if hint:
        schema.update(deprecated=True, deprecationMessage=hint)
    return schema


def _hint(field: FieldType) -> str:
    if field.unused:
        return f"This means nothing here. {field.unused}"
    return f"This is deprecated. {field.deprecated}" if field.deprecated else ""


def _plain(markdown: str) -> str:
    return markdown.replace("`", "'")


def _given(fields: dict[str, FieldType]) -> dict[str, FieldType]:
    """The fields that a definition may give."""
    return {key: fields[key] for key in sorted(fields, key=str.lower) if _may_be_given(fields[key])}


def _may_be_given(field: FieldType) -> bool:
    return field.presence != "forbidden" and not field.set_by_service


def _fields() -> Schema:
    """Every field once, and again for each type that means or takes something else."""
    fields: Schema = {f"field.{key}": _field("", key, field) for key, field in _shared().items()}
    for object_type in all_types().values():
        for key, field in _given(object_type.fields).items():
            schema = _field(object_type.name, key, field)
            if fields[f"field.{key}"] != schema:
                fields[_special(object_type, key)] = schema
    return dict(sorted(fields.items()))


def _special(object_type: ObjectType, key: str) -> str:
    return f"field.{object_type.name}.{key}"


def _shared() -> dict[str, FieldType]:
    """Each field as an object without a type may have it: as most types that use it see it."""
    shared: dict[str, FieldType] = {}
    for key in _given(fields_of_any_type()):
        seen = [t.fields[key] for t in all_types().values() if key in t.fields]
        given = [field for field in seen if _may_be_given(field)]
        used = [field for field in given if not (field.unused or field.deprecated)] or given
        agreed = len({field.default for field in used}) == 1
        shared[key] = used[0] if agreed else replace(used[0], default="")
    return shared


def _objects(fields: Schema) -> Schema:
    """An object: by its type, or as Default and abstract parents are, with any type's fields."""
    types = sorted(all_types().values(), key=lambda each: each.name.lower())
    untyped = {"if": {"not": {"required": ["type"]}}, "then": _ref("untyped")}
    typed = [
        {
            "if": {
                "required": ["type"],
                "properties": {"type": {"type": "string", "pattern": f"^({_any_case([name])})$"}},
            },
            "then": _ref(target),
        }
        for name, target in [("Default", "untyped"), *((t.name, f"type.{t.name}") for t in types)]
    ]
    return {
        "object": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"description": "What references name it by.", **_ref("scalar")},
                "name": {"description": "What people see; the id if absent.", **_ref("scalar")},
            },
            "if": {"required": ["id"], "properties": {"id": {"const": "Default"}}},
            "then": _ref("untyped"),
            "else": {"properties": {"type": _ref("type")}, "allOf": [untyped, *typed]},
        },
        "type": _type(types),
        "untyped": {
            "properties": {
                "id": True,
                "name": True,
                "type": True,
                **{key: _ref(f"field.{key}") for key in _shared()},
            },
            "additionalProperties": _ref("anything"),
        },
        **{f"type.{each.name}": _of_type(each, fields) for each in types},
    }


def _type(types: list[ObjectType]) -> Schema:
    names = [each.name for each in types]
    sentences = [descriptions().types[name] for name in names]
    written: Schema = {
        "type": "string",
        "pattern": f"^({_any_case([*names, 'Default'])})$",
        "patternErrorMessage": "There is no such type.",
    }
    return {
        "description": "The kind of object. Objects without one are parents of others.",
        "anyOf": [
            {"enum": names, "enumDescriptions": [_plain(sentence) for sentence in sentences]},
            written,
            {"type": "array", "maxItems": 1, "items": written},
        ],
    }


def _of_type(object_type: ObjectType, fields: Schema) -> Schema:
    properties: Schema = {"id": True, "name": True, "type": True}
    for key in _given(object_type.fields):
        special = _special(object_type, key)
        properties[key] = _ref(special if special in fields else f"field.{key}")
    return {
        "description": _plain(descriptions().types[object_type.name]),
        "properties": properties,
        "patternProperties": {_USER_FIELD: _ref("anything")},
        "additionalProperties": False,
    }


def _parameter() -> Schema:
    return {
        "parameter": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {
                    "description": "Its name: 'my' and a capital letter; '*my' for a secret.",
                    **_ref("scalar"),
                },
                "type": {
                    "description": "The kind of its values; String unless given.",
                    **_one_or_several({"enum": list(_PARAMETER_TYPES)}, _ref("scalar")),
                },
                **{
                    key: {"description": sentence, **_ref("attribute")}
                    for key, sentence in _PARAMETER_ATTRIBUTES.items()
                },
            },
            "additionalProperties": _ref("attribute"),
        }
    }
