"""Expressions: readable, and every name in them known to the object that evaluates them."""

from penstock.language.catalogue import nearest
from penstock.language.checks.subject import Report, Subject
from penstock.language.expressions.errors import ExpressionError
from penstock.language.expressions.evaluator import has_expression
from penstock.language.expressions.functions import literal_fault
from penstock.language.expressions.parser import parse, walk
from penstock.language.expressions.tree import Call, Constant, Name, Template
from penstock.language.resolve import ResolvedObject, is_user_field
from penstock.language.rules import Rule
from penstock.language.scope import LONGEST_PATH, is_runtime_field
from penstock.language.wording import did_you_mean
from penstock.model.errors import DefinitionError

REFERRING_KEYS = frozenset({"onFail", "onSuccess", "onLateAction", "precondition"})
"""The fields by which an object becomes the `node` of another."""

MOST_FOLLOWED = 500
"""Objects that one name is followed to; what lies beyond shows at run time."""


def check_expressions(subject: Subject, report: Report) -> None:
    """The syntax of what each object says itself, the names in all that it evaluates."""
    for each in subject.resolved.objects.values():
        for key, fields in each.fields.items():
            for field in fields if key != "type" else ():
                if field.string_value is not None and has_expression(field.string_value):
                    _check_text(subject, each, key, field.string_value, report)


def _check_text(
    subject: Subject, each: ResolvedObject, key: str, text: str, report: Report
) -> None:
    own = key in each.own
    try:
        template = parse(text)
        if own:
            _check_literals(template)
        # A user field that is inherited matters only where it is used, and an abstract parent's
        # fields only at its children.
        if each.type is not None and (own or not is_user_field(key)):
            _check_names(subject, each, template)
    except ExpressionError as error:
        if own or each.type is not None:
            # The marked text of a secret field could show the secret.
            shown = error.problem if key.startswith("*") else error
            report.error(each.id, Rule.EXPRESSION, f"{key!r}: {shown}", key)


def _check_literals(template: Template) -> None:
    for part in template.parts:
        for node in () if isinstance(part, str) else walk(part):
            if isinstance(node, Call):
                literals = tuple(
                    a.values[0] if isinstance(a, Constant) else None for a in node.arguments
                )
                fault = literal_fault(node.function, literals)
                if fault is not None:
                    raise ExpressionError(template.text, node.at, fault)


def _check_names(subject: Subject, each: ResolvedObject, template: Template) -> None:
    for part in template.parts:
        for node in () if isinstance(part, str) else walk(part):
            if isinstance(node, Name):
                try:
                    _check_path(subject, each, node.path)
                except DefinitionError as error:
                    raise ExpressionError(template.text, node.at, str(error)) from None


def _check_path(subject: Subject, each: ResolvedObject, path: tuple[str, ...]) -> None:
    """Raise DefinitionError if the path leads nowhere; follows what `ObjectScope` does."""
    if len(path) > LONGEST_PATH:
        raise DefinitionError(f"a path has at most {LONGEST_PATH} steps")
    if len(path) == 1:
        _check_name(subject, each, path[0])
    elif path[0] == "parent":
        _check_path(subject, each, path[1:])
    elif path[0] == "node":
        _check_node(subject, each, path[1:])
    else:
        _check_over_references(subject, each, path)


def _check_name(subject: Subject, each: ResolvedObject, name: str) -> None:
    problem = _name_problem(subject, each, name)
    if problem is not None:
        raise DefinitionError(problem)


def _name_problem(subject: Subject, each: ResolvedObject, name: str) -> str | None:
    if name in ("id", "name") or name in each.fields or is_runtime_field(each, name):
        return None
    resolved = subject.resolved
    for parameter in (name, f"*{name}"):
        if parameter in resolved.parameters or parameter in resolved.parameter_types:
            return None
    candidates = [*each.fields, *resolved.parameters, *resolved.parameter_types]
    guess = did_you_mean(nearest(name, candidates))
    return f"there is no field or parameter {name!r} at {each.id!r}.{guess}"


def _check_node(subject: Subject, each: ResolvedObject, rest: tuple[str, ...]) -> None:
    if each.category is None or not each.category.endswith(("action", "precondition")):
        raise DefinitionError("'node' is known only in preconditions and actions")
    if "node" in rest:
        return  # the referrer's referrer: rare, and following all of them could take for ever
    for referrer in subject.referrers.get(each.id, ())[:MOST_FOLLOWED]:
        owner = subject.resolved.objects[referrer.object_id]
        if referrer.key in REFERRING_KEYS and owner.type is not None:
            _check_path(subject, owner, rest)


def _check_over_references(subject: Subject, each: ResolvedObject, path: tuple[str, ...]) -> None:
    """Level by level; of several targets some may lack a field, that all do is the error."""
    if path[-1].startswith("@") and len(path) > 2:
        raise DefinitionError(f"{path[-1]!r} can be reached over one reference only")
    targets = {each.id: each}
    for key in path[:-1]:
        following: dict[str, ResolvedObject] = {}
        for target in targets.values():
            for reference in (target.id,) if key == "parent" else target.refs(key):
                if reference not in subject.resolved.objects or len(following) >= MOST_FOLLOWED:
                    return  # a missing object is reported with the references
                following[reference] = subject.resolved.objects[reference]
        if not following:
            owners = " or ".join(repr(target) for target in targets)
            raise DefinitionError(f"there is no reference {key!r} at {owners}")
        targets = following
    problems = [_name_problem(subject, target, path[-1]) for target in targets.values()]
    if all(problems):
        raise DefinitionError(str(problems[0]))
