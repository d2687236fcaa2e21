"""CloudFormation's intrinsic functions: what a template itself decides, and what stays unknown.

A text in a template becomes *pieces*: strings, and between them the intrinsics whose values only a
stack would know. What the template decides alone (joins and substitutions of literals, mappings,
conditions without parameters) is folded; nothing is asked of anybody. Source: CloudFormation user
guide, "Intrinsic function reference" and "Dynamic references".
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from penstock.language.catalogue import nearest
from penstock.language.forms.shapes import quoted, text_of
from penstock.language.wording import did_you_mean, shorten
from penstock.model.errors import DefinitionError

FUNCTIONS = tuple(
    "And Base64 Cidr Condition Contains EachMemberEquals EachMemberIn Equals FindInMap ForEach"
    " GetAZs GetAtt If ImportValue Join Length Not Or Ref RefAll Select Split Sub ToJsonString"
    " Transform ValueOf ValueOfAll".split()
)
_WITHOUT_PREFIX = ("Ref", "Condition")

NO_VALUE: Final = {"Ref": "AWS::NoValue"}
"""What stands for the absence of a member."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DYNAMIC = re.compile(r"(\{\{resolve:[^{}]*\}\})")
_NAME = re.compile(r"[A-Za-z0-9.:]+")
_DEEPEST_CONDITION = 20
_LONGEST_INDEX = 9


class Unknown(Struct, frozen=True):
    """A value that only a stack would know: its intrinsic as JSON, or a dynamic reference."""

    intrinsic: object

    def __hash__(self) -> int:
        return hash(canonical(self.intrinsic))


Pieces: TypeAlias = tuple[str | Unknown, ...]
"""A text: literal parts and unknown ones, no two literal ones in a row."""


class Template(Struct, frozen=True):
    """The sections of a template that intrinsics look at; all empty for a bare resource."""

    parameters: Mapping[str, object] = {}
    mappings: Mapping[str, object] = {}
    conditions: Mapping[str, object] = {}

    def parameter(self, name: str) -> Mapping[str, object] | None:
        """The declaration of a template parameter."""
        found = self.parameters.get(name)
        return found if isinstance(found, dict) else None


def canonical(intrinsic: object) -> str:
    """An intrinsic's JSON, the same for equal ones."""
    return json.dumps(intrinsic, ensure_ascii=False)


def long_form(tag: str, content: object) -> dict[str, object]:
    """What a YAML tag such as `!Sub` stands for. Raises DefinitionError for an unknown one."""
    name = tag.removeprefix("!")
    check_function(name, tag)
    if name == "GetAtt" and isinstance(content, str):
        content = list(content.split(".", 1))
    return {name if name in _WITHOUT_PREFIX else f"Fn::{name}": content}


def check_function(name: str, written: str, where: str = "") -> None:
    """Raises DefinitionError if CloudFormation has no such function."""
    if name.partition("::")[0] not in FUNCTIONS:
        problem = f"there is no function {shorten(repr(written))}"
        guess = did_you_mean(nearest(name, FUNCTIONS)) or f" There are: {', '.join(FUNCTIONS)}."
        raise DefinitionError(f"{where}: {problem}.{guess}" if where else f"{problem}.{guess}")


def not_read(name: str, where: str) -> DefinitionError:
    """The error for a function that would make any template out of this one."""
    return DefinitionError(
        f"{where}: Fn::{name} is not read; let CloudFormation process the template first and take "
        "what it makes of it"
    )


def function_of(value: object) -> tuple[str, object] | None:
    """The function (without `Fn::`) and its argument, if a value is an intrinsic."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((key, argument),) = value.items()
    if key in _WITHOUT_PREFIX:
        return key, argument
    return (key[4:], argument) if key.startswith("Fn::") else None


def shown(intrinsic: object) -> str:
    """An intrinsic as a person would write it, cut to a line."""
    found = function_of(intrinsic)
    if found is None:
        return shorten(intrinsic if isinstance(intrinsic, str) else canonical(intrinsic))
    name, argument = found
    if name == "GetAtt" and isinstance(argument, list):
        argument = ".".join(map(str, argument))
    return shorten(f"!{name} {argument if isinstance(argument, str) else canonical(argument)}")


def may_be_dynamic(text: str) -> bool:
    """Whether a dynamic reference may stand in a text; most have none."""
    return "{{resolve:" in text


def is_no_value(value: object) -> bool:
    """Whether a value is `!Ref AWS::NoValue`."""
    return value == NO_VALUE


def joined(pieces: Sequence[str | Unknown]) -> Pieces:
    """Pieces with neighbouring literals made one, and empty ones left out."""
    merged: list[str | Unknown] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece != "":
            merged.append(piece)
    return tuple(merged)


def literal(pieces: Pieces) -> str | None:
    """The text, if all of it is known."""
    if not pieces:
        return ""
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], str) else None


class Resolver:
    """Evaluates the intrinsics of one template, with or without its parameters' defaults."""

    def __init__(self, template: Template, with_defaults: bool = False) -> None:
        self._template = template
        self._with_defaults = with_defaults

    def text(self, value: object, where: str) -> Pieces:
        """A value as a text. Raises DefinitionError, with `where`, if it is none."""
        if isinstance(value, str):
            if not may_be_dynamic(value):
                return (value,) if value else ()
            return joined(
                [Unknown(part) if at % 2 else part for at, part in enumerate(_DYNAMIC.split(value))]
            )
        found = function_of(value)
        if found is None:
            if isinstance(value, dict):
                raise DefinitionError(
                    f"{where}: a string or an intrinsic function is needed, not {quoted(value)}"
                )
            return (text_of(value, where),)
        if is_no_value(value):
            raise DefinitionError(f"{where}: a value is needed, not AWS::NoValue")
        return self._call(*found, value, where)

    def listing(self, value: object, where: str) -> list[Pieces] | None:
        """A value as a list of texts; None if its length is not known."""
        if isinstance(value, list):
            chosen = [self.chosen(each, where) for each in value]
            if any(_may_be_absent(each) for each in chosen):
                return None
            return [self.text(each, where) for each in chosen if not is_no_value(each)]
        name, argument = function_of(value) or ("", None)
        if name == "Ref" and isinstance(argument, str):
            return self._listed_default(argument)
        if name == "Split":
            return self._split(argument, where)
        if name == "FindInMap":
            found = self._found_in_map(argument, where)
            return self.listing(found, where) if isinstance(found, list) else None
        if name == "If":
            chosen_branch = self.chosen(value, where)
            return None if chosen_branch is value else self.listing(chosen_branch, where)
        return None

    def chosen(self, value: object, where: str) -> object:
        """What a value stands for after its `If`, as far as that is known; else the value."""
        name, argument = function_of(value) or ("", None)
        if name != "If":
            return value
        condition, then, otherwise = _arguments(argument, 3, f"{where}, Fn::If")
        holds = self.holds({"Condition": condition}, where)
        return value if holds is None else self.chosen(then if holds else otherwise, where)

    def holds(self, condition: object, where: str, depth: int = 0) -> bool | None:
        """Whether a condition holds; None if that depends on what is not known."""
        if depth > _DEEPEST_CONDITION:
            raise DefinitionError(f"{where}: conditions refer to one another too deeply")
        name, argument = function_of(condition) or ("", None)
        if name == "Condition":
            if str(argument) not in self._template.conditions:
                return None
            return self.holds(self._template.conditions[str(argument)], where, depth + 1)
        if name == "Equals":
            sides = _arguments(argument, 2, f"{where}, Fn::Equals")
            left, right = (literal(self.text(side, where)) for side in sides)
            return None if left is None or right is None else left == right
        if name not in ("And", "Or", "Not") or not isinstance(argument, list):
            return None
        parts = [self.holds(each, where, depth + 1) for each in argument]
        if name == "Not":
            return None if parts[0] is None else not parts[0]
        decisive = name == "Or"
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive

    def _call(self, name: str, argument: object, value: object, where: str) -> Pieces:
        unknown: Pieces = (Unknown(value),)
        written = name if name in _WITHOUT_PREFIX else f"Fn::{name}"
        where_within = f"{where}, {written}"
        check_function(name, written, where)
        match name.partition("::")[0]:
            case "Ref":
                return self._ref(argument, where_within)
            case "GetAtt":
                path = argument.split(".", 1) if isinstance(argument, str) else argument
                return (Unknown({"Fn::GetAtt": path}),)
            case "Sub":
                return _unless_broken(self._sub(argument, where_within), unknown)
            case "Join":
                delimiter, parts = _arguments(argument, 2, where_within)
                return _unless_broken(self._join(delimiter, parts, where_within), unknown)
            case "Select":
                return self._select(argument, where_within) or unknown
            case "FindInMap":
                found = self._found_in_map(argument, where_within)
                return unknown if found is None else self.text(found, where_within)
            case "If":
                branch = self.chosen(value, where)
                if branch is not value:
                    return self.text(branch, where)
                return unknown
            case "Base64":
                plain = literal(self.text(argument, where_within))
                return unknown if plain is None else (_base64(plain),)
            case "Transform" | "ForEach":
                raise not_read(name, where)
        return unknown

    def _ref(self, name: object, where: str) -> Pieces:
        if not isinstance(name, str):
            raise DefinitionError(f"{where}: a name is needed, not {quoted(name)}")
        values = self._default(name)
        return (Unknown({"Ref": name}),) if values is None else joined([",".join(values)])

    def _default(self, name: str) -> list[str] | None:
        if not self._with_defaults:
            return None
        parameter = self._template.parameter(name)
        return None if parameter is None else default_of(parameter)

    def _listed_default(self, name: str) -> list[Pieces] | None:
        values = self._default(name)
        return None if values is None else [joined([each]) for each in values]

    def _sub(self, argument: object, where: str) -> Pieces:
        variables: Mapping[str, object] = {}
        if isinstance(argument, list):
            argument, given = _arguments(argument, 2, where)
            variables = given if isinstance(given, dict) else {}
        if not isinstance(argument, str):
            raise DefinitionError(f"{where}: a string is needed, not {quoted(argument)}")
        pieces: list[str | Unknown] = []
        for at, part in enumerate(_VARIABLE.split(argument)):
            if at % 2 == 0:
                pieces.extend(self.text(part, where))
            elif part.startswith("!"):
                pieces.append("${" + part[1:] + "}")
            elif part in variables:
                pieces.extend(self.text(variables[part], where))
            else:
                pieces.extend(self._variable(part.strip(), where))
        return joined(pieces)

    def _variable(self, name: str, where: str) -> Pieces:
        if not _NAME.fullmatch(name) and name not in self._template.parameters:
            raise DefinitionError(
                f"{where}: {shorten(f'${{{name}}}')} names nothing in the template; for a shell's "
                f"variable write {shorten(f'${{!{name}}}')}"
            )
        if "." in name:
            return (Unknown({"Fn::GetAtt": name.split(".", 1)}),)
        return self._ref(name, where)

    def _join(self, delimiter: object, parts: object, where: str) -> Pieces | None:
        between = literal(self.text(delimiter, where))
        listed = self.listing(parts, where)
        if between is None or listed is None:
            return None
        pieces: list[str | Unknown] = []
        for at, each in enumerate(listed):
            pieces.extend(([between] if at else []) + list(each))
        return joined(pieces)

    def _select(self, argument: object, where: str) -> Pieces | None:
        index, parts = _arguments(argument, 2, where)
        position = literal(self.text(index, where))
        listed = self.listing(parts, where)
        if position is None or listed is None:
            return None
        small = position.isdecimal() and len(position) < _LONGEST_INDEX
        if not small or int(position) >= len(listed):
            raise DefinitionError(
                f"{where}: there is no element {shorten(position)} in a list of {len(listed)}"
            )
        return listed[int(position)]

    def _split(self, argument: object, where: str) -> list[Pieces] | None:
        delimiter, source = _arguments(argument, 2, f"{where}, Fn::Split")
        between = literal(self.text(delimiter, where))
        text = literal(self.text(source, where))
        if not between or text is None:
            return None
        return [joined([part]) for part in text.split(between)]

    def _found_in_map(self, argument: object, where: str) -> object:
        if not isinstance(argument, list) or len(argument) not in (3, 4):
            raise DefinitionError(f"{where}: a list of three is needed, not {quoted(argument)}")
        keys = [literal(self.text(each, where)) for each in argument[:3]]
        found: object = self._template.mappings
        if None in keys or keys[0] not in self._template.mappings:
            return None
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is None and len(argument) == 4 and isinstance(argument[3], dict):
            found = argument[3].get("DefaultValue")
        if found is None:
            path = ".".join(str(key) for key in keys)
            raise DefinitionError(f"{where}: the template's Mappings have no {shorten(path)}")
        return found


def default_of(parameter: Mapping[str, object]) -> list[str] | None:
    """A template parameter's default: several values if it is a list; None if it has none.

    A parameter that is looked up in the Systems Manager has that path as its default, and no value.
    """
    default = parameter.get("Default")
    kind = str(parameter.get("Type", "String"))
    if default is None or "AWS::SSM::" in kind:
        return None
    text = text_of(default, "a parameter's Default")
    return [part.strip() for part in text.split(",")] if is_list_type(kind) else [text]


def is_list_type(kind: str) -> bool:
    """Whether a template parameter of that type holds a list."""
    return kind == "CommaDelimitedList" or "List<" in kind


def names_in(value: object) -> Iterator[tuple[str, str]]:
    """What an intrinsic names: (`Ref` or `Condition` or `FindInMap` or `GetAtt`, name)."""
    if isinstance(value, list):
        for each in value:
            yield from names_in(each)
    elif isinstance(value, dict):
        name, argument = function_of(value) or ("", None)
        first = argument[0] if isinstance(argument, list) and argument else argument
        if name in ("Ref", "Condition", "FindInMap", "GetAtt") and isinstance(first, str):
            yield name, first.split(".")[0]
        elif name == "If" and isinstance(first, str):
            yield "Condition", first
        elif name == "Sub" and isinstance(first, str):
            yield from _names_substituted(first, argument)
        for each in value.values():
            yield from names_in(each)


def _names_substituted(text: str, argument: object) -> Iterator[tuple[str, str]]:
    own = argument[1] if isinstance(argument, list) and len(argument) == 2 else {}
    for name in map(str.strip, _VARIABLE.findall(text)):
        if not name.startswith("!") and not (isinstance(own, dict) and name in own):
            yield ("GetAtt" if "." in name else "Ref"), name.split(".")[0]


def _unless_broken(pieces: Pieces | None, unknown: Pieces) -> Pieces:
    # A dynamic reference that is put together from parts is known only as a whole.
    if pieces is None:
        return unknown
    broken = len(pieces) > 1 and any("{{resolve:" in p for p in pieces if isinstance(p, str))
    return unknown if broken else pieces


def _may_be_absent(value: object) -> bool:
    """Whether an `If` that nothing has decided yet may come to no value."""
    name, argument = function_of(value) or ("", None)
    if name != "If" or not isinstance(argument, list):
        return False
    return any(is_no_value(each) or _may_be_absent(each) for each in argument[1:])


def _arguments(argument: object, count: int, where: str) -> list[object]:
    if isinstance(argument, list) and len(argument) == count:
        return argument
    raise DefinitionError(f"{where}: a list of {count} is needed, not {quoted(argument)}")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogatepass")).decode()
