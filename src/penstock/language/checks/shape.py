"""Ids, names, empty values, sizes: what can be said without knowing any type."""

from collections import Counter
from collections.abc import Iterator

from penstock.language.checks.subject import Report, Subject
from penstock.language.resolve import objects_by_id, parent_faults
from penstock.language.wording import shorten
from penstock.model.definition import Definition, Field, PipelineObject
from penstock.model.limits import Limits


def check_shape(subject: Subject, report: Report) -> None:
    """Everything of `refusals`, and ids, names, sizes and chains of parents."""
    limits = subject.limits
    for object_id, text in refusals(subject.definition, limits):
        report.error(object_id, text)
    counts = Counter(each.id for each in subject.definition.pipeline_objects)
    for object_id, count in counts.items():
        if count > 1:
            report.error(object_id, f"the id {object_id!r} is given to {count} objects")
    for each in subject.objects.values():
        for text in (*_name_faults(each, limits), *_size_faults(each, limits)):
            report.error(each.id, text)
    for object_id, fault in parent_faults(objects_by_id(subject.definition)).items():
        report.error(object_id, fault)


def refusals(definition: Definition, limits: Limits) -> list[tuple[str, str]]:
    """What makes PutPipelineDefinition refuse to save at all, as (object id, text) pairs.

    Ordinary errors are saved with the draft; these are not: an object without id or name, an
    empty string or reference value, too many objects.
    """
    found = []
    if _exceeds(len(definition.pipeline_objects), limits.objects_per_pipeline):
        count, most = len(definition.pipeline_objects), limits.objects_per_pipeline
        found.append(("", f"the definition has {count} objects; at most {most} are allowed"))
    for each in definition.pipeline_objects:
        if not each.id:
            found.append(("", f"an object (named {each.name!r}) has no id"))
        if not each.name:
            found.append((each.id, "the object has no name"))
        found.extend(
            (each.id, f"{field.key!r} is empty; leave the field out or give it a value")
            for field in each.fields
            if not field.string_value and not field.ref_value
        )
    return found


def _exceeds(count: int, limit: int | None) -> bool:
    return limit is not None and count > limit


def _name_faults(each: PipelineObject, limits: Limits) -> Iterator[str]:
    for what, text in (("id", each.id), ("name", each.name)):
        if text.startswith("@"):
            yield f"the {what} {text!r} begins with '@', which is kept for the service"
        if _exceeds(len(text.encode(errors="replace")), limits.bytes_per_id):
            yield f"the {what} is longer than {limits.bytes_per_id} bytes"
    for field in each.fields:
        if field.key in ("id", "name"):
            yield f"{field.key!r} is no field; it stands beside the fields"
        elif field.key.startswith("@"):
            yield f"{shorten(field.key)!r} is set by the service and cannot be given"


def _size_faults(each: PipelineObject, limits: Limits) -> Iterator[str]:
    if _exceeds(len(each.fields), limits.fields_per_object):
        yield f"the object has {len(each.fields)} fields; at most {limits.fields_per_object}"
    total = 0
    for field in each.fields:
        size = _bytes(field)
        total += size
        if _exceeds(size, limits.bytes_per_field):
            yield f"{field.key!r} has {size} bytes; a field may have {limits.bytes_per_field}"
    if _exceeds(total, limits.bytes_per_object):
        yield f"the object has {total} bytes; at most {limits.bytes_per_object} are allowed"


def _bytes(field: Field) -> int:
    value = field.string_value or field.ref_value or ""
    # "replace", since a lone surrogate from JSON has no bytes and must not end validation.
    return len(field.key.encode(errors="replace")) + len(value.encode(errors="replace"))
