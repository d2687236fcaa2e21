"""Expressions: readable, able to work, and every name in them known where it is evaluated."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

from penstock.language.catalogue import all_types
from penstock.language.checks.subject import Report, Subject
from penstock.language.expressions import has_expression
from penstock.language.expressions.errors import ExpressionError
from penstock.language.expressions.kinds import faults
from penstock.language.expressions.parser import walk
from penstock.language.expressions.tree import Name, Template
from penstock.language.foresight import Foresight
from penstock.language.resolve import ResolvedObject, is_user_field
from penstock.language.rules import Rule
from penstock.language.scope import LONGEST_PATH, is_runtime_field, is_unset_field
from penstock.language.wording import did_you_mean, listed, shorten

REFERRING_KEYS = frozenset({"onFail", "onSuccess", "onLateAction", "precondition"})
"""The fields by which an object becomes the `node` of another."""

MOST_TARGETS = 100
"""Objects that one name is followed to; what lies beyond shows at run time."""

SEVERAL = 3
"""Undeclared parameters from which on one finding stands for all."""

MOST_PROBLEMS = 10
"""Problems of one text that are told; who mends them will look again."""

_CHARACTERS_PER_STEP = 3


class _Wrong(NamedTuple):
    """Something wrong with a name; `undeclared` is the parameter that may be meant by it.

    A name that the type has and the object does not give is `unset`.
    """

    text: str
    rule: Rule = Rule.UNKNOWN_NAME
    undeclared: str | None = None
    unset: bool = False


class _Problem(NamedTuple):
    """Something wrong with a text, and where in it."""

    at: int
    wrong: _Wrong


class _Found(NamedTuple):
    """A problem of a text, to be reported at the object that wrote it."""

    owner: str
    key: str
    text: str
    problem: _Problem


def check_expressions(subject: Subject, report: Report) -> None:
    """The syntax of what each object says itself, kinds and names in all that it evaluates."""
    names = _Names(subject)
    found: dict[_Found, list[str]] = {}
    for each in subject.resolved.objects.values():
        for key, fields in each.fields.items():
            for field in fields:
                text = field.string_value
                if text is None or not has_expression(text):
                    continue
                own = key in each.own
                # A user field that is inherited matters only where it is used, and an abstract
                # parent's fields only at its heirs.
                if key == "type" or (not own and (each.type is None or is_user_field(key))):
                    continue
                if not own and not subject.effort.afford(len(text) // _CHARACTERS_PER_STEP):
                    continue
                owner = each.id if own else subject.owner(each, key)
                for problem in names.problems(each, key, text, own):
                    found.setdefault(_Found(owner, key, text, problem), []).append(each.id)
    undeclared = _undeclared(subject, found)
    for each_found, heirs in found.items():
        if not undeclared or each_found.problem.wrong.undeclared is None:
            _report(each_found, heirs, report)
    if undeclared:
        text = (
            f"the definition declares no parameters, and uses {len(undeclared)}: "
            f'{listed(undeclared, "and")}; declare them under "parameters", or give the file that '
            "does beside this one (--parameters-file)"
        )
        report.error("", Rule.UNKNOWN_NAME, text)


def _undeclared(subject: Subject, found: Iterable[_Found]) -> list[str]:
    """The parameters that are used, where none is declared and several are: one cause."""
    if subject.definition.parameter_objects:
        return []
    names = {name for each in found if (name := each.problem.wrong.undeclared) is not None}
    return sorted(names) if len(names) >= SEVERAL else []


def _report(found: _Found, heirs: Sequence[str], report: Report) -> None:
    """One finding, however many objects inherit the text."""
    owner, key, text, problem = found
    others = [heir for heir in heirs if heir != owner]
    seen = ""
    if owner not in heirs and others:
        seen = f" (inherited by {listed(sorted(others), 'and')})"
    # The marked text of a secret field could show the secret.
    marked = "" if key.startswith("*") else f"\n{ExpressionError(text, problem.at, '').marked}"
    wrong = problem.wrong
    tell = report.warning if wrong.rule is Rule.UNSET_FIELD else report.error
    tell(owner, wrong.rule, f"{shorten(key)!r}: {wrong.text}{seen}{marked}", key)


class _Names:
    """Follows names through the definition, with what was worked out on the way remembered."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._foresight = Foresight(
            subject.resolved,
            {
                object_id: [r.object_id for r in referrers if r.key in REFERRING_KEYS]
                for object_id, referrers in subject.referrers.items()
            },
        )
        resolved = subject.resolved
        self._parameters = frozenset({*resolved.parameters, *resolved.parameter_types})

    def problems(self, each: ResolvedObject, key: str, text: str, own: bool) -> list[_Problem]:
        """All that is wrong with a text in an object that has it."""
        template = self._subject.template(text)
        if isinstance(template, ExpressionError):
            # Where the text is inherited its owner has the error already.
            if not own or template.readable is None:
                return []
            template = template.readable
        names = () if each.type is None else self._unknown(each, key, template)
        found = _empty_as_one(list(islice(names, MOST_PROBLEMS)))
        kinds = self._foresight.kinds_at(each.id)
        found += [
            _Problem(at, _Wrong(what, Rule.EXPRESSION)) for at, what in faults(template, kinds)
        ]
        return sorted(found, key=lambda each: each.at)[:MOST_PROBLEMS]

    def _unknown(self, each: ResolvedObject, key: str, template: Template) -> Iterator[_Problem]:
        for part in template.parts:
            for node in () if isinstance(part, str) else walk(part):
                if isinstance(node, Name):
                    wrong = self._path(each, node.path, each)
                    if wrong is not None:
                        yield _Problem(node.at, wrong)

    def _path(
        self, each: ResolvedObject, path: tuple[str, ...], origin: ResolvedObject
    ) -> _Wrong | None:
        """What is wrong with a path, and of which kind; follows what `ObjectScope` does."""
        if len(path) > LONGEST_PATH:
            return _Wrong(f"a path has at most {LONGEST_PATH} steps", Rule.EXPRESSION)
        if len(path) == 1:
            return self._name(each, path[0], origin)
        if path[0] == "parent":
            return self._path(each, path[1:], origin)
        if path[0] == "node":
            return self._node(each, path[1:], origin)
        return self._over_references(each, path, origin)

    def _node(
        self, each: ResolvedObject, rest: tuple[str, ...], origin: ResolvedObject
    ) -> _Wrong | None:
        if each.category is None or not each.category.endswith(("action", "precondition")):
            text = "'node' is known only in preconditions and actions; name the field alone"
            return _Wrong(text)
        if "node" in rest:
            return None  # the referrer's referrer: rare, and following all could take for ever
        first: _Wrong | None = None
        empty: list[str] = []
        is_found = False
        for referrer in self._subject.referrers.get(each.id, ())[:MOST_TARGETS]:
            self._subject.effort.afford(1)
            owner = self._subject.resolved.objects[referrer.object_id]
            if referrer.key not in REFERRING_KEYS or owner.type is None:
                continue
            wrong = self._path(owner, rest, origin)
            if wrong is not None and wrong.rule is Rule.EXPRESSION:
                return wrong
            is_found = is_found or wrong is None or wrong.unset
            if wrong is not None:
                first = first or wrong
                empty.append(owner.id)
        if first is None or not is_found:
            return first
        # An alarm in Default serves objects of all types, of which few have a command or an input.
        where = listed(dict.fromkeys(empty), "and")
        return _Wrong(f"for {'.'.join(('node', *rest))!r} of {where}", Rule.UNSET_FIELD)

    def _over_references(
        self, each: ResolvedObject, path: tuple[str, ...], origin: ResolvedObject
    ) -> _Wrong | None:
        """Level by level; of several targets some may lack a field, that all do is the error."""
        if path[-1].startswith("@") and len(path) > 2:
            text = f"{path[-1]!r} can be reached over one reference only, not over {len(path) - 1}"
            return _Wrong(text, Rule.EXPRESSION)
        targets = {each.id: each}
        for key in path[:-1]:
            following: dict[str, ResolvedObject] = {}
            for target in targets.values():
                for reference in (target.id,) if key == "parent" else target.refs(key):
                    at = self._subject.resolved.objects.get(reference)
                    if at is None or len(following) >= MOST_TARGETS:
                        return None  # a missing object is reported with the references
                    if not self._subject.effort.afford(1):
                        return None
                    following[reference] = at
            if not following:
                is_unset = any(is_unset_field(target, key) for target in targets.values())
                return _Wrong(self._no_reference(list(targets.values()), key), unset=is_unset)
            targets = following
        if any(self._knows(target, path[-1]) for target in targets.values()):
            return None
        unset = [key for key, target in targets.items() if is_unset_field(target, path[-1])]
        return self._name(targets[min(unset or targets)], path[-1], origin)

    def _no_reference(self, owners: Sequence[ResolvedObject], key: str) -> str:
        where = listed(sorted(owner.id for owner in owners))
        if any(key in owner.fields for owner in owners):
            return f"{key!r} of {where} is a text and no reference, so it has no fields"
        references = {name for owner in owners for name in owner.fields if owner.refs(name)}
        guess = self._subject.guesser.sentence(key, references)
        if any(is_unset_field(owner, key) for owner in owners):
            return f"{key!r} is not given at {where}; give it, or name something else"
        return f"there is no reference {key!r} at {where}.{guess}"

    def _name(self, each: ResolvedObject, name: str, origin: ResolvedObject) -> _Wrong | None:
        """What to say of a name that an object does not know; None if it does."""
        if self._knows(each, name):
            return None
        where = "" if each is origin else f" at {shorten(each.id)!r}"
        if name.startswith("@"):
            guess = did_you_mean(self._subject.guesser.nearest(name, _runtime_names()))
            return _Wrong(f"there is no runtime field {name!r}{where}.{guess}")
        if is_unset_field(each, name):
            text = f"{name!r} is not given{where}, so there is nothing to put here; give it a value"
            return _Wrong(text, unset=True)
        text = f"there is no field or parameter {name!r}{where}."
        guess = self._guess(each, name)
        if guess or not is_user_field(name):
            return _Wrong(text + guess)
        declare = (
            f' Declare it: "parameters": [{{"id": "{name}", …}}], or give the object a field of '
            "that name."
        )
        # Of another object it would have to be a field there.
        return _Wrong(text + declare, undeclared=name if each is origin else None)

    def _knows(self, each: ResolvedObject, name: str) -> bool:
        if name in ("id", "name") or name in each.fields or is_runtime_field(each, name):
            return True
        return name in self._parameters or f"*{name}" in self._parameters

    def _guess(self, each: ResolvedObject, name: str) -> str:
        if not is_user_field(name):
            return self._subject.guesser.sentence(name, each.fields, self._parameters)
        # Fields of the type look like it (myScriptUri, scriptUri) and are not meant.
        own = {key for key in each.fields if is_user_field(key)}
        return self._subject.guesser.sentence(name, own, self._parameters)


def _empty_as_one(found: Sequence[_Problem]) -> list[_Problem]:
    """What will be empty for some nodes, in one sentence for all names of the text."""
    empty = [each for each in found if each.wrong.rule is Rule.UNSET_FIELD]
    if not empty:
        return list(found)
    told = ", ".join(dict.fromkeys(each.wrong.text for each in empty))
    wrong = _Wrong(f"nothing will stand here {told}", Rule.UNSET_FIELD)
    return [*(each for each in found if each not in empty), _Problem(empty[0].at, wrong)]


@cache
def _runtime_names() -> frozenset[str]:
    return frozenset(
        key
        for object_type in all_types().values()
        for key in object_type.fields
        if key.startswith("@")
    )
