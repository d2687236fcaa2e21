"""A definition as a CloudFormation template.

A parameter that came from an intrinsic (`unknowns.py`) becomes that intrinsic again, if reading
the template then gives the same definition; otherwise it is written as the parameter that it is.
So nothing is lost either way.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from penstock.language.forms.cloudformation import RESOURCE_TYPE, from_cloudformation
from penstock.language.forms.embedding import Restorable, extract
from penstock.language.forms.intrinsics import (
    Pieces,
    Resolver,
    Template,
    Unknown,
    function_of,
    joined,
    may_be_dynamic,
    names_in,
)
from penstock.language.forms.named import NamedDefinition
from penstock.language.forms.unknowns import named, restored, withheld
from penstock.model.definition import Definition, Field, ParameterObject
from penstock.model.errors import DefinitionError

FORMAT_VERSION = "2010-09-09"
LABEL = "Pipeline"

_NOT_LOGICAL = re.compile(r"[^A-Za-z0-9]+")
_SIMPLE_NAME = re.compile(r"[A-Za-z0-9:]+")
_BRACED = re.compile(r"\$\{([^}]*)\}")


def to_cloudformation(pipeline: NamedDefinition) -> dict[str, object]:
    """A template with the one pipeline, ready for a JSON or YAML encoder.

    A pipeline needs a name in a template; one without is called by its label, or `Pipeline`.
    """
    own = _restorable(pipeline.definition)
    while own:
        template = _template(pipeline, own)
        unused = _unused(pipeline.definition, own)
        if not unused and _reads_the_same(template, pipeline.definition):
            return template
        # What is used by nothing would vanish. If that is not what is wrong, nothing is restored.
        own = {key: each for key, each in own.items() if key not in unused} if unused else {}
    return _template(pipeline, {})


def missing_resources(template: Mapping[str, object]) -> list[str]:
    """Names that a written template refers to but does not declare: the resources around it."""
    parameters = template.get("Parameters")
    declared = set(parameters) if isinstance(parameters, dict) else set()
    found = (
        name
        for kind, name in names_in([template.get("Resources"), template.get("Conditions")])
        if kind in ("Ref", "GetAtt") and not name.startswith("AWS::") and name not in declared
    )
    return list(dict.fromkeys(found))


class _Own(Restorable, frozen=True):
    """An intrinsic with the sections of the template that it needs."""

    template: Template = Template()


def _restorable(definition: Definition) -> dict[str, _Own]:
    """The parameters that intrinsics can stand for again: unchanged, and without a value."""
    valued = {value.id for value in definition.parameter_values}
    secrets = withheld(definition.parameter_objects)
    found = {}
    for parameter in definition.parameter_objects:
        intrinsic = restored(parameter, secrets) if parameter.id not in valued else None
        if intrinsic is not None:
            found[parameter.id] = _Own(intrinsic[0], named(parameter).numeric, intrinsic[1])
    return found


def _unused(definition: Definition, own: Mapping[str, _Own]) -> set[str]:
    used = {
        piece
        for text in _texts(definition, own)
        for piece in extract(text, own)
        if isinstance(piece, Unknown)
    }
    return {key for key, each in own.items() if Unknown(each.intrinsic) not in used}


def _texts(definition: Definition, own: Mapping[str, _Own]) -> Iterator[str]:
    for item in definition.pipeline_objects:
        yield from (field.string_value for field in item.fields if field.string_value)
    yield from (value.string_value for value in definition.parameter_values)
    for parameter in definition.parameter_objects:
        if parameter.id not in own:
            yield from (attribute.string_value for attribute in parameter.attributes)


def _reads_the_same(template: Mapping[str, object], definition: Definition) -> bool:
    try:
        (read,) = from_cloudformation(template)
    except (DefinitionError, ValueError):
        return False
    return _in_order(read.definition) == _in_order(definition)


def _in_order(definition: Definition) -> Definition:
    # The order of declarations means nothing, and intrinsics are met in an order of their own.
    ordered = sorted(definition.parameter_objects, key=lambda parameter: parameter.id)
    return replace(definition, parameter_objects=tuple(ordered))


def _template(pipeline: NamedDefinition, own: Mapping[str, _Own]) -> dict[str, object]:
    resource = {"Type": RESOURCE_TYPE, "Properties": _properties(pipeline, own)}
    return {
        "AWSTemplateFormatVersion": FORMAT_VERSION,
        **_sections(own),
        "Resources": {logical_id(pipeline.label or pipeline.name or LABEL): resource},
    }


def logical_id(text: str) -> str:
    """The text as a resource's logical id: letters and digits."""
    words = _NOT_LOGICAL.sub(" ", text.rpartition(".")[2]).split()
    return "".join(word[:1].upper() + word[1:] for word in words) or LABEL


def _sections(own: Mapping[str, _Own]) -> dict[str, object]:
    sections: dict[str, dict[str, object]] = {"Parameters": {}, "Mappings": {}, "Conditions": {}}
    for each in own.values():
        sections["Parameters"].update(each.template.parameters)
        sections["Mappings"].update(each.template.mappings)
        sections["Conditions"].update(each.template.conditions)
    return {key: section for key, section in sections.items() if section}


def _properties(pipeline: NamedDefinition, own: Mapping[str, _Own]) -> dict[str, object]:
    definition = pipeline.definition
    properties: dict[str, object] = {"Name": pipeline.name or pipeline.label or LABEL}
    if pipeline.description:
        properties["Description"] = pipeline.description
    if pipeline.activate is not None:
        properties["Activate"] = pipeline.activate
    if pipeline.tags:
        properties["PipelineTags"] = [{"Key": t.key, "Value": t.value} for t in pipeline.tags]
    # Required by CloudFormation, so written even when there are none.
    properties["ParameterObjects"] = [
        _parameter(each, own) for each in definition.parameter_objects if each.id not in own
    ]
    if definition.parameter_values:
        properties["ParameterValues"] = [
            {"Id": _plain(each.id), "StringValue": _value(each.string_value, own)}
            for each in definition.parameter_values
        ]
    properties["PipelineObjects"] = [
        {
            "Id": _plain(each.id),
            "Name": _plain(each.name),
            "Fields": [_field(field, own) for field in each.fields],
        }
        for each in definition.pipeline_objects
    ]
    return properties


def _parameter(parameter: ParameterObject, own: Mapping[str, _Own]) -> dict[str, object]:
    return {
        "Id": _plain(parameter.id),
        "Attributes": [
            {"Key": _plain(each.key), "StringValue": _value(each.string_value, own)}
            for each in parameter.attributes
        ],
    }


def _field(field: Field, own: Mapping[str, _Own]) -> dict[str, object]:
    if field.ref_value is not None:
        return {"Key": _plain(field.key), "RefValue": _plain(field.ref_value)}
    return {"Key": _plain(field.key), "StringValue": _value(field.string_value or "", own)}


def _value(text: str, own: Mapping[str, _Own]) -> object:
    """A text, or the intrinsic that yields it."""
    pieces = extract(text, own) if own else (text,)
    if len(pieces) == 1 and isinstance(pieces[0], Unknown):
        return pieces[0].intrinsic
    if any(isinstance(piece, Unknown) for piece in pieces):
        substitution = {"Fn::Sub": _substitution(pieces)}
        return substitution if _yields(substitution, pieces) else _join(pieces)
    return _plain(text)


def _plain(text: str) -> object:
    """A text that is meant as it is written."""
    return _join((text,)) if may_be_dynamic(text) else text


def _yields(value: object, pieces: Pieces) -> bool:
    try:
        return Resolver(Template()).text(value, "") == joined(pieces)
    except DefinitionError:
        return False


def _substitution(pieces: Pieces) -> object:
    """The argument of `Fn::Sub`: with variables of its own for what has no short spelling."""
    text = ""
    variables: dict[str, object] = {}
    for piece in pieces:
        if isinstance(piece, str):
            text += _BRACED.sub(r"${!\1}", piece)
        else:
            text += _short(piece.intrinsic) or _variable(piece.intrinsic, variables)
    return [text, variables] if variables else text


def _short(intrinsic: object) -> str | None:
    if isinstance(intrinsic, str):
        return intrinsic  # a dynamic reference stands in any text
    name, argument = function_of(intrinsic) or ("", None)
    if name == "Ref" and isinstance(argument, str) and _SIMPLE_NAME.fullmatch(argument):
        return f"${{{argument}}}"
    if name == "GetAtt" and isinstance(argument, list):
        words = [word for word in argument if isinstance(word, str)]
        if len(words) == len(argument) == 2 and _SIMPLE_NAME.fullmatch(words[0]):
            return f"${{{words[0]}.{words[1]}}}"
    return None


def _variable(intrinsic: object, variables: dict[str, object]) -> str:
    known = [name for name, each in variables.items() if each == intrinsic]
    name = known[0] if known else f"Value{len(variables) + 1}"
    variables[name] = intrinsic
    return f"${{{name}}}"


def _join(pieces: Pieces) -> dict[str, object]:
    """Parts put together: for texts that a template would otherwise take as something else."""
    parts: list[object] = []
    for piece in pieces:
        if isinstance(piece, Unknown):
            parts.append(piece.intrinsic)
        else:
            parts.extend(re.split(r"(?<=\{)(?=\{)", piece))
    return {"Fn::Join": ["", parts]}
