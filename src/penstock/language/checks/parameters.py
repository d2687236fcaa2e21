"""Parameters: declared well, and with values that their declarations allow."""

from collections import Counter
from collections.abc import Iterator

from penstock.language.catalogue import FieldType
from penstock.language.checks.subject import Report, Subject
from penstock.language.checks.values import value_fault
from penstock.language.expressions import has_expression
from penstock.language.resolve import is_user_field
from penstock.language.rules import Rule
from penstock.language.wording import shorten
from penstock.model.definition import ParameterObject
from penstock.model.limits import Limits

_NUMBERS = {
    "integer": FieldType(kind="integer", presence="optional"),
    "double": FieldType(kind="double", presence="optional"),
}


def check_parameters(subject: Subject, report: Report) -> None:
    """Each declared parameter with its values, and values without a declaration."""
    declared = subject.definition.parameter_objects
    most = subject.limits.parameters
    if most is not None and len(declared) > most:
        text = f"the definition has {len(declared)} parameters; at most {most} are allowed"
        report.error("", Rule.TOO_MANY_OBJECTS, text)
    for parameter_id, count in Counter(parameter.id for parameter in declared).items():
        if count > 1:
            text = f"the parameter {parameter_id!r} is declared {count} times"
            report.error(parameter_id, Rule.DUPLICATE_ID, text)
    for parameter in declared:
        if not is_user_field(parameter.id):
            text = "a parameter's id begins with 'my' and a capital letter or '_'"
            report.warning(parameter.id, Rule.PARAMETER, text)
        if subject.resolved.parameters.get(parameter.id) is None:
            tell = report.warning if subject.draft else report.error
            tell(parameter.id, Rule.MISSING_PARAMETER_VALUE, _missing(parameter))
        for text in _faults(subject, parameter):
            report.error(parameter.id, Rule.PARAMETER_VALUE, text)
    known = {parameter.id for parameter in declared}
    for parameter_id in subject.resolved.parameters:
        if parameter_id not in known:
            text = "a value is given to a parameter that is not declared"
            report.warning(parameter_id, Rule.UNDECLARED_PARAMETER, text)


def _missing(parameter: ParameterObject) -> str:
    return (
        f"the parameter {parameter.id!r} has no value: give it one (at activation at the latest), "
        "a 'default', or set 'optional' to 'true'"
    )


def _faults(subject: Subject, parameter: ParameterObject) -> Iterator[str]:
    values = subject.resolved.parameters.get(parameter.id, ())
    if len(values) > 1 and (parameter.attribute("isArray") or "").lower() != "true":
        yield f"{len(values)} values are given to a parameter that is no array ('isArray')"
    allowed = [a.string_value for a in parameter.attributes if a.key == "allowedValues"]
    kind = (parameter.attribute("type") or "String").lower()
    for value in values:
        fault = _value_fault(parameter.id, value, kind, allowed, subject.limits)
        if fault is not None:
            yield fault


def _value_fault(
    parameter_id: str, value: str, kind: str, allowed: list[str], limits: Limits
) -> str | None:
    # A secret's value must not stand in an error text.
    shown = "the value" if parameter_id.startswith("*") else repr(shorten(value))
    if allowed and value not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        return f"{shown} is not among the allowed values: {words}"
    if kind in _NUMBERS and not has_expression(value):
        wrong = value_fault("", value, _NUMBERS[kind], limits) is not None
        return f"{shown} is no value of type {kind.capitalize()}" if wrong else None
    return None
