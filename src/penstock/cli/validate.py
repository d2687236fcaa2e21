"""`penstock validate FILE`: what is wrong with a definition, object by object."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

import click

from penstock.cli.options import definition_argument, parameter_option

if TYPE_CHECKING:
    from penstock.model.definition import Findings, ParameterValue


@click.command("validate")
@definition_argument
@parameter_option
def command(file: BinaryIO, parameters: tuple[tuple[str, str], ...]) -> int:
    """Check a definition file, in the AWS CLI's form or the API's.

    Exit status 1 if there are errors; warnings alone are 0.
    """
    from penstock.language.forms import read_definition
    from penstock.language.validate import validate
    from penstock.model.limits import Limits

    definition = read_definition(file.read())
    findings = validate(definition, Limits(), parameter_values(parameters))
    for line in report(findings):
        click.echo(line)
    click.echo(summary(findings, len(definition.pipeline_objects)))
    return 1 if findings.errored else 0


def parameter_values(pairs: tuple[tuple[str, str], ...]) -> tuple["ParameterValue", ...]:
    """The values of `--parameter`, in the API's shape."""
    from penstock.model.definition import ParameterValue

    return tuple(ParameterValue(name, value) for name, value in pairs)


def report(findings: "Findings") -> Iterator[str]:
    """Findings per object, errors first; click leaves the colours out where nobody sees them."""
    for object_id in dict.fromkeys([*findings.errors, *findings.warnings]):
        yield click.style(object_id or "definition", bold=True)
        yield from _texts(findings.errors.get(object_id, ()), "error", "red")
        yield from _texts(findings.warnings.get(object_id, ()), "warning", "yellow")


def _texts(texts: Sequence[str], kind: str, colour: str) -> Iterator[str]:
    for text in texts:
        yield f"  {click.style(f'{kind}:', fg=colour)} {text}"


def summary(findings: "Findings", objects: int) -> str:
    """The closing line: how many of what."""
    errors = sum(map(len, findings.errors.values()))
    warnings = sum(map(len, findings.warnings.values()))
    if not errors and not warnings:
        return f"No errors, no warnings in {_counted(objects, 'object')}."
    return f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
