"""Types and their fields: known, of the right kind, and all there that must be."""

from collections.abc import Iterator

from penstock.language.catalogue import (
    FieldType,
    ObjectType,
    all_types,
    fields_of_any_type,
    nearest,
    type_named,
)
from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.checks.values import value_fault
from penstock.language.expressions import has_expression
from penstock.language.resolve import ResolvedObject, is_user_field
from penstock.language.rules import Rule
from penstock.language.wording import did_you_mean, shorten
from penstock.model.definition import Field

CLOUD_ROLES = frozenset({"role", "resourceRole"})
"""Required by the guide, only a warning here: without the cloud there is no one to play them."""

_KINDS = {
    "string": "String",
    "period": "Period",
    "integer": "Integer",
    "double": "Double",
    "boolean": "Boolean",
    "datetime": "DateTime",
    "enumeration": "Enumeration",
}
_BESIDE_FIELDS = frozenset({"id", "name", "type"})


def check_fields(subject: Subject, report: Report) -> None:
    """Every object's type, its own fields, and what it must have."""
    for each in subject.resolved.objects.values():
        object_type = type_named(each.type) if each.type is not None else None
        for fault in _type_faults(each, object_type):
            report.error(each.id, *fault)
        if each.type is None or object_type is not None:
            _check_own_fields(subject, each, object_type, report)
        _check_references(subject, each, report)
    for each, object_type in subject.typed():
        _check_presence(each, object_type, report)


def _type_faults(each: ResolvedObject, object_type: ObjectType | None) -> Iterator[Fault]:
    given = each.fields.get("type", ()) if "type" in each.own else ()
    if any(field.ref_value is not None for field in given):
        text = "'type' must be the name of a type, not a reference"
        yield Fault(Rule.WRONG_KIND, text, "type")
    if len(given) > 1:
        text = f"'type' is given {len(given)} times; an object has one type"
        yield Fault(Rule.SEVERAL_VALUES, text, "type")
    if each.type is not None and object_type is None and given:
        names = [known.name for known in all_types().values()]
        guess = did_you_mean(nearest(each.type, names))
        text = f"'type' names no known type: {shorten(each.type)!r}.{guess}"
        yield Fault(Rule.UNKNOWN_TYPE, text, "type")


def _check_own_fields(
    subject: Subject, each: ResolvedObject, object_type: ObjectType | None, report: Report
) -> None:
    known = object_type.fields if object_type is not None else fields_of_any_type()
    for key in each.fields:
        if key not in each.own or key in _BESIDE_FIELDS or is_user_field(key):
            continue
        field_type = known.get(key)
        if field_type is None:
            _report_unknown(each, key, object_type, report)
        elif field_type.presence == "forbidden" and object_type is not None:
            text = f"{key!r} is not allowed for {object_type.name}"
            report.error(each.id, Rule.FORBIDDEN_FIELD, text, key)
        elif field_type.set_by_service:
            text = f"{key!r} is set by the service and cannot be given"
            report.error(each.id, Rule.SERVICE_FIELD, text, key)
        else:
            _check_values(subject, each, key, field_type, report)


def _report_unknown(
    each: ResolvedObject, key: str, object_type: ObjectType | None, report: Report
) -> None:
    own = "A field of your own begins with 'my' and a capital letter or '_'."
    if object_type is None:
        # It may be meant for a later type, and no object takes it over that does not know it.
        guess = did_you_mean(nearest(key, fields_of_any_type()))
        text = f"{shorten(key)!r} is a field of no type.{guess} {own}"
        report.warning(each.id, Rule.UNKNOWN_FIELD, text, key)
        return
    guess = did_you_mean(nearest(key, (k for k, f in object_type.fields.items() if _is_open(f))))
    text = f"{shorten(key)!r} is not a field of {object_type.name}.{guess} {own}"
    report.error(each.id, Rule.UNKNOWN_FIELD, text, key)


def _is_open(field_type: FieldType) -> bool:
    return field_type.presence != "forbidden" and not field_type.set_by_service


def _check_values(
    subject: Subject, each: ResolvedObject, key: str, field_type: FieldType, report: Report
) -> None:
    fields = each.fields[key]
    if len(fields) > 1 and not field_type.many and each.type is not None:
        text = f"{key!r} has {len(fields)} values where one is usual"
        report.warning(each.id, Rule.SEVERAL_VALUES, text, key)
    for field in fields:
        fault = (
            _reference_fault(subject, key, field, field_type)
            if field_type.kind == "reference"
            else _text_fault(subject, key, field, field_type)
        )
        if fault is not None:
            report.error(each.id, *fault)


def _reference_fault(
    subject: Subject, key: str, field: Field, field_type: FieldType
) -> Fault | None:
    """What is wrong with a value where a reference to some types belongs."""
    wanted = " or ".join(repr(kind) for kind in field_type.to)
    if field.ref_value is None:
        quoted = shorten(field.string_value or "")
        return Fault(
            Rule.WRONG_KIND,
            f"{key!r} values must be of type {wanted}. Found values of type 'String'"
            f' ({quoted!r}; a reference is written {{"ref": id}})',
            key,
        )
    target = subject.resolved.objects.get(field.ref_value)
    if target is None or "*" in field_type.to:
        return None  # a missing object is reported with all references
    target_type = type_named(target.type) if target.type is not None else None
    if target_type is None and target.type is not None:
        return None  # the unknown type is the error
    if target_type is not None and any(target_type.is_kind(kind) for kind in field_type.to):
        return None
    found = target_type.name if target_type is not None else "none"
    return Fault(
        Rule.WRONG_KIND,
        f"{key!r} values must be of type {wanted}. Found values of type {found!r} "
        f"({field.ref_value!r})",
        key,
    )


def _text_fault(subject: Subject, key: str, field: Field, field_type: FieldType) -> Fault | None:
    if field.string_value is None:
        wanted = _KINDS[field_type.kind]
        return Fault(
            Rule.WRONG_KIND,
            f"{key!r} values must be of type {wanted!r}. Found values of type 'Reference' "
            f"({field.ref_value!r})",
            key,
        )
    if has_expression(field.string_value) or not field.string_value:
        return None
    fault = value_fault(key, field.string_value, field_type, subject.limits)
    return Fault(Rule.WRONG_VALUE, f"{key!r}: {fault}", key) if fault is not None else None


def _check_references(subject: Subject, each: ResolvedObject, report: Report) -> None:
    for key, fields in each.fields.items():
        for field in fields if key in each.own else ():
            reference = field.ref_value
            if reference and reference not in subject.objects:
                guess = did_you_mean(nearest(reference, subject.objects))
                text = f"{key!r} refers to {shorten(reference)!r}, which does not exist.{guess}"
                report.error(each.id, Rule.MISSING_OBJECT, text, key)


def _check_presence(each: ResolvedObject, object_type: ObjectType, report: Report) -> None:
    for key, field_type in object_type.fields.items():
        if field_type.presence != "required" or key in each.fields:
            continue
        if key in CLOUD_ROLES:
            text = f"{key!r} is missing; only work in the cloud needs it"
            report.warning(each.id, Rule.MISSING_ROLE, text, key)
        else:
            text = f"{key!r} is required for {object_type.name} and is missing"
            report.error(each.id, Rule.MISSING_FIELD, text, key)
    for group in object_type.one_of:
        given = [key for key in group if key in each.fields]
        words = ", ".join(repr(key) for key in group)
        if not given:
            text = f"one of {words} is required for {object_type.name}"
            report.error(each.id, Rule.ONE_OF, text)
        elif len(given) > 1:
            both = " and ".join(repr(key) for key in given)
            text = f"only one of {words} is allowed; {both} are given"
            report.error(each.id, Rule.ONE_OF, text, given[-1])
