"""What the names in an object's expressions stand for.

A scope is a `Context` over the resolved objects, for one object: a component, or, with runtime
fields and linked scopes given, one of its instances or attempts. A name is, in this order, a
runtime field (`@scheduledStartTime`), a field of the object, a parameter. A path goes over
references (`input.directoryPath`), over `parent` to the object's component, and over `node` to
the object that refers to this one. Source: guide, "Expressions".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from math import isfinite
from typing import Final

from penstock.language.catalogue import FieldType, all_types, nearest, type_named
from penstock.language.expressions import (
    Budget,
    ExpressionError,
    Value,
    evaluate,
    evaluate_to_strings,
)
from penstock.language.expressions.budget import VALUES_PER_STEP
from penstock.language.expressions.functions import FUNCTIONS
from penstock.language.expressions.tree import Written
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.language.wording import did_you_mean
from penstock.model.errors import DefinitionError

RuntimeValue = str | int | datetime

DEEPEST_LOOKUP = 30
"""Fields whose values name fields whose values name fields…; deeper is an error."""

LONGEST_PATH = 10
LONGEST_NUMBER = 18
MOST_TARGETS = 10_000

ONLY_AT_RUN = "is known only once there is an instance"
"""What is said of a runtime field where an object is seen as a component."""

_MOST_COMPARED = 200
"""Names among which the one that was meant is looked for."""

_Trail = tuple[tuple[str, str], ...]
"""The (object, key) pairs under evaluation, outermost first: what tells a cycle."""


class ObjectScope:
    """A `Context` for one object.

    `runtime` has the runtime fields that are set, dates as datetimes. `linked` maps a reference
    field to the scopes of the concrete instances it stands for; a reference without an entry goes
    to the component that it names. `node` is the scope of the object that refers to this one.
    With `runtime_known` false (a component, which is no run yet) a runtime field that is not given
    is an error; otherwise one that is not set yet is the empty string.

    What is given must not change during the scope's life: evaluated fields and parameters are
    remembered.
    """

    def __init__(
        self,
        resolved: Resolved,
        object_id: str,
        runtime: Mapping[str, RuntimeValue] | None = None,
        linked: Mapping[str, Sequence["ObjectScope"]] | None = None,
        node: "ObjectScope | None" = None,
        runtime_known: bool = True,
    ) -> None:
        if object_id not in resolved.objects:
            raise DefinitionError(f"there is no object {object_id!r}")
        self._resolved: Final = resolved
        self._object: Final = resolved.objects[object_id]
        self._runtime: Final = {} if runtime is None else runtime
        self._linked: Final = dict(linked) if linked is not None else {}
        self._node: Final = node
        self._runtime_known: Final = runtime_known
        self._identity: Final = str(self._runtime.get("@id", object_id))
        self._components: dict[str, ObjectScope] = {}
        self._passed_on: Mapping[str, RuntimeValue] | None = None
        self.budget: Final = Budget()
        self._evaluated: Final[dict[str, Sequence[Value]]] = {}
        self._given: Final[dict[str, Sequence[Value]]] = {}

    def knowing(self, runtime: Mapping[str, RuntimeValue]) -> "ObjectScope":
        """The same with more, or other, runtime fields, its node too."""
        return ObjectScope(
            self._resolved,
            self._object.id,
            {**self._runtime, **runtime},
            self._linked,
            self._node.knowing(runtime) if self._node is not None else None,
            self._runtime_known,
        )

    def referred(self, object_id: str) -> "ObjectScope":
        """What the object refers to, where that has no instances of its own."""
        return self._component(object_id)

    def lookup(self, path: tuple[str, ...]) -> Sequence[object]:
        """The values of a dotted path. Raises DefinitionError, also when it is not known."""
        return _Within(self, (), self.budget).lookup(path)

    def values(self, key: str) -> Sequence[Value]:
        """The evaluated values of one of the object's fields; references as ids.

        Raises DefinitionError; a field that the object does not have has no values.
        """
        return self._field(key, (), self.budget) or ()

    def field_texts(self, key: str, text: str) -> list[str]:
        """One text of the object's field `key`, evaluated and printed.

        Differs from evaluating the text in the scope where the field names itself: it then means
        the parameter of that name (`"myBucket": "#{myBucket}"`). Raises DefinitionError.
        """
        try:
            return evaluate_to_strings(text, self.within(key))
        except ExpressionError as error:
            if key.startswith("*") and not error.placed:
                raise _elsewhere(error, key, f"{key!r} of {self._object.id!r}") from None
            raise

    def within(self, key: str) -> "_Within":
        """The context of the object's field `key`, which may name a parameter like itself."""
        return _Within(self, ((self._identity, key),), self.budget)

    def lookup_along(
        self, path: tuple[str, ...], trail: _Trail, budget: Budget
    ) -> Sequence[Value] | None:
        """`lookup` within an evaluation that has come along `trail`; None when not known."""
        if len(path) > LONGEST_PATH:
            raise DefinitionError(f"a path has at most {LONGEST_PATH} steps")
        if len(path) == 1:
            return self._name(path[0], trail, budget)
        if path[-1].startswith("@") and len(path) > 2 and path[:-1] != ("node", "parent"):
            raise DefinitionError(
                f"the runtime field {path[-1]!r} can be reached over one reference only, "
                f"not over {len(path) - 1}"
            )
        targets = self._targets(path[:-1], budget)
        budget.charge(len(targets))
        known: list[Sequence[Value]] = []
        for target in targets:
            values = target._name(path[-1], trail, budget)
            # Of several inputs some may lack the field (filePath, directoryPath); all may not.
            if values is not None:
                known.append(values)
        if known:
            return [value for values in known for value in values]
        if path[0] == "node" and self._is_known_anywhere(path[-1], budget):
            # An alarm serves many objects. It had better tell what it knows of this one than fail.
            return [""]
        return None

    def _targets(self, path: tuple[str, ...], budget: Budget) -> Sequence["ObjectScope"]:
        """The scopes at the end of a path of references, level by level.

        Not by recursion: references that fan out at each step would multiply without a bound.
        """
        scopes: Sequence[ObjectScope] = (self,)
        for key in path:
            following: list[ObjectScope] = []
            known = False
            for scope in scopes:
                found = scope._step(key)
                known = known or found is not None
                following.extend(found or ())
                if len(following) > MOST_TARGETS:
                    raise DefinitionError(f"the path leads to more than {MOST_TARGETS} objects")
            if scopes and not known:
                if path[0] == "node" and self._may_be_reference(scopes, key, budget):
                    return ()
                raise DefinitionError(_no_reference(scopes, key))
            budget.charge(len(following))
            scopes = following
        return scopes

    def _may_be_reference(self, scopes: Sequence["ObjectScope"], key: str, budget: Budget) -> bool:
        """Whether other objects have a reference of that name, and these nothing."""
        given = any(key in scope._object.fields for scope in scopes)
        return not given and self._is_known_anywhere(key, budget)

    def _is_known_anywhere(self, name: str, budget: Budget) -> bool:
        """Whether any type or any object has a field of that name; else it is misspelt."""
        if name in _ALWAYS_RUNTIME or name in _names_of_all_types():
            return True
        budget.charge(len(self._resolved.objects))
        return any(name in each.fields for each in self._resolved.objects.values())

    def _step(self, key: str) -> Sequence["ObjectScope"] | None:
        """The scopes that a path's first name leads to."""
        if key not in self._linked:
            targets = self._component_targets(key)
            if targets is None:
                return None
            self._linked[key] = targets
        return self._linked[key]

    def _component_targets(self, key: str) -> Sequence["ObjectScope"] | None:
        if key == "node":
            if self._node is None:
                raise DefinitionError(
                    "'node' is known only where another object refers to this one"
                )
            return (self._node,)
        if key == "parent":
            # An instance's parent is its component, whatever `parent` the definition names.
            return (self._component(self._object.id),)
        references = [f.ref_value for f in self._object.fields.get(key, ()) if f.ref_value]
        if not references:
            return None
        return [self._component(each) for each in references if each in self._resolved.objects]

    def _component(self, object_id: str) -> "ObjectScope":
        if object_id not in self._components:
            if self._passed_on is None:
                self._passed_on = {k: self._runtime[k] for k in _PASSED_ON if k in self._runtime}
            runtime = self._passed_on
            if self._resolved.objects[object_id].category in _WITH_INSTANCES:
                # It is no run: whose interval it would be is not known.
                runtime = {k: value for k, value in runtime.items() if k not in _INTERVAL}
            scope = ObjectScope(self._resolved, object_id, runtime, runtime_known=False)
            # One scope for each component however it is reached, so that its fields are
            # evaluated once; otherwise the work would double with each step of a chain.
            scope._components, scope._passed_on = self._components, self._passed_on
            self._components[object_id] = scope
        return self._components[object_id]

    def _name(self, name: str, trail: _Trail, budget: Budget) -> Sequence[Value] | None:
        if name.startswith("@"):
            return self._runtime_field(name)
        if trail and trail[-1] == (self._identity, name):
            # A field may pass on a parameter of its own name: "myBucket": "#{myBucket}".
            parameter = self._parameter(name, trail, budget)
            if parameter is not None:
                return parameter
        found = self._field(name, trail, budget)
        if found is None:
            found = self._parameter(name, trail, budget)
        if found is None and self._is_runtime(name):
            return self._unset(name)
        return found

    def _runtime_field(self, name: str) -> Sequence[Value] | None:
        if name in self._runtime:
            return [self._runtime[name]]
        if name == "@id":
            return [self._object.id]
        return self._unset(name) if self._is_runtime(name) else None

    def _unset(self, name: str) -> Sequence[Value]:
        if not self._runtime_known:
            raise DefinitionError(f"{name!r} {ONLY_AT_RUN}")
        return [""]

    def _is_runtime(self, name: str) -> bool:
        return is_runtime_field(self._object, name)

    def unknown(self, path: tuple[str, ...]) -> str:
        """What to say of a path that leads nowhere, with the name that may have been meant."""
        if len(path) == 1:
            return self._unknown_name(path[0])
        targets = self._targets(path[:-1], Budget())
        owners = _named(targets)
        names: Iterable[str] = (name for target in targets for name in target._names())
        if not targets:
            names = _names_of_all_types()
        guess = did_you_mean(nearest(path[-1], islice(names, 2 * _MOST_COMPARED)))
        return f"there is no field {path[-1]!r} at {owners}.{guess}"

    def _unknown_name(self, name: str) -> str:
        said = f"there is no field or parameter {name!r} at {self._object.id!r}."
        if name in FUNCTIONS:
            return f"{said} The function of that name is called with parentheses: {name}(…)"
        for declared in (name, f"*{name}"):
            if declared in self._resolved.parameter_types:
                return f"the parameter {declared!r} has no value."
        names = [*islice(self._names(), _MOST_COMPARED), *self._resolved.parameters]
        return said + did_you_mean(nearest(name, names[: 2 * _MOST_COMPARED]))

    def _names(self) -> Iterator[str]:
        yield from ("id", "name", *self._object.fields, *self._runtime, *_ALWAYS_RUNTIME)

    def _field(self, key: str, trail: _Trail, budget: Budget) -> Sequence[Value] | None:
        if key in self._runtime:
            return [self._runtime[key]]
        if key in ("id", "name"):
            return [self._object.id if key == "id" else self._object.name]
        if key not in self._object.fields:
            return None
        if key not in self._evaluated:
            self._evaluated[key] = self._evaluate(key, trail, budget)
        return self._evaluated[key]

    def _evaluate(self, key: str, trail: _Trail, budget: Budget) -> Sequence[Value]:
        here = (self._identity, key)
        if here in trail:
            way = " -> ".join(f"{owner}.{name}" for owner, name in (*trail, here))
            raise DefinitionError(f"the field refers to itself: {way}")
        if len(trail) >= DEEPEST_LOOKUP:
            raise DefinitionError(
                f"fields refer to one another over more than {DEEPEST_LOOKUP} steps"
            )
        # `type` is never an expression (guide, "Expressions").
        texts = self._object.fields[key]
        if key == "type":
            return [self._object.type or field.string_value or "" for field in texts]
        context = _Within(self, (*trail, here), budget)
        kind = _kind(self._object, key)
        values: list[Value] = []
        try:
            for field in texts:
                if field.ref_value is not None:
                    values.append(field.ref_value)
                else:
                    values.extend(evaluate(field.string_value or "", context))
        except ExpressionError as error:
            raise _elsewhere(error, key, f"{key!r} of {self._object.id!r}") from None
        budget.charge(len(values) // VALUES_PER_STEP)
        return [typed(value, kind) for value in values]

    def _parameter(self, name: str, trail: _Trail, budget: Budget) -> Sequence[Value] | None:
        parameters = self._resolved.parameters
        found = name if name in parameters else f"*{name}"
        if found not in parameters:
            return None
        if found not in self._given:
            # Its names are this object's, whichever field it is used in: once is enough.
            self._given[found] = self._evaluate_parameter(found, trail, budget)
        return self._given[found]

    def _evaluate_parameter(self, found: str, trail: _Trail, budget: Budget) -> Sequence[Value]:
        here = ("parameter", found)
        if here in trail:
            raise DefinitionError(f"the parameter {found!r} refers to itself")
        context = _Within(self, (*trail, here), budget)
        kind = self._resolved.parameter_types.get(found, "String").lower()
        values: list[Value] = []
        try:
            for text in self._resolved.parameters[found]:
                values.extend(evaluate(text, context))
        except ExpressionError as error:
            raise _elsewhere(error, found, f"the parameter {found!r}") from None
        budget.charge(len(values) // VALUES_PER_STEP)
        return [typed(value, kind) for value in values]


class _Within:
    """The context of a field's own expressions: the scope, and the way that led there."""

    __slots__ = ("_scope", "_trail", "budget")

    def __init__(self, scope: ObjectScope, trail: _Trail, budget: Budget) -> None:
        self._scope = scope
        self._trail = trail
        self.budget = budget

    def lookup(self, path: tuple[str, ...]) -> Sequence[object]:
        found = self._scope.lookup_along(path, self._trail, self.budget)
        if found is None:
            raise DefinitionError(self._scope.unknown(path))
        return found


def _elsewhere(error: ExpressionError, key: str, where: str) -> DefinitionError:
    """An error in a field that another's expression led to, said where; a secret's text is kept."""
    if error.placed:
        return error
    if key.startswith("*"):
        return DefinitionError(f"in {where}: {error.problem}")
    return error.within(where)


def _no_reference(scopes: Sequence[ObjectScope], key: str) -> str:
    """What to say where a path goes on over something that is no reference."""
    owners = _named(scopes)
    if any(key in scope._object.fields for scope in scopes):
        return f"{key!r} of {owners} is a text and no reference, so nothing can be reached over it"
    references = [
        name
        for scope in scopes
        for name, fields in islice(scope._object.fields.items(), _MOST_COMPARED)
        if fields and fields[0].ref_value is not None
    ]
    guess = did_you_mean(nearest(key, references[:_MOST_COMPARED]))
    return f"there is no reference {key!r} at {owners}.{guess}"


def _named(scopes: Sequence[ObjectScope], most: int = 3) -> str:
    """Whose fields they are, each once, a few of them."""
    owners = list(dict.fromkeys(repr(scope._object.id) for scope in scopes))
    more = f" or {len(owners) - most} others" if len(owners) > most else ""
    return " or ".join(owners[:most]) + more if owners else "the objects it leads to"


def is_unset_field(resolved_object: ResolvedObject, name: str) -> bool:
    """Whether the object's type has a field of that name and the object does not give it."""
    field_type = type_of_field(resolved_object, name)
    if field_type is None or name in resolved_object.fields:
        return False
    return field_type.presence != "forbidden" and not field_type.set_by_service


def is_runtime_field(resolved_object: ResolvedObject, name: str) -> bool:
    """Whether the service may set a field of that name on an object's instances."""
    field_type = type_of_field(resolved_object, name)
    return name in _ALWAYS_RUNTIME or (field_type is not None and field_type.set_by_service)


def is_runtime_date(resolved_object: ResolvedObject, name: str) -> bool:
    """Whether a runtime field holds a date."""
    field_type = type_of_field(resolved_object, name)
    dated = field_type is not None and field_type.kind == "datetime"
    return dated or name in _ALWAYS_DATES


def runtime_fields(resolved_object: ResolvedObject) -> list[str]:
    """The names of all runtime fields that an object's instances may have."""
    object_type = type_named(resolved_object.type) if resolved_object.type is not None else None
    known = object_type.fields if object_type is not None else {}
    more = (name for name, field_type in known.items() if field_type.set_by_service)
    return sorted(_ALWAYS_RUNTIME.union(more))


REFERRING_KEYS = frozenset({"onFail", "onSuccess", "onLateAction", "precondition"})
"""The fields by which an object becomes the `node` of another."""

_INTERVAL = frozenset({"@scheduledStartTime", "@scheduledEndTime"})
_PASSED_ON = ("@pipelineId", "@version", *sorted(_INTERVAL))
_WITH_INSTANCES = frozenset({"activity", "data_node"})
"""Categories with instances of their own; a database, a format or a machine has none, and serves
whoever refers to it in that one's interval."""

_ALWAYS_RUNTIME = frozenset(
    "@id @pipelineId @sphere @version @status @error @scheduledStartTime @scheduledEndTime "
    "@actualStartTime @actualEndTime @failureReason".split()
)
"""Runtime fields that every object may be asked for; preconditions and actions have them too."""

_ALWAYS_DATES = frozenset(
    "@scheduledStartTime @scheduledEndTime @actualStartTime @actualEndTime".split()
)


@cache
def _names_of_all_types() -> dict[str, None]:
    """The names of all fields that any type has, as an ordered set."""
    return {name: None for each in all_types().values() for name in each.fields}


def type_of_field(resolved_object: ResolvedObject, key: str) -> FieldType | None:
    """What the catalogue says of a field of the object's type, or None."""
    object_type = type_named(resolved_object.type) if resolved_object.type is not None else None
    return object_type.fields.get(key) if object_type is not None else None


def _kind(resolved_object: ResolvedObject, key: str) -> str:
    field_type = type_of_field(resolved_object, key)
    return "string" if field_type is None else field_type.kind


def typed(value: Value, kind: str) -> Value:
    """A text as the number that its field or parameter holds; it prints as it was written.

    So `readThroughputPercent + 1` counts, and `0.50` in a path stays what it is. What is no number
    stays a text, as does `007`: saying so is validation's part.
    """
    if kind not in ("integer", "double") or not isinstance(value, str):
        return value
    if len(value) > LONGEST_NUMBER:
        return value
    if _INTEGER.fullmatch(value):
        return int(value)
    if kind == "double" and _DECIMAL.fullmatch(value):
        number = Written(value)
        return number if isfinite(number) else value
    return value


_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
