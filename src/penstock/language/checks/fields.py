"""Types and their fields: known, of the right kind, and all there that must be."""

from collections.abc import Iterator
from functools import cache, lru_cache

from penstock.language.catalogue import (
    FieldType,
    ObjectType,
    all_types,
    fields_of_any_type,
)
from penstock.language.checks.names import names_in
from penstock.language.checks.references import fitting, reference_fault
from penstock.language.checks.remedies import foreign, form, own_field, word_elsewhere
from penstock.language.checks.subject import Fault, Report, Subject, type_of
from penstock.language.checks.values import example, value_fault
from penstock.language.expressions import has_expression
from penstock.language.resolve import ResolvedObject, is_user_field
from penstock.language.rules import Rule
from penstock.language.wording import did_you_mean, listed, shorten
from penstock.model.definition import Field

CLOUD_ROLES = frozenset({"role", "resourceRole"})
"""Required by the guide, only a warning here: without the cloud there is no one to play them."""

_BESIDE_FIELDS = frozenset({"id", "name", "type"})
_OWN_FIELDS = "A field of your own begins with 'my' and a capital letter or '_'."


def check_fields(subject: Subject, report: Report) -> None:
    """Every object's type, its own fields, and what it must have."""
    for each in subject.resolved.objects.values():
        object_type = type_of(each)
        for fault in _type_faults(subject, each, object_type):
            report.error(each.id, *fault)
        meant: set[str] = set()
        if each.type is None or object_type is not None:
            meant = _check_own_fields(subject, each, object_type, report)
        # What a broken chain of parents would have brought is not missing as well.
        if object_type is not None and each.id not in subject.cut:
            _check_presence(subject, each, object_type, meant, report)


def _type_faults(
    subject: Subject, each: ResolvedObject, object_type: ObjectType | None
) -> Iterator[Fault]:
    given = each.fields.get("type", ()) if "type" in each.own else ()
    if any(field.ref_value is not None for field in given):
        text = "'type' is the name of a type, such as 'ShellCommandActivity', not a reference"
        yield Fault(Rule.WRONG_KIND, text, "type")
    if len(given) > 1:
        text = f"'type' is given {len(given)} times; an object has one type"
        yield Fault(Rule.SEVERAL_VALUES, text, "type")
    if each.type is not None and object_type is None and given:
        if has_expression(each.type):
            remedy = " A type is not evaluated: write its name."
        else:
            names = {known.name for known in all_types().values()}
            remedy = subject.guesser.sentence(each.type, names)
        text = f"'type' names no known type: {shorten(each.type)!r}.{remedy}"
        yield Fault(Rule.UNKNOWN_TYPE, text, "type")


def _check_own_fields(
    subject: Subject, each: ResolvedObject, object_type: ObjectType | None, report: Report
) -> set[str]:
    """Each field that the object writes; answers which fields were meant by misspelt ones."""
    meant: set[str] = set()
    known = object_type.fields if object_type is not None else fields_of_any_type()
    for key in each.fields:
        if key not in each.own or key in _BESIDE_FIELDS:
            continue
        field_type = known.get(key)
        if field_type is None and is_user_field(key):
            continue
        if field_type is None:
            meant.add(_report_unknown(subject, each, key, object_type, report) or "")
        elif field_type.presence == "forbidden" and object_type is not None:
            text = f"{key!r} is not allowed for {object_type.name}; take it out"
            report.error(each.id, Rule.FORBIDDEN_FIELD, text, key)
        elif field_type.set_by_service:
            text = f"{key!r} is set by the service and cannot be given; leave it out"
            report.error(each.id, Rule.SERVICE_FIELD, text, key)
        else:
            _check_values(subject, each, key, field_type, report)
    return meant


def _report_unknown(
    subject: Subject,
    each: ResolvedObject,
    key: str,
    object_type: ObjectType | None,
    report: Report,
) -> str | None:
    if object_type is None:
        # It may be meant for a later type, and no object takes it over that does not know it.
        guess = subject.guesser.nearest(key, fields_of_any_type()) or own_field(key)
        meant = did_you_mean(guess) or f" {_OWN_FIELDS}"
        text = f"{shorten(key)!r} is a field of no type.{meant}"
        report.warning(each.id, Rule.UNKNOWN_FIELD, text, key)
        return None
    told = foreign(key)
    if told is not None:
        text = f"{key!r} is not a field of {object_type.name}. {told}"
        report.error(each.id, Rule.UNKNOWN_FIELD, text, key)
        return None
    guess = subject.guesser.nearest_field(key, _open_fields(object_type.name))
    remedy = did_you_mean(guess or own_field(key)) or f"{_others(key)} {_OWN_FIELDS}"
    text = f"{shorten(key)!r} is not a field of {object_type.name}.{remedy}"
    report.error(each.id, Rule.UNKNOWN_FIELD, text, key)
    return guess


@cache
def _open_fields(type_name: str) -> tuple[str, ...]:
    """The fields of a type that a definition may give."""
    fields = all_types()[type_name.lower()].fields
    return tuple(key for key, known in fields.items() if _is_open(known))


@lru_cache(1_000)
def _others(key: str) -> str:
    """Which types do have a field that this one has not."""
    names = [t.name for t in all_types().values() if key in _open_fields(t.name)]
    return (
        f" {listed(sorted(names), 'and')} {'has' if len(names) == 1 else 'have'} such a field."
        if names
        else ""
    )


def _is_open(field_type: FieldType) -> bool:
    return field_type.presence != "forbidden" and not field_type.set_by_service


def _check_values(
    subject: Subject, each: ResolvedObject, key: str, field_type: FieldType, report: Report
) -> None:
    fields = each.fields[key]
    if len(fields) > 1 and not field_type.many and each.type is not None:
        text = f"{key!r} has {len(fields)} values; it takes one, and only the first counts"
        report.warning(each.id, Rule.SEVERAL_VALUES, text, key)
    for field in fields:
        fault = (
            reference_fault(subject, key, field, field_type)
            if field_type.kind == "reference"
            else _text_fault(subject, each, key, field, field_type, report)
        )
        if fault is not None:
            report.error(each.id, *fault)


def _text_fault(
    subject: Subject,
    each: ResolvedObject,
    key: str,
    field: Field,
    field_type: FieldType,
    report: Report,
) -> Fault | None:
    text = field.string_value
    if text is None:
        # What was put where a secret belongs may be the secret.
        shown = "" if key.startswith("*") else f" ({shorten(field.ref_value or '')!r})"
        problem = (
            f"{key!r} values must be of type {field_type.kind.capitalize()!r}. Found values of "
            f"type 'Reference'{shown}: write {example(key, field_type)} in its place"
        )
        return Fault(Rule.WRONG_KIND, problem, key)
    if not text:
        return None  # reported as empty
    if not has_expression(text):
        fault = value_fault(key, text, field_type, subject.limits, hidden=key.startswith("*"))
        if fault is None:
            return None
        if field_type.kind == "enumeration":
            fault += word_elsewhere(type_of(each), key, text)
        return Fault(Rule.WRONG_VALUE, f"{key!r}: {fault}", key)
    fault_there = _evaluated_fault(subject, each, key, text, field_type)
    if fault_there is not None and any(
        report.has_error(name) or report.has_error(f"*{name}")
        for name in {name.path[0] for name in names_in(subject, text)}
    ):
        return None  # the parameter's own error is the cause
    return fault_there


def _evaluated_fault(
    subject: Subject, each: ResolvedObject, key: str, text: str, field_type: FieldType
) -> Fault | None:
    """The same for what an expression comes to, where that is known before any run."""
    if field_type.kind == "string" and key != "timeZone":
        return None
    for value in subject.known(each, key, text) or ():
        hidden = key.startswith("*") or subject.tells_secret(value)
        fault = value_fault(key, value, field_type, subject.limits, hidden)
        if fault is not None:
            shown = "" if key.startswith("*") else f" (this is what {shorten(text)!r} comes to)"
            return Fault(Rule.WRONG_VALUE, f"{key!r}: {fault}{shown}", key)
    return None


def _check_presence(
    subject: Subject,
    each: ResolvedObject,
    object_type: ObjectType,
    meant: set[str],
    report: Report,
) -> None:
    """What is not there and must be; what was `meant` by a misspelt field counts as there."""
    for key in required_fields(object_type.name):
        if key in each.fields or key in meant:
            continue
        field_type = object_type.fields[key]
        if key in CLOUD_ROLES:
            text = f"{key!r} is not given; the original service requires it, nobody here reads it"
            report.warning(each.id, Rule.MISSING_ROLE, text, key)
            continue
        wanted = form(object_type.name, key, field_type)
        text = f"{key!r} is required for {object_type.name}; give {wanted}"
        if field_type.kind == "reference":
            text = f"{text}.{fitting(subject, field_type)}"
        report.error(each.id, Rule.MISSING_FIELD, text, key)
    for group in object_type.one_of:
        if not meant.isdisjoint(group):
            continue
        for fault in _one_of_faults(each, object_type, group):
            report.error(each.id, *fault)
    for group in object_type.any_of:
        if not any(key in each.fields or key in meant for key in group):
            text = f"at least one of {listed(group, 'and')} is required for {object_type.name}"
            text += _choices(object_type, group)
            report.error(each.id, Rule.ONE_OF, text)


@cache
def required_fields(type_name: str) -> tuple[str, ...]:
    """The fields without which an object of that type is not whole."""
    fields = all_types()[type_name.lower()].fields
    return tuple(key for key, known in fields.items() if known.presence == "required")


def _one_of_faults(
    each: ResolvedObject, object_type: ObjectType, group: tuple[str, ...]
) -> Iterator[Fault]:
    given = [key for key in group if key in each.fields]
    if not given:
        text = f"one of {listed(group)} is required for {object_type.name}"
        yield Fault(Rule.ONE_OF, text + _choices(object_type, group))
    elif len(given) > 1:
        inherited = [key for key in given if key not in each.own]
        origin = f" ({listed(inherited, 'and')} by inheritance)" if inherited else ""
        text = f"{listed(given, 'and')} are given{origin}, but only one of them may be; keep one"
        own = [key for key in given if key in each.own]
        yield Fault(Rule.ONE_OF, text, (own or given)[-1])


def _choices(object_type: ObjectType, group: tuple[str, ...]) -> str:
    """What each field of a group is, as the end of a sentence."""
    forms = {key: form(object_type.name, key, object_type.fields[key]) for key in group}
    told = "; ".join(f"{key!r} is {what}" for key, what in forms.items() if what != "it")
    return f": {told}" if told else ""
