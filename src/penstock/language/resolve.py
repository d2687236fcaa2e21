"""Inheritance and parameters: from a definition to what each of its objects really says.

An object's fields are its own and its parent's, own ones replacing the parent's values whole. An
object without a `parent` has the object `Default` as parent. Source: guide, "Pipeline Definition
File Syntax".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from penstock.language.catalogue import ObjectType, type_named
from penstock.model.definition import Definition, Field, ParameterValue, PipelineObject
from penstock.model.errors import DefinitionError

DEFAULT_ID = "Default"

DEEPEST_INHERITANCE = 100
"""Levels of parents; a longer chain is refused, so that merging costs no more than it must."""

MOST_INHERITED_FIELDS = 1_000_000
"""Fields that all objects of a definition may inherit, counted together.

A small text can ask for very much: a thousand fields in Default, a thousand objects. What each
object says is kept whole, so what they inherit needs a bound, or a definition could fill a server.
"""

Fields = dict[str, tuple[Field, ...]]


class ResolvedObject(Struct, frozen=True):
    """An object with its inherited fields: its own in their order, then the inherited.

    `type` is spelled as the catalogue has it, or as given when the catalogue does not know it;
    both `type` and `category` are None for `Default` and abstract parents. `own` names the keys
    that the object gives itself.
    """

    id: str
    name: str
    type: str | None
    category: str | None
    fields: dict[str, tuple[Field, ...]]
    own: frozenset[str] = frozenset()

    def strings(self, key: str) -> tuple[str, ...]:
        """All string values of a key, in order, expressions not evaluated."""
        return tuple(f.string_value for f in self.fields.get(key, ()) if f.string_value is not None)

    def string(self, key: str) -> str | None:
        """The first string value of a key, or None."""
        return next(iter(self.strings(key)), None)

    def refs(self, key: str) -> tuple[str, ...]:
        """The ids of all references of a key, in order."""
        return tuple(f.ref_value for f in self.fields.get(key, ()) if f.ref_value is not None)

    def ref(self, key: str) -> str | None:
        """The id of the first reference of a key, or None."""
        return next(iter(self.refs(key)), None)


class Resolved(Struct, frozen=True):
    """A definition after inheritance.

    `parameters` has the values of each parameter that has some; an optional one without a value
    has none (`()`), a required one without a value is left out. `parameter_types` has the declared
    type of each declared parameter (`String`, `Integer`, `Double`, `AWS::…`).
    """

    objects: dict[str, ResolvedObject]
    parameters: dict[str, tuple[str, ...]]
    parameter_types: dict[str, str] = {}


def resolve(definition: Definition, values: Sequence[ParameterValue] = ()) -> Resolved:
    """What each object says after inheritance, and what each parameter holds.

    `values` are those given at activation; they win over the definition's own, which win over the
    defaults. Raises DefinitionError when parents form a cycle or too long a chain.
    """
    by_id = objects_by_id(definition)
    parents = parents_of(by_id)
    for object_id, fault in parent_faults(parents).items():
        raise DefinitionError(f"object {object_id!r}: {fault.text}")
    if inherits_too_much(by_id, parents):
        raise DefinitionError(TOO_MUCH)
    return resolve_leniently(definition, values)


def resolve_leniently(definition: Definition, values: Sequence[ParameterValue] = ()) -> Resolved:
    """For validation: `resolve`, but an object with a faulty chain of parents inherits nothing.

    Nor does any, where all together would inherit too much.
    """
    by_id = objects_by_id(definition)
    parents = parents_of(by_id)
    cut: Collection[str] = by_id if inherits_too_much(by_id, parents) else parent_faults(parents)
    if cut:
        parents = {key: None if key in cut else parent for key, parent in parents.items()}
    merged: dict[str, Fields] = {}
    for object_id in by_id:
        _merge(by_id, parents, object_id, merged)
    types = {p.id: p.attribute("type") or "String" for p in definition.parameter_objects}
    return Resolved(
        {each.id: _resolved(each, merged[each.id]) for each in by_id.values()},
        _parameters(definition, values),
        types,
    )


def objects_by_id(definition: Definition) -> dict[str, PipelineObject]:
    """The objects by id, in order; of several with one id the first."""
    by_id: dict[str, PipelineObject] = {}
    for each in definition.pipeline_objects:
        by_id.setdefault(each.id, each)
    return by_id


Parents = Mapping[str, str | None]
"""The id of each object's parent."""


def parents_of(by_id: Mapping[str, PipelineObject]) -> Parents:
    """For each object the parent it names, else `Default`; None when there is none."""
    return {object_id: _parent(by_id, each) for object_id, each in by_id.items()}


def _parent(by_id: Mapping[str, PipelineObject], each: PipelineObject) -> str | None:
    named = each.ref("parent")
    parent = DEFAULT_ID if named is None and each.id != DEFAULT_ID else named
    return parent if parent in by_id else None


class ParentFault(NamedTuple):
    """What is wrong with an object's chain of parents.

    `is_cause` is false where the fault lies with objects further up, which have it too.
    """

    text: str
    is_cause: bool = True


def parent_faults(parents: Parents) -> dict[str, ParentFault]:
    """What is wrong with the chains of parents, by object: cycles, and chains that are too long."""
    faults: dict[str, ParentFault] = {}
    for object_id in parents:
        fault = _parent_fault(parents, object_id)
        if fault is not None:
            faults[object_id] = fault
    return faults


def _parent_fault(parents: Parents, object_id: str) -> ParentFault | None:
    chain = {object_id: None}  # a dict, as an ordered set
    parent = parents[object_id]
    while parent is not None:
        if parent == object_id:
            way = " -parent-> ".join([*chain, parent])
            text = f"'parent' leads back to the object itself: {way}; take one of them out"
            return ParentFault(text, object_id == min(chain))
        if parent in chain:
            return ParentFault(f"'parent' leads into a cycle at {parent!r}", is_cause=False)
        if len(chain) == DEEPEST_INHERITANCE:
            text = (
                f"'parent' goes over more than {DEEPEST_INHERITANCE} levels; let the object have "
                "a parent nearer to the top"
            )
            # The first to reach that far is the cause; its own children reach further yet.
            return ParentFault(text, parents[parent] is None)
        chain[parent] = None
        parent = parents[parent]
    return None


TOO_MUCH = (
    f"the objects together inherit more than {MOST_INHERITED_FIELDS:,} fields; take from Default, "
    "or from the parents that many objects share, what is not needed"
)


def inherits_too_much(by_id: Mapping[str, PipelineObject], parents: Parents) -> bool:
    """Whether all that is inherited, each parent's fields counted whole, exceeds the bound."""
    counts: dict[str, int] = {}
    total = 0
    for object_id in by_id:
        chain: dict[str, None] = {}
        current: str | None = object_id
        while current is not None and current not in counts and current not in chain:
            chain[current] = None
            current = parents[current]
        inherited = counts.get(current, 0) if current is not None else 0
        for each in reversed(chain):
            total += inherited
            inherited += len(by_id[each].fields)
            counts[each] = inherited
        if total > MOST_INHERITED_FIELDS:
            return True
    return False


@lru_cache(maxsize=4096)
def is_user_field(key: str) -> bool:
    """Whether a key is one of the user's own: `my` and a capital or `_`, secret ones with `*`."""
    bare = key.removeprefix("*")
    return len(bare) > 2 and bare.startswith("my") and (bare[2] == "_" or bare[2].isupper())


def _merge(
    by_id: Mapping[str, PipelineObject],
    parents: Mapping[str, str | None],
    object_id: str,
    done: dict[str, Fields],
) -> None:
    """Put all fields of an object with its parents' into `done`, whatever its type knows."""
    chain: list[str] = []
    current: str | None = object_id
    while current is not None and current not in done:
        chain.append(current)
        current = parents[current]
    for each in reversed(chain):
        parent = parents[each]
        fields = _own_fields(by_id[each])
        for key, inherited in done[parent].items() if parent is not None else ():
            if key not in fields and _is_inherited(key, parent):
                fields[key] = inherited
        done[each] = fields


def _own_fields(pipeline_object: PipelineObject) -> Fields:
    fields: dict[str, list[Field]] = {}
    for field in pipeline_object.fields:
        # Runtime fields are the service's; a definition that carries some from a copy loses them.
        if not field.key.startswith("@"):
            fields.setdefault(field.key, []).append(field)
    return {key: tuple(values) for key, values in fields.items()}


def _is_inherited(key: str, parent: str | None) -> bool:
    # `Default` often has the type "Default", which is nobody else's type.
    return key != "parent" and not (key == "type" and parent == DEFAULT_ID)


def _resolved(each: PipelineObject, merged: Fields) -> ResolvedObject:
    written = next((f.string_value for f in merged.get("type", ()) if f.string_value), None)
    if written is not None and (each.id == DEFAULT_ID or written.lower() == "default"):
        written = None
    known = type_named(written) if written is not None else None
    own = frozenset(field.key for field in each.fields if not field.key.startswith("@"))
    fields = merged if known is None else _known_fields(merged, known, own)
    return ResolvedObject(
        id=each.id,
        name=each.name,
        type=known.name if known is not None else written,
        category=known.category if known is not None else None,
        fields=fields,
        own=own,
    )


def _known_fields(merged: Fields, object_type: ObjectType, own: frozenset[str]) -> Fields:
    """Without the inherited fields that mean nothing for the type (pipelineLogUri on a CSV)."""
    return {
        key: values
        for key, values in merged.items()
        if key in own or key == "type" or is_user_field(key) or _takes(object_type, key)
    }


def _takes(object_type: ObjectType, key: str) -> bool:
    field_type = object_type.fields.get(key)
    return field_type is not None and field_type.presence != "forbidden"


def _parameters(
    definition: Definition, values: Sequence[ParameterValue]
) -> dict[str, tuple[str, ...]]:
    chosen: dict[str, tuple[str, ...]] = {}
    for parameter in definition.parameter_objects:
        defaults = tuple(a.string_value for a in parameter.attributes if a.key == "default")
        if defaults or (parameter.attribute("optional") or "").lower() == "true":
            chosen[parameter.id] = defaults
    chosen.update(_grouped(definition.parameter_values))
    chosen.update(_grouped(values))
    return chosen


def _grouped(values: Iterable[ParameterValue]) -> dict[str, tuple[str, ...]]:
    grouped: dict[str, list[str]] = {}
    for value in values:
        grouped.setdefault(value.id, []).append(value.string_value)
    return {parameter_id: tuple(texts) for parameter_id, texts in grouped.items()}
