"""The pipeline parameters that stand for what a template does not decide.

`!Ref LogBucket` is `my_LogBucket`, `!GetAtt Queue.Arn` is `my_Queue_Arn`; whoever runs the
definition gives them values. Each keeps its intrinsic in the attribute `cloudFormation`, and in
`cloudFormationSections` the parts of the template that the intrinsic needs, so that a template
can be written anew. The values of a secret (NoEcho) are in none of these: they stand in the
attributes of its own parameter alone, from where they are put back (`withheld`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from penstock.language.forms.embedding import Named
from penstock.language.forms.intrinsics import (
    NO_VALUE,
    Resolver,
    Template,
    canonical,
    default_of,
    function_of,
    is_list_type,
    names_in,
    shown,
)
from penstock.language.forms.shapes import text_of
from penstock.model.definition import ParameterAttribute, ParameterObject
from penstock.model.errors import DefinitionError

INTRINSIC = "cloudFormation"
SECTIONS = "cloudFormationSections"

_PREFIX = "my_"
_LONGEST_NAME = 60
_NO_NAME = re.compile(r"\W+", re.ASCII)
_SECRET_REFERENCE = re.compile(r"resolve:(secretsmanager|ssm-secure):")
_NUMBER = "Double"
_VALUES = ("Default", "AllowedValues")
_LISTS = frozenset({"GetAZs", "Split", "Cidr"})
_NAMELESS = frozenset({"Ref", "GetAtt", "ImportValue", "Condition"})


class Unknowns:
    """Parameters in the order in which their intrinsics were first met.

    `taken` are the names that the definition uses itself, without a leading `*`.
    """

    def __init__(self, template: Template, taken: Iterable[str]) -> None:
        self._template = template
        self._taken = set(taken)
        self._declared: dict[str, ParameterObject] = {}

    def named(self, intrinsic: object) -> Named:
        """The parameter of an intrinsic; equal ones share one, different ones never do."""
        key = canonical(intrinsic)
        if key not in self._declared:
            name = self._free_name(readable_name(intrinsic))
            self._declared[key] = declare(name, intrinsic, self._template)
        return named(self._declared[key])

    def parameters(self) -> tuple[ParameterObject, ...]:
        """The declarations so far."""
        return tuple(self._declared.values())

    def _free_name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def named(parameter: ParameterObject) -> Named:
    """A declared parameter as expressions name it."""
    return Named(parameter.id, parameter.attribute("type") == _NUMBER)


def readable_name(intrinsic: object) -> str:
    """A parameter's id that shows the intrinsic: what it names, or else its function."""
    name, argument = function_of(intrinsic) or ("resolve", intrinsic)
    if isinstance(intrinsic, str):
        words = [intrinsic.strip("{}")]
    elif name in _NAMELESS:
        words = [canonical(argument)]
    else:
        told = (found for _, found in names_in(intrinsic) if found != NO_VALUE["Ref"])
        words = [name, *dict.fromkeys(told)]
    readable = _NO_NAME.sub("_", "_".join(words)).strip("_")
    return _PREFIX + readable[:_LONGEST_NAME].rstrip("_")


def declare(name: str, intrinsic: object, template: Template) -> ParameterObject:
    """The parameter for an intrinsic, with what the template says of its value.

    A value that the template's defaults decide is the default; what was declared NoEcho makes a
    secret, whose id begins with `*`.
    """
    declared = _declaration(intrinsic, template)
    secret = is_secret(intrinsic, template)
    attributes = [ParameterAttribute("type", _type(declared))]
    if _is_list(intrinsic, declared):
        attributes.append(ParameterAttribute("isArray", "true"))
    attributes.append(ParameterAttribute("description", _description(intrinsic, declared)))
    attributes += [ParameterAttribute("default", each) for each in _default(intrinsic, template)]
    allowed = declared.get("AllowedValues")
    attributes += [
        ParameterAttribute("allowedValues", text_of(each, "a parameter's AllowedValues"))
        for each in (allowed if isinstance(allowed, list) else [])
    ]
    attributes.append(ParameterAttribute(INTRINSIC, canonical(intrinsic)))
    sections = needed_sections(intrinsic, template)
    if sections:
        attributes.append(ParameterAttribute(SECTIONS, canonical(sections)))
    return ParameterObject(f"*{name}" if secret else name, tuple(attributes))


def _declaration(intrinsic: object, template: Template) -> Mapping[str, object]:
    """How the template declares what the intrinsic refers to; empty if it is no parameter."""
    name, argument = function_of(intrinsic) or ("", None)
    found = template.parameter(argument) if name == "Ref" and isinstance(argument, str) else None
    return found or {}


def is_secret(intrinsic: object, template: Template) -> bool:
    """Whether the value of an intrinsic is to be shown to nobody."""
    if _SECRET_REFERENCE.search(canonical(intrinsic)):
        return True
    declared = (template.parameter(name) for kind, name in names_in(intrinsic) if kind == "Ref")
    return any(_no_echo(each) for each in declared if each is not None)


def _no_echo(declared: Mapping[str, object]) -> bool:
    return text_of(declared.get("NoEcho", False), "a parameter's NoEcho").lower() == "true"


def _type(declared: Mapping[str, object]) -> str:
    kind = str(declared.get("Type", "String"))
    inner = kind.removeprefix("List<").removesuffix(">")
    if inner == "Number":
        return _NUMBER
    return inner if inner.startswith("AWS::") and "AWS::SSM::" not in inner else "String"


def _is_list(intrinsic: object, declared: Mapping[str, object]) -> bool:
    name, _ = function_of(intrinsic) or ("", None)
    return name in _LISTS or is_list_type(str(declared.get("Type", "")))


def _description(intrinsic: object, declared: Mapping[str, object]) -> str:
    told = declared.get("Description")
    return f"{shown(intrinsic)}: {told}" if isinstance(told, str) else shown(intrinsic)


def _default(intrinsic: object, template: Template) -> list[str]:
    declared = _declaration(intrinsic, template)
    if declared:
        return default_of(declared) or []
    resolver = Resolver(template, with_defaults=True)
    try:
        pieces = resolver.text(intrinsic, "") if not isinstance(intrinsic, str) else ()
    except DefinitionError:
        return []
    known = [piece for piece in pieces if isinstance(piece, str)]
    return known if len(known) == len(pieces) == 1 else []


def needed_sections(intrinsic: object, template: Template) -> dict[str, dict[str, object]]:
    """The declarations that an intrinsic needs to be read again: by section, then by name.

    What a secret may be is left out of its declaration.
    """
    sections = {
        "Ref": ("Parameters", template.parameters),
        "FindInMap": ("Mappings", template.mappings),
        "Condition": ("Conditions", template.conditions),
    }
    needed: dict[str, dict[str, object]] = {}
    waiting = list(names_in(intrinsic))
    while waiting:
        kind, name = waiting.pop()
        section, declared = sections.get(kind, ("", {}))
        if name in declared and name not in needed.setdefault(section, {}):
            needed[section][name] = _without_values(declared[name])
            waiting.extend(names_in(declared[name]) if kind == "Condition" else ())
    return {name: dict(sorted(found.items())) for name, found in sorted(needed.items()) if found}


def _without_values(declared: object) -> object:
    if not isinstance(declared, dict) or "NoEcho" not in declared or not _no_echo(declared):
        return declared
    if default_of(declared) is None:
        return {key: value for key, value in declared.items() if key != "AllowedValues"}
    return {key: value for key, value in declared.items() if key not in _VALUES}


def withheld(parameters: Iterable[ParameterObject]) -> dict[str, dict[str, object]]:
    """What `needed_sections` leaves out, by the template's name of each secret.

    Taken from the parameters that stand for the secrets themselves.
    """
    found: dict[str, dict[str, object]] = {}
    for parameter in parameters:
        name, argument = function_of(_decoded(parameter.attribute(INTRINSIC))) or ("", None)
        if parameter.id.startswith("*") and name == "Ref" and isinstance(argument, str):
            found[argument] = _values_of(parameter)
    return found


def _values_of(parameter: ParameterObject) -> dict[str, object]:
    by_key: dict[str, list[object]] = {"default": [], "allowedValues": []}
    for each in parameter.attributes:
        by_key.get(each.key, []).append(each.string_value)
    values: dict[str, object] = {}
    if by_key["default"]:
        values["Default"] = ",".join(map(str, by_key["default"]))
    if by_key["allowedValues"]:
        values["AllowedValues"] = by_key["allowedValues"]
    return values


def _decoded(text: str | None) -> object:
    """JSON as `canonical` writes it, numbers as their text; None for anything else."""
    try:
        decoded: object = json.loads(text or "", parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return decoded


def restored(
    parameter: ParameterObject, secrets: Mapping[str, Mapping[str, object]]
) -> tuple[object, Template] | None:
    """The intrinsic that a parameter stands for, and what its template needs.

    `secrets` is what `withheld` found. None for a parameter of one's own, and for one that was
    changed since it was read from a template: what it then says would be lost.
    """
    intrinsic = _decoded(parameter.attribute(INTRINSIC))
    sections = _decoded(parameter.attribute(SECTIONS) or "{}")
    if not isinstance(sections, dict):
        return None
    template = _completed(template_of(sections), secrets)
    if not isinstance(intrinsic, str) and function_of(intrinsic) is None:
        return None
    try:
        unchanged = declare(parameter.id.removeprefix("*"), intrinsic, template) == parameter
    except (DefinitionError, RecursionError):
        return None
    return (intrinsic, template) if unchanged else None


def _completed(template: Template, secrets: Mapping[str, Mapping[str, object]]) -> Template:
    """The template with the values of its secrets."""
    parameters = {
        name: {**declared, **secrets.get(name, {})} if isinstance(declared, dict) else declared
        for name, declared in template.parameters.items()
    }
    return replace(template, parameters=parameters)


def template_of(sections: Mapping[str, object]) -> Template:
    """The sections that intrinsics look at, out of a whole template."""

    def section(name: str) -> Mapping[str, object]:
        found = sections.get(name)
        return found if isinstance(found, dict) else {}

    return Template(section("Parameters"), section("Mappings"), section("Conditions"))


def words_in(value: object) -> Iterator[str]:
    """Every word that might name a parameter or field of the user's in a part of a document."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield from re.findall(r"my\w+", each)
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each.values())
