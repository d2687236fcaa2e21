"""Ids, names, empty values, sizes: what can be said without knowing any type."""

from collections import Counter
from collections.abc import Iterator

from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.resolve import objects_by_id, parent_faults
from penstock.language.rules import Rule
from penstock.language.wording import shorten
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
            text = f"the id {object_id!r} is given to {count} objects"
            report.error(object_id, Rule.DUPLICATE_ID, text)
    for each in subject.objects.values():
        for fault in (*_name_faults(each, limits), *_size_faults(each, limits)):
            report.error(each.id, *fault)
    for object_id, text in parent_faults(objects_by_id(subject.definition)).items():
        report.error(object_id, Rule.PARENT_CYCLE, text, "parent")


def refusals(definition: Definition, limits: Limits) -> list[tuple[str, Fault]]:
    """What makes PutPipelineDefinition refuse to save at all, each with its object's id.

    Ordinary errors are saved with the draft; these are not: an object without id or name, an
    empty string or reference value, too many objects.
    """
    found = []
    if _exceeds(len(definition.pipeline_objects), limits.objects_per_pipeline):
        count, most = len(definition.pipeline_objects), limits.objects_per_pipeline
        text = f"the definition has {count} objects; at most {most} are allowed"
        found.append(("", Fault(Rule.TOO_MANY_OBJECTS, text)))
    for each in definition.pipeline_objects:
        if not each.id:
            text = f"an object (named {each.name!r}) has no id"
            found.append(("", Fault(Rule.MISSING_ID, text)))
        if not each.name:
            found.append((each.id, Fault(Rule.MISSING_NAME, "the object has no name")))
        for field in each.fields:
            if not field.string_value and not field.ref_value:
                text = f"{field.key!r} is empty; leave the field out or give it a value"
                found.append((each.id, Fault(Rule.EMPTY_VALUE, text, field.key)))
    return found


def _exceeds(count: int, limit: int | None) -> bool:
    return limit is not None and count > limit


def _name_faults(each: PipelineObject, limits: Limits) -> Iterator[Fault]:
    for what, text in (("id", each.id), ("name", each.name)):
        if text.startswith("@"):
            problem = f"the {what} {text!r} begins with '@', which is kept for the service"
            yield Fault(Rule.RESERVED_NAME, problem)
        if _exceeds(len(text.encode(errors="replace")), limits.bytes_per_id):
            problem = f"the {what} is longer than {limits.bytes_per_id} bytes"
            yield Fault(Rule.NAME_TOO_LONG, problem)
    for field in each.fields:
        if field.key in ("id", "name"):
            problem = f"{field.key!r} is no field; it stands beside the fields"
            yield Fault(Rule.RESERVED_NAME, problem, field.key)
        elif field.key.startswith("@"):
            problem = f"{shorten(field.key)!r} is set by the service and cannot be given"
            yield Fault(Rule.SERVICE_FIELD, problem, field.key)


def _size_faults(each: PipelineObject, limits: Limits) -> Iterator[Fault]:
    if _exceeds(len(each.fields), limits.fields_per_object):
        text = f"the object has {len(each.fields)} fields; at most {limits.fields_per_object}"
        yield Fault(Rule.OBJECT_TOO_LARGE, text)
    total = 0
    for field in each.fields:
        size = _bytes(field)
        total += size
        if _exceeds(size, limits.bytes_per_field):
            text = f"{field.key!r} has {size} bytes; a field may have {limits.bytes_per_field}"
            yield Fault(Rule.OBJECT_TOO_LARGE, text, field.key)
    if _exceeds(total, limits.bytes_per_object):
        text = f"the object has {total} bytes; at most {limits.bytes_per_object} are allowed"
        yield Fault(Rule.OBJECT_TOO_LARGE, text)


def _bytes(field: Field) -> int:
    value = field.string_value or field.ref_value or ""
    # "replace", since a lone surrogate from JSON has no bytes and must not end validation.
    return len(field.key.encode(errors="replace")) + len(value.encode(errors="replace"))
