"""The reference of object types as Markdown pages, made from the catalogue.

Text in, text out: `docs/reference/generate.py` (`make reference`) writes the files.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from penstock.language.catalogue import (
    Category,
    FieldType,
    ObjectType,
    all_types,
    catalogue,
)
from penstock.language.descriptions import descriptions, field_sentence

INDEX_PAGE = "README.md"
RUNTIME_PAGE = "runtime-fields.md"
MADE = "<!-- Made by `make reference` from the catalogue; what is written here by hand is lost. -->"

CATEGORY_TITLES: dict[Category, str] = {
    "activity": "Activities",
    "data_node": "Data nodes",
    "data_format": "Data formats",
    "database": "Databases",
    "resource": "Resources",
    "system_precondition": "Preconditions that the service checks",
    "user_precondition": "Preconditions that a runner checks",
    "action": "Actions",
    "schedule": "Schedules",
    "utility": "Parts of other objects",
}

_KINDS = {
    "string": "text",
    "period": "period",
    "integer": "whole number",
    "double": "number",
    "boolean": "`true` or `false`",
    "datetime": "date and time",
    "enumeration": "text",
}
_TARGETS = {
    "*": "any object",
    "activity": "an activity",
    "data_node": "a data node",
    "data_format": "a data format",
    "database": "a database",
    "resource": "a resource",
    "precondition": "a precondition",
    "action": "an action",
}
COMMON_GROUPS = ("every_object", "attempts", "intervals", "work")
"""Groups of the catalogue that several categories have."""

_INVISIBLE = {"\t": "tab", "\n": "line feed", "\\": "backslash"}
"""Defaults that nobody would see in a table."""


def pages(examples: Mapping[str, str]) -> dict[str, str]:
    """Every page by its file name; `examples` has a definition's text for each type's name."""
    types = _sorted_types()
    return {
        INDEX_PAGE: _index(types),
        RUNTIME_PAGE: _runtime(types),
        **{f"{each.name}.md": _page(each, examples[each.name]) for each in types},
    }


def _sorted_types() -> list[ObjectType]:
    return sorted(all_types().values(), key=lambda each: each.name.lower())


def _index(types: list[ObjectType]) -> str:
    lines = [
        "# Object types",
        "",
        MADE,
        "",
        "All types of objects that a pipeline definition may have, with their fields. How values,",
        "references and expressions are written is in [language.md](../../language.md). The fields",
        f"that the service sets are on [a page of their own]({RUNTIME_PAGE}).",
        "",
        "These are the words of the language. Which of them this version runs is told in the",
        "[README](../../../README.md); what it cannot run it refuses by name.",
        "",
        "The object with the id `Default` and objects without a type are parents: they may have",
        "the fields of any type, and each object takes over those that its type has.",
    ]
    for category in get_args(Category):
        lines += [
            "",
            f"## {CATEGORY_TITLES[category]}",
            "",
            "| type | what it is for |",
            "| --- | --- |",
        ]
        lines += [
            f"| [{each.name}]({each.name}.md) | {descriptions().types[each.name]} |"
            for each in types
            if each.category == category
        ]
    return _text(lines)


def _page(object_type: ObjectType, example: str) -> str:
    name = object_type.name
    title = CATEGORY_TITLES[object_type.category]
    anchor = title.lower().replace(" ", "-")
    lines = [f"# {name}", "", MADE, "", descriptions().types[name]]
    if object_type.deprecated:
        lines += ["", f"**Deprecated.** {object_type.deprecated}"]
    lines += ["", f"Category: [{title.lower()}]({INDEX_PAGE}#{anchor}).{_referred(object_type)}"]
    lines += ["", "## Example", "", "```json", example.rstrip("\n"), "```"]
    for heading, keys in _groups(object_type):
        lines += ["", f"## {heading}", "", *_table(object_type, keys)]
    lines += ["", "## Set by the service", "", *_set_by_service(object_type)]
    return _text(lines)


def _referred(object_type: ObjectType) -> str:
    """The fields by which other objects refer to one of this type."""
    keys = {
        key
        for each in all_types().values()
        for key, field in each.fields.items()
        if not field.set_by_service and field.presence != "forbidden" and "*" not in field.to
        if any(object_type.is_kind(kind) for kind in field.to)
    }
    names = [f"`{key}`" for key in sorted(keys, key=_by_name)]
    return f" Others refer to it by {_or(names)}." if names else ""


def _groups(object_type: ObjectType) -> Iterator[tuple[str, list[str]]]:
    """The headings of a page with the fields under each, empty ones left out."""
    yield from _group("Required", _with(object_type, "required"))
    for one_of in object_type.one_of:
        yield "Exactly one of these", list(one_of)
    for any_of in object_type.any_of:
        yield "At least one of these", list(any_of)
    optional = _with(object_type, "optional")
    common = [key for key in optional if _is_common(object_type, key)]
    yield from _group("Optional", [key for key in optional if key not in common])
    yield from _group("Optional, as for many types", common)
    yield from _group("Not allowed", _with(object_type, "forbidden"))


def _group(heading: str, keys: list[str]) -> Iterator[tuple[str, list[str]]]:
    if keys:
        yield heading, sorted(keys, key=_by_name)


def _with(object_type: ObjectType, presence: str) -> list[str]:
    return [key for key, field in object_type.fields.items() if field.presence == presence]


def _is_common(object_type: ObjectType, key: str) -> bool:
    """Whether a field is the same for several categories, so that it tells little of this type."""
    groups = [catalogue().groups[name] for name in COMMON_GROUPS]
    return any(group.get(key) is object_type.fields[key] for group in groups)


def _table(object_type: ObjectType, keys: Iterable[str]) -> Iterator[str]:
    yield "| field | value | default | what it is for |"
    yield "| --- | --- | --- | --- |"
    for key in keys:
        field = object_type.fields[key]
        notes = [field_sentence(object_type.name, key), *_notes(field)]
        yield f"| `{key}` | {_cell(_value(field))} | {_default(field)} | {_cell(' '.join(notes))} |"


def _value(field: FieldType) -> str:
    """What may be written, in words."""
    if field.kind == "reference":
        targets = [_TARGETS.get(kind) or f"[{kind}]({kind}.md)" for kind in field.to]
        return f"reference to {_or(targets)}{_several(field)}"
    words = _or([f"`{word}`" for word in field.values])
    if field.kind == "enumeration" and words:
        return f"{words}{_several(field)}"
    suggestion = f", for example {words}" if field.kind == "string" and words else ""
    special = f", or {words}" if field.kind == "double" and words else ""
    return f"{_KINDS[field.kind]}{_bounds(field)}{special}{suggestion}{_several(field)}"


def _bounds(field: FieldType) -> str:
    least = "" if field.least is None else f" from {field.least:g}"
    return least if field.most is None else f"{least} to {field.most:g}"


def _several(field: FieldType) -> str:
    return "; several allowed" if field.many else ""


def _notes(field: FieldType) -> Iterator[str]:
    """What else there is to say of a field."""
    if field.requires:
        yield f"Needs {_or([f'`{key}`' for key in field.requires])} beside it."
    if field.excludes:
        yield f"Not together with {_or([f'`{key}`' for key in field.excludes])}."
    if field.deprecated:
        yield f"**Deprecated.** {field.deprecated}"
    if field.unused:
        yield f"**Accepted, but means nothing here.** {field.unused}"
    if not field.documented:
        yield "*Not in the reference of the original.*"


def _default(field: FieldType) -> str:
    if not field.default:
        return ""
    return _INVISIBLE.get(field.default) or f"`{field.default}`"


def _set_by_service(object_type: ObjectType) -> Iterator[str]:
    keys = [key for key, field in object_type.fields.items() if field.set_by_service]
    names = sorted(keys, key=_by_name)
    yield f"Described on [a page of their own]({RUNTIME_PAGE}); a definition must not give them:"
    yield ", ".join(f"`{key}`" for key in names) + "."


def _runtime(types: list[ObjectType]) -> str:
    holders: dict[str, list[ObjectType]] = {}
    for each in types:
        for key, field in each.fields.items():
            if field.set_by_service:
                holders.setdefault(key, []).append(each)
    lines = [
        "# Fields that the service sets",
        "",
        MADE,
        "",
        "They tell what has become of an object and its instances. Expressions read them, as in",
        "`#{@scheduledStartTime}`; a definition must not give them.",
        "",
        "| field | value | who has it | what it tells |",
        "| --- | --- | --- | --- |",
    ]
    for key in sorted(holders, key=_by_name):
        known = holders[key]
        field = known[0].fields[key]
        kind = "reference" if field.kind == "reference" else _KINDS[field.kind]
        sentence = descriptions().fields[key]
        lines.append(f"| `{key}` | {kind} | {_who(known, len(types))} | {_cell(sentence)} |")
    return _text(lines)


def _who(holders: list[ObjectType], of_all: int) -> str:
    """The types with a field, by category where the whole category has it."""
    if len(holders) == of_all:
        return "all types"
    counted = {c: sum(t.category == c for t in all_types().values()) for c in get_args(Category)}
    parts = []
    for category, title in CATEGORY_TITLES.items():
        mine = [each.name for each in holders if each.category == category]
        parts += [title.lower()] if len(mine) == counted[category] else mine
    both = [CATEGORY_TITLES["system_precondition"], CATEGORY_TITLES["user_precondition"]]
    if {title.lower() for title in both} <= {*parts}:
        parts = [part for part in parts if not part.startswith("precondition")] + ["preconditions"]
    return ", ".join(parts)


def _or(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _by_name(key: str) -> tuple[str, str]:
    """What fields are sorted by: their names without `@` and `*`, in either case."""
    return key.lstrip("@*").lower(), key


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
