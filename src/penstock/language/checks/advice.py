"""Warnings: what is allowed and yet probably not meant, or better done in another way."""

from functools import cache
from typing import NamedTuple

from penstock.language.catalogue import FieldType, ObjectType, all_types, fields_of_any_type
from penstock.language.checks.subject import Report, Subject, type_of
from penstock.language.resolve import DEFAULT_ID, ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import listed

_USES = {
    "resource": "so it is never started: let an activity run on it ('runsOn')",
    "data_node": "so no activity reads or writes it: make it an 'input' or 'output'",
    "schedule": "so nothing runs by it: refer to it by 'schedule', best in Default",
    "system_precondition": "so it is never checked: refer to it by 'precondition'",
    "user_precondition": "so it is never checked: refer to it by 'precondition'",
    "action": "so it never happens: refer to it by 'onFail', 'onSuccess' or 'onLateAction'",
    "database": "so nobody connects to it: refer to it by 'database'",
    "data_format": "so no data is read in it: refer to it by 'dataFormat'",
}
_OTHER_USE = "so it has no effect: refer to it"


def check_advice(subject: Subject, report: Report) -> None:
    """What stands beside what, what is old, what means nothing, what nobody uses."""
    missed = _missed(subject, report)
    for each in subject.resolved.objects.values():
        object_type = type_of(each)
        if object_type is not None:
            _check_type(each, object_type, report)
        if object_type is not None or each.type is None:
            _check_own_fields(each, object_type, report)
        if each.id not in missed.ids and not (object_type and missed.takes(object_type)):
            _check_use(subject, each, report)


class _Missed(NamedTuple):
    """What references that are wrong would lead to, were they right."""

    ids: frozenset[str]
    kinds: frozenset[str]

    def takes(self, object_type: ObjectType) -> bool:
        """Whether an object of that type may be meant by one of them."""
        return any(object_type.is_kind(kind) for kind in self.kinds)


def _missed(subject: Subject, report: Report) -> _Missed:
    ids: set[str] = set()
    kinds: set[str] = set()
    for object_id, key in report.fields_with(Rule.WRONG_KIND, Rule.MISSING_OBJECT):
        each = subject.resolved.objects.get(object_id)
        field_type = fields_of_any_type().get(key)
        if each is None or field_type is None or field_type.kind != "reference":
            continue
        meant = set(each.strings(key)) & subject.objects.keys()
        ids |= meant
        if not meant:
            kinds.update(field_type.to)
    return _Missed(frozenset(ids), frozenset(kinds - {"*"}))


def _check_type(each: ResolvedObject, object_type: ObjectType, report: Report) -> None:
    if object_type.deprecated and "type" in each.own:
        text = f"the type {object_type.name} is deprecated. {object_type.deprecated}"
        report.warning(each.id, Rule.DEPRECATED, text, "type")
    for key, excludes in _excluding(object_type.name).items():
        # Told once: at the object that gives the second of the two.
        others = [other for other in excludes if other in each.fields]
        if key in each.fields and others and (key in each.own or others[0] in each.own):
            text = f"{key!r} cannot stand beside {listed(others, 'and')}; keep one of them"
            report.error(each.id, Rule.CONTRADICTION, text, key)


def _check_own_fields(each: ResolvedObject, object_type: ObjectType | None, report: Report) -> None:
    remarkable = _remarkable_fields(object_type.name if object_type is not None else None)
    if remarkable.keys().isdisjoint(each.own):
        return
    for key in each.fields:
        if key in each.own and key in remarkable:
            for rule, text in _field_advice(each, key, remarkable[key], object_type is not None):
                report.warning(each.id, rule, text, key)


@cache
def _excluding(type_name: str) -> dict[str, tuple[str, ...]]:
    """The fields of a type beside which some others cannot stand."""
    fields = all_types()[type_name.lower()].fields
    return {key: known.excludes for key, known in fields.items() if known.excludes}


@cache
def _remarkable_fields(type_name: str | None) -> dict[str, FieldType]:
    """The fields of a type of which there is something to say, wherever they are given."""
    known = all_types()[type_name.lower()].fields if type_name else fields_of_any_type()
    return {key: f for key, f in known.items() if f.deprecated or f.unused or f.requires}


def _field_advice(
    each: ResolvedObject, key: str, field_type: FieldType, is_typed: bool
) -> list[tuple[Rule, str]]:
    found = []
    if field_type.deprecated:
        found.append((Rule.DEPRECATED, f"{key!r} is deprecated. {field_type.deprecated}"))
    # In Default a field may be meant for types where it means something, or stand with another.
    if field_type.unused and is_typed:
        found.append((Rule.MEANINGLESS_FIELD, f"{key!r} means nothing here. {field_type.unused}"))
    if field_type.requires and is_typed and not any(k in each.fields for k in field_type.requires):
        several = len(field_type.requires) > 1
        wanted = f"{'one of ' if several else ''}{listed(field_type.requires)}"
        text = f"{key!r} has no effect without {wanted}; give {'one' if several else 'it'} too"
        found.append((Rule.MISSING_COMPANION, text))
    return found


def _check_use(subject: Subject, each: ResolvedObject, report: Report) -> None:
    if each.id == DEFAULT_ID or each.category == "activity":
        return
    if each.type is not None and each.category is None:
        return  # nobody can tell what an unknown type is for
    if each.category == "schedule" and (
        report.has(Rule.MISSING_SCHEDULE) or subject.is_on_demand_schedule(each)
    ):
        return  # that others do not refer to it is told; on demand nobody needs to
    if any(referrer.object_id != each.id for referrer in subject.referrers.get(each.id, ())):
        return
    use = _USES.get(each.category or "", _OTHER_USE)
    text = f"no other object refers to this one, {use}, or take it out"
    report.warning(each.id, Rule.UNUSED_OBJECT, text)
