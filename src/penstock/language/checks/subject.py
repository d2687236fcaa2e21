"""What every check is given: the definition as it was put and as it resolves, and a report."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from penstock.language.catalogue import ObjectType, type_named
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.model.definition import Definition, Findings, PipelineObject
from penstock.model.limits import Limits


class Referrer(Struct, frozen=True):
    """An object that refers to another, and by which field."""

    object_id: str
    key: str


class Subject(Struct, frozen=True):
    """A definition under validation.

    `objects` has the objects as they were put, `resolved` the same with inheritance (faulty
    chains of parents cut), `referrers` who refers to each id, by own and inherited fields. A
    `draft` may get the values of its parameters later.
    """

    definition: Definition
    objects: Mapping[str, PipelineObject]
    resolved: Resolved
    referrers: Mapping[str, tuple[Referrer, ...]]
    limits: Limits
    draft: bool = False

    def typed(self) -> Iterator[tuple[ResolvedObject, ObjectType]]:
        """The objects whose type the catalogue knows, with it."""
        for each in self.resolved.objects.values():
            object_type = type_named(each.type) if each.type is not None else None
            if object_type is not None:
                yield each, object_type


def referrers_of(resolved: Resolved) -> dict[str, tuple[Referrer, ...]]:
    """Who refers to each id, in the order of the objects."""
    found: dict[str, list[Referrer]] = {}
    for each in resolved.objects.values():
        for key, fields in each.fields.items():
            for field in fields:
                if field.ref_value is not None:
                    found.setdefault(field.ref_value, []).append(Referrer(each.id, key))
    return {object_id: tuple(referrers) for object_id, referrers in found.items()}


class Report:
    """Collects what the checks find; a text that an object already has is not added again."""

    def __init__(self) -> None:
        self._errors: dict[str, dict[str, None]] = {}  # dicts as ordered sets
        self._warnings: dict[str, dict[str, None]] = {}

    def error(self, object_id: str, text: str) -> None:
        """Something that forbids activation; `""` is the definition as a whole."""
        self._errors.setdefault(object_id, {})[text] = None

    def warning(self, object_id: str, text: str) -> None:
        """Something worth a look."""
        self._warnings.setdefault(object_id, {})[text] = None

    def findings(self, order: Iterable[str] = ()) -> Findings:
        """All that was reported, by object in the order given, then what else there is."""
        ids = dict.fromkeys(order)
        return Findings(_in_order(self._errors, ids), _in_order(self._warnings, ids))


def _in_order(found: dict[str, dict[str, None]], ids: Iterable[str]) -> dict[str, list[str]]:
    known = [object_id for object_id in ids if object_id in found]
    return {object_id: list(found[object_id]) for object_id in dict.fromkeys([*known, *found])}
