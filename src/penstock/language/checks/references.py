"""References: to something that is there, of the right type, and written as a reference."""

from penstock.language.catalogue import FieldType, all_types, fields_of_any_type
from penstock.language.checks.subject import Fault, Report, Subject, type_of
from penstock.language.checks.values import kinds
from penstock.language.expressions import has_expression
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import listed, shorten
from penstock.model.definition import Field

FEW = 6
"""Objects that would fit are listed up to so many."""


def check_references(subject: Subject, report: Report) -> None:
    """Every reference that an object writes itself leads to an object."""
    for each in subject.resolved.objects.values():
        for key, fields in each.fields.items():
            for field in fields if key in each.own else ():
                reference = field.ref_value
                if reference and reference not in subject.objects and _takes(each, key):
                    report.error(each.id, *_missing(subject, each, key, reference))


def _takes(each: ResolvedObject, key: str) -> bool:
    """Whether a reference may stand there at all; that it may not is an error of its own."""
    object_type = type_of(each)
    field_type = (object_type.fields if object_type else fields_of_any_type()).get(key)
    return field_type is None or field_type.kind == "reference"


def _missing(subject: Subject, each: ResolvedObject, key: str, reference: str) -> Fault:
    if has_expression(reference):
        remedy = " References are not evaluated: name the object itself."
    else:
        guess = subject.guesser.sentence(reference, subject.objects)
        remedy = guess or _remedy(subject, each, key)
    # What was put where a secret belongs may be the secret.
    shown = "an object" if key.startswith("*") else repr(shorten(reference))
    text = f"{shorten(key)!r} refers to {shown}, but no object has that id.{remedy}"
    return Fault(Rule.MISSING_OBJECT, text, key)


def _remedy(subject: Subject, each: ResolvedObject, key: str) -> str:
    object_type = type_of(each)
    field_type = object_type.fields.get(key) if object_type is not None else None
    fits = fitting(subject, field_type) if field_type is not None else ""
    return fits or " Add the object, or take the reference out."


def reference_fault(
    subject: Subject, key: str, field: Field, field_type: FieldType
) -> Fault | None:
    """What is wrong with a value where a reference to some types belongs."""
    if field.ref_value is None:
        text = (
            f"{key!r} values must be of type {kinds(field_type)}. Found values of type 'String' "
            f"({shorten(field.string_value or '')!r}): {_as_reference(subject, field, field_type)}"
        )
        return Fault(Rule.WRONG_KIND, text, key)
    target = subject.resolved.objects.get(field.ref_value)
    if target is None or "*" in field_type.to:
        return None  # a missing object is reported with all references
    target_type = type_of(target)
    if target_type is None and target.type is not None:
        return None  # the unknown type is the error
    if target_type is not None and any(target_type.is_kind(kind) for kind in field_type.to):
        return None
    found = f"of type {target_type.name!r}" if target_type is not None else "without a type"
    text = (
        f"{key!r} values must be of type {kinds(field_type)}. Found values {found} "
        f"({shorten(field.ref_value)!r}).{fitting(subject, field_type)}"
    )
    return Fault(Rule.WRONG_KIND, text, key)


def _as_reference(subject: Subject, field: Field, field_type: FieldType) -> str:
    """How to write what was written as a string."""
    text = field.string_value or ""
    if text in subject.objects:
        return f'write {{"ref": "{shorten(text)}"}}'
    fits = fitting(subject, field_type)
    return f'write {{"ref": id}} with the id of such an object.{fits}'


def fitting(subject: Subject, field_type: FieldType) -> str:
    """The objects that a reference might mean, as a sentence with a leading space."""
    if "*" in field_type.to:
        return ""
    found = [
        object_id
        for name, ids in subject.by_type.items()
        if any(all_types()[name].is_kind(kind) for kind in field_type.to)
        for object_id in ids[: FEW + 1]
    ]
    if not found:
        return " No object here is of that type."
    return (
        f" Objects of that type here: {listed(sorted(found), 'and')}." if len(found) <= FEW else ""
    )
