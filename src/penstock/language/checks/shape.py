"""Ids, names, empty values, sizes, chains of parents: what can be said without knowing any type."""

from collections import Counter
from collections.abc import Iterator

from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.checks.values import named
from penstock.language.resolve import TOO_MUCH, inherits_too_much
from penstock.language.rules import Rule
from penstock.language.wording import counted, shorten
from penstock.model.definition import Definition, Field, PipelineObject
from penstock.model.limits import Limits


def check_shape(subject: Subject, report: Report) -> None:
    """Everything of `refusals`, and ids, names, sizes and chains of parents."""
    limits = subject.limits
    for object_id, fault in refusals(subject.definition, limits):
        report.error(object_id, *fault)
    counts = Counter(each.id for each in subject.definition.pipeline_objects)
    for object_id, count in counts.items():
        if count > 1:
            text = (
                f"the id {shorten(object_id)!r} is given to {count} objects; give each an id of "
                "its own (only the first is looked at)"
            )
            report.error(object_id, Rule.DUPLICATE_ID, text)
    for each in subject.objects.values():
        for fault in (*_name_faults(each, limits), *_size_faults(each, limits)):
            report.error(each.id, *fault)
    for object_id, parent_fault in subject.cut.items():
        if parent_fault.is_cause:
            report.error(object_id, Rule.PARENT_CYCLE, parent_fault.text, "parent")
    if inherits_too_much(subject.objects, subject.parents):
        report.error("", Rule.TOO_MUCH_INHERITED, TOO_MUCH)


def refusals(definition: Definition, limits: Limits) -> list[tuple[str, Fault]]:
    """What makes PutPipelineDefinition refuse to save at all, each with its object's id.

    Ordinary errors are saved with the draft; these are not: an object without id or name, an
    empty string or reference value, too many objects.
    """
    found = []
    if _exceeds(len(definition.pipeline_objects), limits.objects_per_pipeline):
        count, most = len(definition.pipeline_objects), limits.objects_per_pipeline
        text = f"the definition has {count} objects, more than the {most} of the limit "
        text += f"{named('objects_per_pipeline')}; make several pipelines of it"
        found.append(("", Fault(Rule.TOO_MANY_OBJECTS, text)))
    for each in definition.pipeline_objects:
        if not each.id:
            text = f"an object (named {shorten(each.name)!r}) has no id; give it one"
            found.append(("", Fault(Rule.MISSING_ID, text)))
        if not each.name:
            text = "the object has no name; give it one, such as its id"
            found.append((each.id, Fault(Rule.MISSING_NAME, text)))
        for field in each.fields:
            if not field.string_value and not field.ref_value:
                text = f"{shorten(field.key)!r} is empty; leave the field out or give it a value"
                found.append((each.id, Fault(Rule.EMPTY_VALUE, text, field.key)))
    return found


def _exceeds(count: int, limit: int | None) -> bool:
    return limit is not None and count > limit


def _name_faults(each: PipelineObject, limits: Limits) -> Iterator[Fault]:
    # A name that is not given is the id, and has the id's faults.
    names = [("id", each.id), *([("name", each.name)] if each.name != each.id else [])]
    for what, text in names:
        if text.startswith("@"):
            problem = (
                f"the {what} {shorten(text)!r} begins with '@', which is kept for the service; "
                "leave the '@' out"
            )
            yield Fault(Rule.RESERVED_NAME, problem)
        if _exceeds(_bytes(text), limits.bytes_per_id):
            yield Fault(Rule.NAME_TOO_LONG, _too_long(f"the {what}", text, limits))
    for key in dict.fromkeys(field.key for field in each.fields):
        if key in ("id", "name"):
            problem = f"{key!r} is no field; it stands beside the fields, and once"
            yield Fault(Rule.RESERVED_NAME, problem, key)
        elif key.startswith("@"):
            problem = (
                f"{shorten(key)!r} is set by the service and cannot be given; leave it out "
                "(a definition that was read from running objects has such fields)"
            )
            yield Fault(Rule.SERVICE_FIELD, problem, key)
        if _exceeds(_bytes(key), limits.bytes_per_id):
            yield Fault(Rule.NAME_TOO_LONG, _too_long("the field's name", key, limits), key)


def _too_long(what: str, text: str, limits: Limits) -> str:
    return (
        f"{what} {shorten(text, 40)!r} has {_bytes(text)} bytes, more than the "
        f"{limits.bytes_per_id} of the limit {named('bytes_per_id')}; choose a shorter one"
    )


def _size_faults(each: PipelineObject, limits: Limits) -> Iterator[Fault]:
    if _exceeds(len(each.fields), limits.fields_per_object):
        text = (
            f"the object has {len(each.fields)} fields (each value of a list counts), more than "
            f"the {limits.fields_per_object} of the limit {named('fields_per_object')}"
        )
        yield Fault(Rule.OBJECT_TOO_LARGE, text)
    total = 0
    for field in each.fields:
        size = _field_bytes(field)
        total += size
        if _exceeds(size, limits.bytes_per_field):
            text = (
                f"{shorten(field.key)!r} has {size} bytes, more than the {limits.bytes_per_field} "
                f"of the limit {named('bytes_per_field')}; keep long texts in a file and name it "
                "(scriptUri)"
            )
            yield Fault(Rule.OBJECT_TOO_LARGE, text, field.key)
    if _exceeds(total, limits.bytes_per_object):
        text = (
            f"the object has {counted(total, 'byte')}, more than the {limits.bytes_per_object} of "
            f"the limit {named('bytes_per_object')}"
        )
        yield Fault(Rule.OBJECT_TOO_LARGE, text)


def _field_bytes(field: Field) -> int:
    return _bytes(field.key) + _bytes(field.string_value or field.ref_value or "")


def _bytes(text: str) -> int:
    # "replace", since a lone surrogate from JSON has no bytes and must not end validation.
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
