"""What differs between two definitions, and what of it an activated pipeline may not have.

Compared is what is meant, not how it is spelled: the order of objects, of fields and of references
that are only a set is no difference, nor is `1 Hour` for `1 hours`. Secrets are masked. The rules
for edits are the guide's, "Editing Your Pipeline", "Limitations".
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from penstock.language.catalogue import FieldType, fields_of_any_type, type_named
from penstock.language.periods import parse_datetime, parse_period
from penstock.language.resolve import Resolved, objects_by_id, resolve_leniently
from penstock.language.scope import ObjectScope
from penstock.language.secrecy import MASK, is_hidden, secret_texts, spellings, strike_out
from penstock.model.definition import (
    Definition,
    Field,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.errors import DefinitionError

FIXED_SCHEDULE_FIELDS = ("period", "startDateTime", "startAt", "timeZone")
"""What says when the intervals of a Schedule begin, and so cannot change under running ones."""

ORDERED_REFERENCES = frozenset({"input", "output"})
"""References whose order counts: INPUT1_STAGING_DIR is the first."""

_encode = json.JSONEncoder(ensure_ascii=False).encode

Texts = tuple[str, ...]

Part = Literal["object", "parameter", "value"]


class Change(Struct, frozen=True):
    """One difference: a field of an object, an attribute of a parameter, or a parameter's value.

    With `field` None the object or parameter itself was added (`before` is empty) or removed.
    `before` and `after` are JSON texts, fit to be shown. `forbidden` says why an activated
    pipeline may not have the change and what to do instead; None if it may.
    """

    part: Part
    id: str
    field: str | None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    forbidden: str | None = None

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        """Which of the three it is."""
        if not self.before:
            return "added"
        return "changed" if self.after else "removed"


def differences(old: Definition, new: Definition) -> tuple[Change, ...]:
    """All changes from one definition to the other: objects in order, parameters, values."""
    comparison = _Comparison(old, new)
    return (*comparison.objects(), *comparison.parameters(), *comparison.values())


def forbidden_changes(active: Definition, new: Definition) -> tuple[Change, ...]:
    """Only those that an activated pipeline may not have; made ready to be shown are only they."""
    return tuple(_Comparison(active, new, only_forbidden=True).objects())


class _Comparison:
    """The two definitions, by id and as they resolve, and the secrets of both."""

    def __init__(self, old: Definition, new: Definition, only_forbidden: bool = False) -> None:
        self._only_forbidden = only_forbidden
        self._old, self._new = old, new
        self._before, self._after = objects_by_id(old), objects_by_id(new)
        self._secrets = spellings({*secret_texts(old), *secret_texts(new)})
        self._resolved = resolve_leniently(old), resolve_leniently(new)

    def objects(self) -> Iterator[Change]:
        """Removed and changed objects in the old order, then the added ones."""
        for object_id, item in self._before.items():
            if object_id in self._after:
                yield from self._fields(item, self._after[object_id])
            else:
                yield from self._whole(item, added=False)
        for object_id, item in self._after.items():
            if object_id not in self._before:
                yield from self._whole(item, added=True)

    def _whole(self, item: PipelineObject, added: bool) -> Iterator[Change]:
        """An object that is in one definition only, with its fields."""
        forbidden = None if added else _REMOVED
        if forbidden is not None or not self._only_forbidden:
            yield Change("object", item.id, None, *_sides(_json(item.name), added), forbidden)
        keys = dict.fromkeys(field.key for field in item.fields)
        if self._only_forbidden:
            keys = {"output": None} if added and "output" in keys else {}
        for key in keys:
            taken = [ref for ref in item.refs(key) if ref in self._before]
            forbidden = _TAKEN.format(taken[0]) if added and key == "output" and taken else None
            if self._only_forbidden and forbidden is None:
                continue
            yield Change("object", item.id, key, *_sides(self._shown(item, key), added), forbidden)

    def _fields(self, old: PipelineObject, new: PipelineObject) -> Iterator[Change]:
        if old.name != new.name and not self._only_forbidden:
            yield Change("object", old.id, "name", _json(old.name), _json(new.name))
        if old.fields == new.fields and not self._is_schedule(old.id):
            return
        known = self._types(old)
        for key in dict.fromkeys(field.key for field in (*old.fields, *new.fields)):
            forbidden = self._forbidden(old, new, key)
            if self._only_forbidden and forbidden is None:
                continue
            if _values(old, key, known) != _values(new, key, known):
                sides = self._shown(old, key), self._shown(new, key)
                yield Change("object", old.id, key, *sides, forbidden)
            elif key in FIXED_SCHEDULE_FIELDS and forbidden is not None:
                sides = self._evaluated(old, key)
                if sides[0] != sides[1]:
                    yield Change("object", old.id, key, *sides, forbidden)

    def _types(self, item: PipelineObject) -> Mapping[str, FieldType]:
        resolved = self._resolved[0].objects[item.id]
        object_type = type_named(resolved.type) if resolved.type is not None else None
        return object_type.fields if object_type is not None else fields_of_any_type()

    def _is_schedule(self, object_id: str) -> bool:
        return self._resolved[0].objects[object_id].type == "Schedule"

    def _forbidden(self, old: PipelineObject, new: PipelineObject, key: str) -> str | None:
        if _references(old, key) != _references(new, key):
            return _REFERENCE
        if key in FIXED_SCHEDULE_FIELDS and self._is_schedule(old.id):
            return _PERIOD if key == "period" else _START
        return None

    def _evaluated(self, item: PipelineObject, key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What a field comes to in both: the same expression may bring another period."""
        before, after = (_known(resolved, item.id, key) for resolved in self._resolved)
        return self._texts(key, before), self._texts(key, after)

    def _shown(self, item: PipelineObject, key: str) -> tuple[str, ...]:
        return tuple(self._show(field) for field in item.fields if field.key == key)

    def _show(self, field: Field) -> str:
        if field.ref_value is not None:
            return _encode({"ref": field.ref_value})
        return self._texts(field.key, (field.string_value or "",))[0]

    def _texts(self, key: str, texts: Iterable[str]) -> tuple[str, ...]:
        """Texts of a field or parameter of that name as JSON, with what is secret masked."""
        if key.startswith("*"):
            return tuple(_encode(MASK) for _ in texts)
        return tuple(_encode(strike_out(text, self._secrets)) for text in texts)

    def parameters(self) -> Iterator[Change]:
        """Declarations that came, went, or say something else."""
        before = {each.id: each for each in self._old.parameter_objects}
        after = {each.id: each for each in self._new.parameter_objects}
        for parameter_id in dict.fromkeys((*before, *after)):
            old, new = before.get(parameter_id), after.get(parameter_id)
            if old is None or new is None:
                sides = _sides(_json(parameter_id), added=old is None)
                yield Change("parameter", parameter_id, None, *sides)
            keys = [a.key for each in (old, new) if each is not None for a in each.attributes]
            for key in dict.fromkeys(keys):
                was, now = _attribute(old, key), _attribute(new, key)
                if was != now:
                    before_texts = self._attributes(parameter_id, key, was)
                    after_texts = self._attributes(parameter_id, key, now)
                    yield Change("parameter", parameter_id, key, before_texts, after_texts)

    def _attributes(self, parameter_id: str, key: str, texts: Texts) -> Texts:
        return tuple(
            _encode(MASK)
            if is_hidden(parameter_id, key, text)
            else _encode(strike_out(text, self._secrets))
            for text in texts
        )

    def values(self) -> Iterator[Change]:
        """Values given to parameters."""
        before, after = _by_id(self._old.parameter_values), _by_id(self._new.parameter_values)
        for parameter_id in dict.fromkeys((*before, *after)):
            was, now = before.get(parameter_id, ()), after.get(parameter_id, ())
            if was != now:
                shown = self._texts(parameter_id, was), self._texts(parameter_id, now)
                yield Change("value", parameter_id, None, *shown)


_REMOVED = (
    "an object cannot be removed once the pipeline is activated; put it back, or make a new "
    "pipeline"
)
_TAKEN = (
    "the object {!r} is part of the activated pipeline and cannot be the output of a new one; give "
    "the new one a data node of its own"
)
_REFERENCE = (
    "references of an object cannot change once the pipeline is activated; put it back, or add a "
    "new object that has the reference"
)
_PERIOD = (
    "a schedule's period cannot change once the pipeline is activated; put it back, or add a new "
    "schedule for new objects"
)
_START = (
    "a schedule's start cannot change once the pipeline is activated; put it back, and give the "
    "new start to activate-pipeline (--start-timestamp)"
)


def _json(text: str) -> Texts:
    return (_encode(text),)


def _sides(texts: Texts, added: bool) -> tuple[Texts, Texts]:
    """Before and after of something that is on one side only."""
    return ((), texts) if added else (texts, ())


def _known(resolved: Resolved, object_id: str, key: str) -> tuple[str, ...]:
    """A field's texts, evaluated as far as the definition's own values allow."""
    texts: list[str] = []
    for text in resolved.objects[object_id].strings(key):
        try:
            scope = ObjectScope(resolved, object_id, runtime_known=False)
            texts.extend(scope.field_texts(key, text))
        except DefinitionError:
            texts.append(text)  # a value is yet to come, or it is faulty: validation's matter
    return tuple(_as_meant(text, fields_of_any_type().get(key)) for text in texts)


def _values(item: PipelineObject, key: str, known: Mapping[str, FieldType]) -> object:
    """A field's values in a form that is equal where the same is meant."""
    field_type = known.get(key)
    if key == "type":
        return [text.lower() for text in item.strings(key)]
    return [_as_meant(text, field_type) for text in item.strings(key)], _references(item, key)


def _references(item: PipelineObject, key: str) -> Sequence[str]:
    references = item.refs(key)
    return references if key in ORDERED_REFERENCES else sorted(references)


_CANONICAL: Mapping[str, Callable[[str], str]] = {
    "period": lambda text: str(parse_period(text)),
    "datetime": lambda text: str(parse_datetime(text)),
    "enumeration": lambda text: text.strip().lower(),
    "boolean": lambda text: text.strip().lower(),
}


def _as_meant(text: str, field_type: FieldType | None) -> str:
    canonical = _CANONICAL.get(field_type.kind) if field_type is not None else None
    try:
        return canonical(text) if canonical is not None else text
    except DefinitionError:
        return text


def _attribute(parameter: ParameterObject | None, key: str) -> tuple[str, ...]:
    attributes = parameter.attributes if parameter is not None else ()
    return tuple(each.string_value for each in attributes if each.key == key)


def _by_id(values: Iterable[ParameterValue]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for each in values:
        found[each.id] = (*found.get(each.id, ()), each.string_value)
    return found
