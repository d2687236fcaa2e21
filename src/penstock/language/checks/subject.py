"""What every check is given: the definition as it was put and as it resolves, and a report."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from msgspec import Struct

from penstock.language.catalogue import ObjectType, all_types, type_named
from penstock.language.checks.effort import Effort
from penstock.language.checks.guesses import Guesser
from penstock.language.expressions import has_expression
from penstock.language.expressions.errors import ExpressionError
from penstock.language.expressions.parser import parse
from penstock.language.expressions.tree import Template
from penstock.language.resolve import ParentFault, Parents, Resolved, ResolvedObject
from penstock.language.rules import Rule
from penstock.language.scope import ObjectScope
from penstock.model.definition import (
    Definition,
    Finding,
    Findings,
    PipelineObject,
    Severity,
)
from penstock.model.errors import DefinitionError
from penstock.model.limits import Limits
from penstock.model.times import Instant

_ON_DEMAND_STARTS = "ondemand_activation_time"


class Referrer(Struct, frozen=True, order=True):
    """An object that refers to another, and by which field."""

    object_id: str
    key: str


class Subject(Struct, frozen=True):
    """A definition under validation.

    `objects` has the objects as they were put, `resolved` the same with inheritance: faulty chains
    of `parents` are cut, `cut` says what is wrong with them. `referrers` has who refers to each id,
    by own and inherited fields, `by_type` the ids of each known type, its name in lower case,
    `secrets` the texts that no finding may show. A `draft` may get the values of its parameters
    later. `now` is when the definition would first be activated, `polled` the worker groups that
    runners asked for lately; None where that is not known.
    """

    definition: Definition
    objects: Mapping[str, PipelineObject]
    resolved: Resolved
    referrers: Mapping[str, tuple[Referrer, ...]]
    limits: Limits
    guesser: Guesser
    effort: Effort
    by_type: Mapping[str, tuple[str, ...]]
    parents: Parents
    cut: Mapping[str, ParentFault] = {}
    secrets: frozenset[str] = frozenset()
    draft: bool = False
    now: Instant | None = None
    polled: Collection[str] | None = None
    templates: dict[str, Template | ExpressionError] = {}
    """Texts that were parsed already, each once: there may be more than the parser remembers."""
    on_demand: dict[str, bool] = {}
    """What `is_on_demand` has found out already."""

    def typed(self) -> Iterator[tuple[ResolvedObject, ObjectType]]:
        """The objects whose type the catalogue knows, with it."""
        for each in self.resolved.objects.values():
            object_type = type_of(each)
            if object_type is not None:
                yield each, object_type

    def owner(self, each: ResolvedObject, key: str) -> str:
        """The id of the object that wrote a field: the object itself, or one of its parents."""
        current = each.id
        while key not in self.resolved.objects[current].own:
            parent = self.parents.get(current)
            if parent is None:
                return each.id
            current = parent
        return current

    def template(self, text: str) -> Template | ExpressionError:
        """A text with expressions, parsed; or why it cannot be."""
        found = self.templates.get(text)
        if found is None:
            try:
                found = parse(text)
            except ExpressionError as error:
                found = error
            self.templates[text] = found
        return found

    def known_texts(self, each: ResolvedObject, key: str) -> tuple[str, ...] | None:
        """All texts of a field as far as known before any run; None if an expression is not."""
        texts: list[str] = []
        for text in each.strings(key):
            known = self.known(each, key, text)
            if known is None:
                return None
            texts.extend(known)
        return tuple(texts)

    def known_text(self, each: ResolvedObject, key: str) -> str:
        """The field's first text in lower case and trimmed; empty if absent or not known."""
        texts = self.known_texts(each, key) if key in each.fields else None
        return texts[0].strip().lower() if texts else ""

    def known(self, each: ResolvedObject, key: str, text: str) -> list[str] | None:
        """What a text of a field comes to before any run; None if only a run can tell."""
        if not has_expression(text):
            return [text]
        scope = ObjectScope(self.resolved, each.id, runtime_known=False)
        scope.budget.left = granted = min(scope.budget.left, self.effort.left)
        try:
            return scope.field_texts(key, text)
        except DefinitionError:
            return None
        finally:
            self.effort.afford(granted - scope.budget.left)

    def tells_secret(self, text: str) -> bool:
        """Whether a text that was evaluated has a secret in it."""
        return any(secret in text for secret in self.secrets)

    def schedule_of(self, each: ResolvedObject) -> ResolvedObject | None:
        """The schedule that an object follows, if it has one."""
        reference = each.ref("schedule")
        return self.resolved.objects.get(reference) if reference is not None else None

    def is_on_demand_schedule(self, schedule: ResolvedObject) -> bool:
        """Whether a schedule is the explicit one of an on-demand pipeline."""
        return self.known_text(schedule, "startAt") == _ON_DEMAND_STARTS

    def is_on_demand(self, each: ResolvedObject) -> bool:
        """Whether an object runs on demand, by its `scheduleType` or its schedule."""
        known = self.on_demand.get(each.id)
        if known is None:
            known = self.on_demand[each.id] = self._runs_on_demand(each)
        return known

    def _runs_on_demand(self, each: ResolvedObject) -> bool:
        schedule = self.schedule_of(each)
        if schedule is not None and self.is_on_demand_schedule(schedule):
            return True
        return self.known_text(each, "scheduleType") == "ondemand"


def type_of(each: ResolvedObject) -> ObjectType | None:
    """What the catalogue has of an object's type; None if it has none or an unknown one."""
    if each.type is None:
        return None
    return _types_by_name().get(each.type) or type_named(each.type)


@cache
def _types_by_name() -> dict[str, ObjectType]:
    """As resolved objects spell them: asked for often, so without a change of case."""
    return {object_type.name: object_type for object_type in all_types().values()}


def secrets_of(definition: Definition, resolved: Resolved) -> frozenset[str]:
    """The texts of all fields and parameters whose names begin with `*`."""
    found = {
        field.string_value
        for each in definition.pipeline_objects
        for field in each.fields
        if field.key.startswith("*") and field.string_value
    }
    for parameter_id, values in resolved.parameters.items():
        if parameter_id.startswith("*"):
            found.update(filter(None, values))
    return frozenset(found)


def ids_by_type(resolved: Resolved) -> dict[str, tuple[str, ...]]:
    """The ids of each known type, by its name in lower case."""
    found: dict[str, list[str]] = {}
    for each in resolved.objects.values():
        if type_of(each) is not None:
            found.setdefault((each.type or "").lower(), []).append(each.id)
    return {name: tuple(ids) for name, ids in found.items()}


def referrers_of(resolved: Resolved) -> dict[str, tuple[Referrer, ...]]:
    """Who refers to each id, sorted."""
    found: dict[str, list[Referrer]] = {}
    for each in resolved.objects.values():
        for key, fields in each.fields.items():
            for field in fields:
                if field.ref_value is not None:
                    found.setdefault(field.ref_value, []).append(Referrer(each.id, key))
    return {object_id: tuple(sorted(referrers)) for object_id, referrers in found.items()}


class Fault(NamedTuple):
    """What is wrong, not yet where: the arguments of a report after the object's id."""

    rule: Rule
    text: str
    field: str | None = None


class Report:
    """Collects what the checks find; what an object already has is not added again."""

    def __init__(self) -> None:
        self._found: dict[str, dict[Finding, None]] = {}  # dicts as ordered sets
        self._rules: set[str] = set()

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
        self._rules.add(rule.value)

    def has_error(self, object_id: str) -> bool:
        """Whether an error of that object or parameter was reported so far."""
        return any(each.severity == "error" for each in self._found.get(object_id, ()))

    def has(self, rule: Rule, object_id: str | None = None) -> bool:
        """Whether anything of that kind was reported so far, of that object if one is given."""
        if object_id is None:
            return rule.value in self._rules
        return any(each.rule == rule for each in self._found.get(object_id, ()))

    def fields_with(self, *rules: Rule) -> list[tuple[str, str]]:
        """Objects and fields of which such a thing was reported so far."""
        names = {rule.value for rule in rules}
        return [
            (object_id, finding.field)
            for object_id, findings in self._found.items()
            for finding in findings
            if finding.rule in names and finding.field is not None
        ]

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
