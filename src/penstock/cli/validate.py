"""`penstock validate FILE...`: of each definition that it is valid, or what to change."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from penstock.cli.findings import FORMATS, Format, Located, Verdict, render
from penstock.cli.options import limits_option, parameter_option, parameters_file_option

if TYPE_CHECKING:
    from penstock.model.definition import Definition, Finding, Findings, ParameterValue
    from penstock.model.limits import Limits

STANDARD_INPUT = "-"


@click.command("validate")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@parameter_option
@parameters_file_option
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="For a person, a program, or as annotations of a GitHub workflow.",
)
@limits_option
@click.option(
    "--activation",
    is_flag=True,
    help="As for an activation: a parameter without a value is an error, not a warning.",
)
def command(
    files: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    parameter_files: tuple[BinaryIO, ...],
    form: Format,
    limits: "Limits",
    activation: bool,
) -> int:
    """Check definitions, in any form that `penstock convert` reads; - is standard input.

    Each is valid, or there is a list of what to change. Exit status 1 if there are errors;
    warnings alone are 0.
    """
    from penstock.clock import system_clock
    from penstock.language.validate import validate

    values = parameter_values(parameters)
    now = system_clock()
    extend = extension(parameter_files)

    def check(definition: "Definition") -> "Findings":
        return validate(extend(definition), limits, values, draft=not activation, now=now)

    verdicts = [verdict for name in files for verdict in verdicts_on(name, check)]
    for line in render(verdicts, form):
        click.echo(line)
    return 1 if any(verdict.count("error") for verdict in verdicts) else 0


def parameter_values(pairs: tuple[tuple[str, str], ...]) -> "tuple[ParameterValue, ...]":
    """The values of `--parameter`, in the API's shape."""
    from penstock.model.definition import ParameterValue

    return tuple(ParameterValue(name, value) for name, value in pairs)


def extension(files: "tuple[BinaryIO, ...]") -> "Callable[[Definition], Definition]":
    """What adds the parameters and values of `--parameters-file` to a definition."""
    from penstock.language.forms import read_parameters, with_parameters

    extras = [read_parameters(file.read()) for file in files]

    def extended(definition: "Definition") -> "Definition":
        for extra in extras:
            definition = with_parameters(definition, extra)
        return definition

    return extended


def verdicts_on(name: str, check: Callable[["Definition"], "Findings"]) -> Iterator[Verdict]:
    """A verdict on each pipeline of a file; on the file itself if it cannot be read."""
    from penstock.language.forms import read_pipelines, unreadable
    from penstock.model.errors import DefinitionError

    try:
        content = read(name)
    except OSError as error:
        yield Verdict(name, found=(Located(unreadable_file(error)),))
        return
    try:
        pipelines = read_pipelines(content)
    except DefinitionError as error:
        yield Verdict(name, found=located(content, unreadable(error)))
        return
    for pipeline in pipelines:
        label = pipeline.label if len(pipelines) > 1 else ""
        found = check(pipeline.definition).found
        yield Verdict(name, label, located(content, found, label or None))


def read(name: str) -> bytes:
    """The content of a file, or of standard input. Raises OSError."""
    return sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()


def unreadable_file(error: OSError) -> "Finding":
    """The one finding of a file that is not there, or that nobody may read."""
    from penstock.language.rules import Rule
    from penstock.model.definition import Finding

    return Finding("", "error", Rule.UNREADABLE, error.strerror or str(error))


def located(
    content: bytes, found: "tuple[Finding, ...]", pick: str | None = None
) -> tuple[Located, ...]:
    """Findings with their places in the text; `pick` is the label of one of several pipelines."""
    from penstock.language.forms import locate

    if not found:
        return ()
    positions = locate(content, pick, {(each.object_id, each.field) for each in found})
    return tuple(Located(each, positions.of(each.object_id, each.field)) for each in found)
