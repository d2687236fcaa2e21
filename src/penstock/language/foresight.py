"""What the names in an object's expressions will stand for, as far as a definition tells.

Validation asks here before anything runs: which kind of value a name has, or the very value where
no run is needed to know it. Names that lead nowhere are not its matter, they are `unknown`.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from penstock.language.expressions.kinds import (
    Foreseen,
    Kind,
    KindOfPath,
    Known,
    infer,
    kind_of_all,
)
from penstock.language.expressions.parser import OPENING, parse
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.language.scope import ObjectScope, is_runtime_date, is_runtime_field, typed
from penstock.model.errors import DefinitionError

MOST_TARGETS = 20
"""Objects at the end of a path that are looked at; beyond, the kind is unknown."""

DEEPEST = 10
"""Fields whose texts name fields whose texts name fields…; beyond, the kind is unknown."""

_BEFORE_ANY_RUN: Mapping[str, str] = {}

_KINDS: Mapping[str, Kind] = {"integer": "integer", "double": "decimal", "datetime": "date"}


class Foresight:
    """A definition, looked at before it runs; what was worked out is remembered.

    `referrers` names for each object the ones that can be its `node`. The parameters of a `draft`
    may get other values yet, so only what is declared of them counts.
    """

    def __init__(
        self,
        resolved: Resolved,
        referrers: Mapping[str, Sequence[str]] | None = None,
        draft: bool = False,
    ) -> None:
        self._resolved = replace(resolved, parameters={}) if draft else resolved
        self._referrers = referrers or {}
        self._scopes: dict[str, ObjectScope] = {}
        self._fields: dict[tuple[str, str], Foreseen] = {}
        self._depth = 0

    def kinds_at(self, object_id: str) -> KindOfPath:
        """What names stand for in an object's expressions."""
        return lambda path: self.kind_of_path(object_id, path)

    def kind_of_path(self, object_id: str, path: tuple[str, ...]) -> Foreseen:
        """What a dotted path stands for in an object's expressions."""
        each = self._resolved.objects.get(object_id)
        if each is None:
            return "unknown"
        if len(path) == 1:
            return self._name(each, path[0])
        targets = [each]
        for key in path[:-1]:
            targets = self._step(targets, key)
            if not targets or len(targets) > MOST_TARGETS:
                return "unknown"
        return _joined([self._name(target, path[-1]) for target in targets])

    def _step(self, targets: Sequence[ResolvedObject], key: str) -> list[ResolvedObject]:
        objects = self._resolved.objects
        ids: list[str] = []
        for target in targets:
            if key == "parent":
                ids.append(target.id)
            elif key == "node":
                ids.extend(self._referrers.get(target.id, ()))
            else:
                ids.extend(target.refs(key))
        return [objects[each] for each in ids if each in objects]

    def _scope(self, object_id: str) -> ObjectScope:
        if object_id not in self._scopes:
            self._scopes[object_id] = ObjectScope(
                self._resolved, object_id, _BEFORE_ANY_RUN, runtime_known=False
            )
        return self._scopes[object_id]

    def _name(self, each: ResolvedObject, name: str) -> Foreseen:
        if name in ("id", "name"):
            return Known((each.id if name == "id" else each.name,))
        if name in each.fields:
            return self._field(each, name)
        parameter = self._parameter(name)
        if parameter is not None:
            return parameter
        if is_runtime_field(each, name):
            return "date" if is_runtime_date(each, name) else "text"
        return "unknown"

    def _field(self, each: ResolvedObject, key: str) -> Foreseen:
        here = (each.id, key)
        if here not in self._fields:
            # A field that leads back to itself finds this, and is an error of its own.
            self._fields[here] = "unknown"
            self._fields[here] = self._worked_out(each, key)
        return self._fields[here]

    def _worked_out(self, each: ResolvedObject, key: str) -> Foreseen:
        texts = each.strings(key)
        if not any(OPENING in text for text in texts):
            return Known(tuple(self._scope(each.id).values(key)))
        if self._depth >= DEEPEST:
            return "unknown"
        self._depth += 1
        try:
            kinds = self._kinds_within(each, key)
            return _joined([_text_kind(text, kinds) for text in texts])
        except DefinitionError:
            return "unknown"
        finally:
            self._depth -= 1

    def _kinds_within(self, each: ResolvedObject, key: str) -> KindOfPath:
        """What names stand for in a field's own text, which may name a parameter like itself."""
        passed_on = self._parameter(key)
        if passed_on is None:
            return self.kinds_at(each.id)
        return lambda path: passed_on if path == (key,) else self.kind_of_path(each.id, path)

    def _parameter(self, name: str) -> Foreseen | None:
        """None if there is no such parameter."""
        declared, values = self._resolved.parameter_types, self._resolved.parameters
        for found in (name, f"*{name}"):
            kind = declared.get(found, "").lower()
            if found in values and not any(OPENING in text for text in values[found]):
                return Known(tuple(typed(text, kind) for text in values[found]))
            if found in values or found in declared:
                return _KINDS.get(kind, "unknown")
        return None


def _text_kind(text: str, kinds: KindOfPath) -> Foreseen:
    if OPENING not in text:
        return Known((text,))
    lone = parse(text).lone
    return infer(lone, kinds) if lone is not None else "text"


def _joined(found: Sequence[Foreseen]) -> Foreseen:
    """What several values are together."""
    values = [each.values for each in found if isinstance(each, Known)]
    if values and len(values) == len(found):
        return Known(tuple(value for each in values for value in each))
    kinds = {kind_of_all(each) for each in found}
    return kinds.pop() if len(kinds) == 1 else "unknown"
