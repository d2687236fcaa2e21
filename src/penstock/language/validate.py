"""Validation of a whole definition: all errors and warnings, in one pass, by object."""

from collections.abc import Callable, Sequence

from penstock.language.checks.advice import check_advice
from penstock.language.checks.expressions import check_expressions
from penstock.language.checks.fields import check_fields
from penstock.language.checks.flow import check_flow
from penstock.language.checks.parameters import check_parameters
from penstock.language.checks.schedules import check_schedules
from penstock.language.checks.shape import check_shape, refusals
from penstock.language.checks.subject import Report, Subject, referrers_of
from penstock.language.resolve import objects_by_id, resolve_leniently
from penstock.model.definition import Definition, Findings, ParameterValue
from penstock.model.limits import Limits

__all__ = ["refusals", "validate"]

CHECKS: tuple[Callable[[Subject, Report], None], ...] = (
    check_shape,
    check_fields,
    check_parameters,
    check_schedules,
    check_flow,
    check_expressions,
    check_advice,
)
"""Every check, in the order in which an object's findings are listed."""


def validate(
    definition: Definition,
    limits: Limits,
    values: Sequence[ParameterValue] = (),
    draft: bool = False,
) -> Findings:
    """All that is wrong with a definition, and all that is worth a look; raises nothing.

    `values` are the parameter values given at activation. Of a `draft` they are yet to come, so
    a parameter without a value is a warning. Each text names field, value and remedy. Secret
    values are never in a text.
    """
    resolved = resolve_leniently(definition, values)
    subject = Subject(
        definition=definition,
        objects=objects_by_id(definition),
        resolved=resolved,
        referrers=referrers_of(resolved),
        limits=limits,
        draft=draft,
    )
    report = Report()
    for check in CHECKS:
        check(subject, report)
    return report.findings(each.id for each in definition.pipeline_objects)
