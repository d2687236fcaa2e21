"""The catalogue of object types: which fields a type has, of what kind, and what they may hold.

The data lie beside this file in `catalogue.json`, taken from the object reference of the public
developer guide, with the fields that real definitions use although the guide forgets them.
"""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

FieldKind = Literal[
    "string", "reference", "period", "integer", "double", "boolean", "datetime", "enumeration"
]
Presence = Literal["required", "one_of", "any_of", "optional", "forbidden", "runtime", "system"]
Category = Literal[
    "activity",
    "data_node",
    "resource",
    "system_precondition",
    "user_precondition",
    "action",
    "database",
    "data_format",
    "schedule",
    "utility",
]

_LONGEST_GUESS = 100
_LEAST_LIKENESS = 70.0
"""Of 100; a letter in three may be wrong."""


class FieldType(Struct, frozen=True):
    """What a type says of one field.

    `to` lists what a reference may point to: type names, categories, or `*`. `values` are all
    words of an enumeration (none: a list that grows with the cloud), and of a string or number
    those that have a meaning of their own. `default` is what holds where the field is absent, as it
    would be written. `least` and `most` bound a number and are allowed themselves. Of `requires` at
    least one field must stand beside this one, of `excludes` none may. `deprecated` (works, but
    something else is better) and `unused` (accepted, means nothing here) say what to do instead.
    `documented` is false for fields that are not in the guide's reference.
    """

    kind: FieldKind
    presence: Presence
    many: bool = False
    to: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    default: str = ""
    least: float | None = None
    most: float | None = None
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    secret: bool = False
    documented: bool = True
    deprecated: str = ""
    unused: str = ""

    @property
    def set_by_service(self) -> bool:
        """Whether the service fills the field, so that a definition must not."""
        return self.presence in ("runtime", "system")


class ObjectType(Struct, frozen=True):
    """One type of the catalogue, with all its fields, those of its category included.

    Of each group in `one_of` exactly one field must be given, of each in `any_of` at least one.
    `deprecated` says what to use instead, or is empty.
    """

    name: str
    category: Category
    fields: dict[str, FieldType]
    one_of: tuple[tuple[str, ...], ...] = ()
    any_of: tuple[tuple[str, ...], ...] = ()
    deprecated: str = ""

    def is_kind(self, kind: str) -> bool:
        """Whether a reference that may point to `kind` may point to this type.

        `precondition` covers system- and user-managed ones.
        """
        if kind in ("*", self.name, self.category):
            return True
        return kind == "precondition" and self.category.endswith("_precondition")


class _TypeEntry(Struct, frozen=True, forbid_unknown_fields=True):
    category: Category
    fields: dict[str, FieldType]
    one_of: tuple[tuple[str, ...], ...] = ()
    any_of: tuple[tuple[str, ...], ...] = ()
    deprecated: str = ""


class Catalogue(Struct, frozen=True):
    """The file as it is: fields that types share in named groups, and who has which group."""

    groups: dict[str, dict[str, FieldType]]
    categories: dict[Category, tuple[str, ...]]
    types: dict[str, _TypeEntry]


@cache
def catalogue() -> Catalogue:
    """The data file, decoded when first needed."""
    text = files(__package__).joinpath("catalogue.json").read_bytes()
    return msgspec.json.decode(text, type=Catalogue)


@cache
def all_types() -> dict[str, ObjectType]:
    """All types by their names in lower case."""
    return {name.lower(): _whole(name, entry) for name, entry in catalogue().types.items()}


def _whole(name: str, entry: _TypeEntry) -> ObjectType:
    """A type with the fields of its category; what it says of one itself wins."""
    fields: dict[str, FieldType] = {}
    for group in catalogue().categories[entry.category]:
        fields.update(catalogue().groups[group])
    fields.update(entry.fields)
    return ObjectType(name, entry.category, fields, entry.one_of, entry.any_of, entry.deprecated)


def type_named(name: str) -> ObjectType | None:
    """The type of that name, compared without regard to case, or None."""
    return all_types().get(name.lower())


@cache
def fields_of_any_type() -> dict[str, FieldType]:
    """Every field that some type has, for objects without a type (`Default`, abstract parents).

    A field that the types see differently is taken as they have it when it may be given.
    """
    known: dict[str, FieldType] = {}
    for object_type in all_types().values():
        for key, field_type in object_type.fields.items():
            if key not in known or known[key].presence in ("runtime", "system", "forbidden"):
                known[key] = field_type
    return known


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a mistyped name most likely meant, or None.

    Case and marks such as `*` and `@` count for nothing.
    """
    # Loaded for those who made a mistake alone. A hostile name gets no guess: comparing is
    # quadratic in its length.
    from rapidfuzz import fuzz, process, utils

    if len(name) > _LONGEST_GUESS or not utils.default_process(name):
        return None
    found = process.extractOne(
        name,
        list(candidates),
        scorer=fuzz.ratio,
        processor=utils.default_process,
        score_cutoff=_LEAST_LIKENESS,
    )
    return found[0] if found is not None else None
