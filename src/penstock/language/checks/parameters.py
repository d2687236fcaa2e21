"""Parameters: declared well, with values that their declarations allow, and of use."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from penstock.language.catalogue import FieldType, fields_of_any_type
from penstock.language.checks.names import names_in
from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.checks.values import named, value_fault
from penstock.language.expressions import has_expression
from penstock.language.expressions.errors import ExpressionError
from penstock.language.expressions.parser import parse
from penstock.language.resolve import ResolvedObject, is_user_field
from penstock.language.rules import Rule
from penstock.language.wording import counted, listed, shorten
from penstock.model.definition import ParameterObject

ATTRIBUTES = frozenset(
    "type description optional allowedValues default isArray watermark helpText helpLink".split()
)
"""What a parameter can say (guide, "Parameter Attributes")."""

_OURS = "cloudFormation"
"""What attributes begin with in which a template's own words are kept."""

TYPES = ("String", "Integer", "Double", "AWS::S3::ObjectKey")
"""Types with a meaning; any other `AWS::…` name is taken as a text."""

_NUMBERS = {
    "integer": FieldType(kind="integer", presence="optional"),
    "double": FieldType(kind="double", presence="optional"),
}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOOLEANS = ("optional", "isArray")


def check_parameters(subject: Subject, report: Report) -> None:
    """Each declared parameter with its values, and values without a declaration."""
    _check_limits(subject, report)
    declared = {each.id: each for each in reversed(subject.definition.parameter_objects)}
    counts = Counter(each.id for each in subject.definition.parameter_objects)
    used = _used_names(subject) if declared else frozenset()
    shadows = _shadows(subject, declared) if declared else {}
    for parameter_id, parameter in declared.items():
        if counts[parameter_id] > 1:
            text = f"the parameter is declared {counts[parameter_id]} times; keep one declaration"
            report.error(parameter_id, Rule.DUPLICATE_ID, text)
        for fault in _declaration_faults(subject, parameter):
            report.error(parameter_id, *fault)
        for fault in _value_faults(subject, parameter):
            report.error(parameter_id, *fault)
        for fault in _advice(subject, parameter, used, shadows.get(parameter_id)):
            report.warning(parameter_id, *fault)
    _check_missing(subject, declared, report)
    _check_undeclared(subject, declared, report)


def _check_limits(subject: Subject, report: Report) -> None:
    declared, most = len(subject.definition.parameter_objects), subject.limits.parameters
    if most is not None and declared > most:
        text = (
            f"the definition has {declared} parameters, more than the {most} of the limit "
            f"{named('parameters')}"
        )
        report.error("", Rule.TOO_MANY_PARAMETERS, text)
    values, most = subject.definition.parameter_values, subject.limits.bytes_of_values
    size = sum(len(f"{v.id}{v.string_value}".encode(errors="replace")) for v in values)
    if most is not None and size > most:
        text = (
            f"the values of the parameters have {size} bytes together, more than the {most} of "
            f"the limit {named('bytes_of_values')}"
        )
        report.error("", Rule.TOO_MANY_PARAMETERS, text)


def _declaration_faults(subject: Subject, parameter: ParameterObject) -> Iterator[Fault]:
    kind = parameter.attribute("type")
    if kind is not None and not _is_type(kind):
        guess = subject.guesser.sentence(kind, TYPES)
        text = f"'type': {shorten(kind)!r} is not {listed(TYPES)}.{guess}"
        yield Fault(Rule.PARAMETER, text, "type")
    for key in _BOOLEANS:
        value = parameter.attribute(key)
        if value is not None and value.strip().lower() not in ("true", "false"):
            text = f"{key!r}: {shorten(value)!r} is not 'true' or 'false'"
            yield Fault(Rule.PARAMETER, text, key)


def _is_type(kind: str) -> bool:
    lower = kind.strip().lower()
    return lower.startswith("aws::") or lower in (known.lower() for known in TYPES)


def _value_faults(subject: Subject, parameter: ParameterObject) -> Iterator[Fault]:
    values = subject.resolved.parameters.get(parameter.id, ())
    if len(values) > 1 and (parameter.attribute("isArray") or "").strip().lower() != "true":
        text = (
            f"{len(values)} values are given to a parameter that takes one; give it "
            '"isArray": "true", or one value'
        )
        yield Fault(Rule.PARAMETER_VALUE, text)
    # A default that another value covers up is wrong all the same.
    defaults = {a.string_value: None for a in parameter.attributes if a.key == "default"}
    allowed = frozenset(a.string_value for a in parameter.attributes if a.key == "allowedValues")
    for value in dict.fromkeys((*values, *defaults)):
        fault = _value_fault(subject, parameter, value, allowed)
        if fault is not None:
            what = "default" if value in defaults else None
            yield Fault(Rule.PARAMETER_VALUE, f"{'default' if what else 'value'}: {fault}", what)
            break  # of a long list the first will do


def _value_fault(
    subject: Subject, parameter: ParameterObject, value: str, allowed: frozenset[str]
) -> str | None:
    # A secret's value must not stand in an error text, and what it may be tells much of it.
    hidden = parameter.id.startswith("*")
    shown = "it" if hidden else repr(shorten(value))
    if has_expression(value):
        return _expression_fault(value, hidden)
    if allowed and value not in allowed:
        if hidden:
            return "it is not among the 'allowedValues'"
        guess = subject.guesser.sentence(value, allowed)
        words = [a.string_value for a in parameter.attributes if a.key == "allowedValues"]
        return f"{shown} is not among the allowed values {listed(words, 'and')}.{guess}"
    kind = (parameter.attribute("type") or "String").strip().lower()
    if kind in _NUMBERS and value_fault("", value, _NUMBERS[kind], subject.limits) is not None:
        wanted = "a whole number such as '3'" if kind == "integer" else "a number such as '0.5'"
        return f"{shown} is not {wanted}, which the type {kind.capitalize()!r} asks for"
    return None


def _expression_fault(value: str, hidden: bool) -> str | None:
    try:
        parse(value)
    except ExpressionError as error:
        return error.problem if hidden else str(error)
    return None


def _advice(
    subject: Subject, parameter: ParameterObject, used: frozenset[str], shadow: str | None
) -> Iterator[Fault]:
    bare = parameter.id.removeprefix("*")
    if not is_user_field(parameter.id):
        text = (
            "a parameter's id begins with 'my' and a capital letter or '_'; other services refuse "
            f"it: call it {_with_prefix(parameter.id)!r}"
        )
        yield Fault(Rule.PARAMETER, text)
    for key in dict.fromkeys(a.key for a in parameter.attributes):
        if key not in ATTRIBUTES and not key.startswith(_OURS) and not is_user_field(key):
            guess = subject.guesser.sentence(key, ATTRIBUTES)
            text = f"{shorten(key)!r} is no attribute of a parameter and has no effect.{guess}"
            yield Fault(Rule.PARAMETER, text, key)
    if bare not in used and parameter.id not in used:
        text = (
            f"nothing uses the parameter: write #{{{shorten(parameter.id)}}} where its value "
            "belongs, or take it out"
        )
        yield Fault(Rule.UNUSED_PARAMETER, text)
    elif shadow is not None:
        text = (
            f"{shorten(shadow)!r} has a field of that name, and there #{{{bare}}} means the field; "
            "give one of them another name"
        )
        yield Fault(Rule.SHADOWED_PARAMETER, text)


def _with_prefix(parameter_id: str) -> str:
    star = "*" if parameter_id.startswith("*") else ""
    bare = parameter_id.removeprefix("*").removeprefix("my")
    return shorten(f"{star}my{bare[:1].upper()}{bare[1:]}")


def _shadows(subject: Subject, declared: Collection[str]) -> dict[str, str]:
    """By parameter an object whose own field hides it; not if the field just passes it on."""
    found: dict[str, str] = {}
    for each in subject.resolved.objects.values():
        for key in each.own:
            if key in declared and is_user_field(key) and not _passes_on(subject, each, key):
                found[key] = min(found.get(key, each.id), each.id)
    return found


def _passes_on(subject: Subject, each: ResolvedObject, key: str) -> bool:
    bare = key.removeprefix("*")
    return any(
        name.path[0].removeprefix("*") == bare
        for text in each.strings(key)
        for name in names_in(subject, text)
    )


def _used_names(subject: Subject) -> frozenset[str]:
    """The first steps of all names in the definition's texts."""
    texts = [
        field.string_value
        for each in subject.definition.pipeline_objects
        for field in each.fields
        if field.string_value is not None and has_expression(field.string_value)
    ]
    for values in subject.resolved.parameters.values():
        texts.extend(filter(has_expression, values))
    used = {name.path[0] for text in texts for name in names_in(subject, text)}
    declared = {each.id.removeprefix("*") for each in subject.definition.parameter_objects}
    # What is misspelt, or stands where nothing can be read, is meant and has its own error.
    for text in texts:
        if isinstance(subject.template(text), ExpressionError):
            words = _WORD.findall(text)
            used.update(word for word in words if word in declared or is_user_field(word))
    unknown = used - declared - fields_of_any_type().keys() - _own_fields(subject)
    for name in sorted(unknown):
        guess = subject.guesser.nearest(name, declared) if not name.startswith(("@", "*")) else None
        used.update(filter(None, [guess]))
    return frozenset(used)


def _own_fields(subject: Subject) -> set[str]:
    return {key for each in subject.resolved.objects.values() for key in each.own}


def _check_missing(
    subject: Subject, declared: Mapping[str, ParameterObject], report: Report
) -> None:
    missing = sorted(
        each
        for each in declared
        if each not in subject.resolved.parameters
        # That nothing uses it says enough as long as it may get a value yet.
        and not (subject.draft and report.has(Rule.UNUSED_PARAMETER, each))
    )
    remedy = "give it a value (under 'values', or at activation at the latest), a 'default', or "
    remedy += '"optional": "true"'
    if not subject.draft or len(missing) == 1:
        tell = report.warning if subject.draft else report.error
        for parameter_id in missing:
            text = f"the parameter has no value{_origin(declared[parameter_id])}: {remedy}"
            tell(parameter_id, Rule.MISSING_PARAMETER_VALUE, text)
    elif missing:
        # A template is meant to get its values later; one line says so as well as many.
        text = f"{counted(len(missing), 'parameter')} have no value yet: {listed(missing, 'and')}. "
        text += remedy.replace("give it a value", "Give each a value", 1)
        report.warning("", Rule.MISSING_PARAMETER_VALUE, text)


def _origin(parameter: ParameterObject) -> str:
    """What a parameter that was made of a template's words stands for."""
    words = parameter.attribute(_OURS)
    return f", and stands for {shorten(words)} of the template" if words else ""


def _check_undeclared(
    subject: Subject, declared: dict[str, ParameterObject], report: Report
) -> None:
    for parameter_id in subject.resolved.parameters:
        if parameter_id not in declared:
            guess = subject.guesser.sentence(parameter_id, declared)
            remedy = (
                guess or f' Declare it: "parameters": [{{"id": "{shorten(parameter_id)}", …}}].'
            )
            text = f"a value is given to a parameter that is not declared.{remedy}"
            report.warning(parameter_id, Rule.UNDECLARED_PARAMETER, text)
