"""The catalogue of object types: which fields a type has, of what kind, and what they may hold.

The data lie beside this file in `catalogue.json`, taken from the object reference of the public
developer guide, with the fields that real definitions use although the guide forgets them.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

FieldKind = Literal[
    "string", "reference", "period", "integer", "double", "boolean", "datetime", "enumeration"
]
Presence = Literal["required", "one_of", "optional", "forbidden", "runtime", "system"]

RUNTIME_CATEGORIES = frozenset({"activity", "data_node", "resource"})
"""Categories whose instances have all the common runtime fields."""

_LONGEST_GUESS = 100


class FieldType(Struct, frozen=True):
    """What a type says of one field.

    `to` lists what a reference may point to: type names, categories, or `*`. `values` are the
    words of an enumeration. `documented` is false for fields that are not in the guide.
    """

    kind: FieldKind
    presence: Presence
    many: bool = False
    to: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    secret: bool = False
    documented: bool = True

    @property
    def set_by_service(self) -> bool:
        """Whether the service fills the field, so that a definition must not."""
        return self.presence in ("runtime", "system")


class ObjectType(Struct, frozen=True):
    """One type of the catalogue; of each group in `one_of` exactly one field must be given."""

    name: str
    category: str
    fields: dict[str, FieldType]
    one_of: tuple[tuple[str, ...], ...] = ()

    def is_kind(self, kind: str) -> bool:
        """Whether a reference that may point to `kind` may point to this type.

        `precondition` covers system- and user-managed ones.
        """
        if kind in ("*", self.name, self.category):
            return True
        return kind == "precondition" and self.category.endswith("_precondition")


class _TypeEntry(Struct, frozen=True):
    category: str
    fields: dict[str, FieldType]
    one_of: tuple[tuple[str, ...], ...] = ()


class _Document(Struct, frozen=True):
    runtime_fields: dict[str, FieldType]
    types: dict[str, _TypeEntry]


@cache
def all_types() -> dict[str, ObjectType]:
    """All types by their names in lower case."""
    text = files(__package__).joinpath("catalogue.json").read_bytes()
    document = msgspec.json.decode(text, type=_Document)
    return {
        name.lower(): _with_runtime(name, entry, document) for name, entry in document.types.items()
    }


def _with_runtime(name: str, entry: _TypeEntry, document: _Document) -> ObjectType:
    common = document.runtime_fields if entry.category in RUNTIME_CATEGORIES else {}
    return ObjectType(name, entry.category, {**common, **entry.fields}, entry.one_of)


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
    """The candidate that a mistyped name most likely meant, or None."""
    # Comparing is quadratic in the length, so a hostile name gets no guess.
    return None if len(name) > _LONGEST_GUESS else _nearest(name, tuple(candidates))


@lru_cache(maxsize=1024)
def _nearest(name: str, candidates: tuple[str, ...]) -> str | None:
    by_lower_case = {candidate.lower(): candidate for candidate in candidates}
    found = get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.7)
    return by_lower_case[found[0]] if found else None
