"""Validation of a whole definition: all errors and warnings, in one pass, by object."""

from collections.abc import Callable, Collection, Sequence

from penstock.language.checks.advice import check_advice
from penstock.language.checks.backfill import check_backfill
from penstock.language.checks.early import check_early
from penstock.language.checks.effort import Effort
from penstock.language.checks.expressions import check_expressions
from penstock.language.checks.fields import check_fields
from penstock.language.checks.flow import check_flow
from penstock.language.checks.guesses import Guesser
from penstock.language.checks.on_demand import check_on_demand
from penstock.language.checks.outputs import check_outputs
from penstock.language.checks.parameters import check_parameters
from penstock.language.checks.particulars import check_particulars
from penstock.language.checks.references import check_references
from penstock.language.checks.schedules import check_schedules
from penstock.language.checks.secrets import check_secrets
from penstock.language.checks.shape import check_shape, refusals
from penstock.language.checks.subject import (
    Report,
    Subject,
    ids_by_type,
    referrers_of,
    secrets_of,
)
from penstock.language.checks.workers import check_workers
from penstock.language.resolve import objects_by_id, parent_faults, parents_of, resolve_leniently
from penstock.language.rules import Rule
from penstock.model.definition import Definition, Findings, ParameterValue
from penstock.model.limits import Limits
from penstock.model.times import Instant

__all__ = ["refusals", "validate"]

CHECKS: tuple[Callable[[Subject, Report], None], ...] = (
    check_shape,
    check_parameters,
    check_fields,
    check_references,
    check_schedules,
    check_on_demand,
    check_flow,
    check_expressions,
    check_early,
    check_particulars,
    check_workers,
    check_outputs,
    check_backfill,
    check_secrets,
    check_advice,
)
"""Every check, in the order in which an object's findings are listed.

Later ones keep silent on what follows from an earlier one's finding: one cause, one finding.
"""


TOO_INTRICATE = (
    "the names in expressions lead to so many others, over so many objects, that not all were "
    "looked at; what was left out shows when it runs. Expressions that thousands of objects "
    "inherit are the usual cause: work their values out once, in a parameter"
)


def validate(
    definition: Definition,
    limits: Limits,
    values: Sequence[ParameterValue] = (),
    draft: bool = False,
    now: Instant | None = None,
    polled: Collection[str] | None = None,
) -> Findings:
    """All that is wrong with a definition, and all that is worth a look; raises nothing.

    `values` are the parameter values given at activation. Of a `draft` they are yet to come, so
    a parameter without a value is a warning. Given `now`, a schedule whose first intervals are
    past by then is warned of where it can do harm: leave it out for a pipeline that was activated
    before. Given `polled`, the worker groups that runners asked for tasks lately, other groups are
    warned of. Each text names field, value and remedy. Secret values are never in a text.
    """
    resolved = resolve_leniently(definition, values)
    objects = objects_by_id(definition)
    parents = parents_of(objects)
    subject = Subject(
        definition=definition,
        objects=objects,
        resolved=resolved,
        referrers=referrers_of(resolved),
        limits=limits,
        guesser=Guesser(),
        effort=Effort(),
        by_type=ids_by_type(resolved),
        parents=parents,
        cut=parent_faults(parents),
        secrets=secrets_of(definition, resolved),
        draft=draft,
        now=now,
        polled=polled,
    )
    report = Report()
    for check in CHECKS:
        check(subject, report)
    if subject.effort.is_spent:
        report.warning("", Rule.TOO_INTRICATE, TOO_INTRICATE)
    return report.findings(each.id for each in definition.pipeline_objects)
