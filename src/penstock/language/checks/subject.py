"""What every check is given: the definition as it was put and as it resolves, and a report."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from penstock.language.catalogue import ObjectType, type_named
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.language.rules import Rule
from penstock.model.definition import (
    Definition,
    Finding,
    Findings,
    PipelineObject,
    Severity,
)
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


class Fault(NamedTuple):
    """What is wrong, not yet where: the arguments of a report after the object's id."""

    rule: Rule
    text: str
    field: str | None = None


class Report:
    """Collects what the checks find; what an object already has is not added again."""

    def __init__(self) -> None:
        self._found: dict[str, dict[Finding, None]] = {}  # dicts as ordered sets

    def error(self, object_id: str, rule: Rule, text: str, field: str | None = None) -> None:
        """Something that forbids activation; object `""` is the definition as a whole."""
        self._add("error", object_id, rule, text, field)

    def warning(self, object_id: str, rule: Rule, text: str, field: str | None = None) -> None:
        """Something worth a look."""
        self._add("warning", object_id, rule, text, field)

    def _add(
        self, severity: Severity, object_id: str, rule: Rule, text: str, field: str | None
    ) -> None:
        finding = Finding(object_id, severity, rule.value, text, field)
        self._found.setdefault(object_id, {})[finding] = None

    def findings(self, order: Iterable[str] = ()) -> Findings:
        """All that was reported, by object in the order given, then what else there is."""
        ids = [object_id for object_id in dict.fromkeys(order) if object_id in self._found]
        return Findings(
            tuple(
                finding
                for object_id in dict.fromkeys([*ids, *self._found])
                for finding in sorted(self._found[object_id], key=lambda each: each.severity)
            )
        )
