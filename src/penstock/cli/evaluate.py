"""`penstock eval`: what an expression yields, as a field of an object at some time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

import click

from penstock.cli.options import (
    definition_argument,
    parameter_option,
    parameters_file_option,
    parse_parameters,
    pick_option,
)

if TYPE_CHECKING:
    from penstock.cli.contexts import ContextName, Occasion
    from penstock.language.expressions import ExpressionError, Value
    from penstock.model.times import Instant

OPENING = "#{"

EXAMPLES = """\b
Examples:
  penstock eval '#{input.directoryPath}' --object Load --at 2026-03-01 FILE
  penstock eval node.errorMessage --object Alarm --node Load --at 2026-03-01 \\
      --runtime errorMessage='out of luck' FILE
"""


def parse_time(
    context: click.Context, option: click.Parameter, text: str | None
) -> "Instant | None":
    """Click's callback for `--at`: any date a definition may hold."""
    from penstock.language.periods import parse_datetime
    from penstock.model.errors import DefinitionError
    from penstock.model.times import from_datetime

    try:
        return from_datetime(parse_datetime(text)) if text is not None else None
    except DefinitionError as error:
        raise click.BadParameter(str(error), context, option) from error


@click.command("eval", epilog=EXAMPLES)
@click.argument("expression")
@definition_argument
@click.option("--object", "object_id", required=True, metavar="ID", help="As a field of this one.")
@click.option(
    "--at",
    metavar="TIME",
    callback=parse_time,
    help="As the instance whose interval holds TIME (YYYY-MM-DDTHH:MM:SS, UTC).",
)
@click.option(
    "--node",
    metavar="ID",
    help="The object that refers to this one, if there are several: what a precondition or an"
    " action calls node.",
)
@click.option(
    "--context",
    type=click.Choice(["component", "instance", "attempt"]),
    help="The default is instance with --at, else component.",
)
@parameter_option
@parameters_file_option
@click.option(
    "--runtime",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parse_parameters,
    help="Value of a runtime field, such as @actualEndTime or errorMessage, of the object and of"
    " its node; may be repeated.",
)
@pick_option
@click.option("--json", "as_json", is_flag=True, help="The values with their kinds, as JSON.")
@click.option("--reveal-secrets", is_flag=True, help="Show secrets; else they are masked.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Say how the text and the time were understood."
)
def command(
    expression: str,
    file: BinaryIO,
    object_id: str,
    at: "Instant | None",
    node: str | None,
    context: "ContextName | None",
    parameters: tuple[tuple[str, str], ...],
    parameter_files: tuple[BinaryIO, ...],
    runtime: tuple[tuple[str, str], ...],
    pick: str | None,
    as_json: bool,
    reveal_secrets: bool,
    verbose: bool,
) -> None:
    """Evaluate EXPRESSION as a field of an object in a definition, one value a line.

    EXPRESSION is a whole text with #{...} in it, or, where there is none, a bare expression:
    format(@scheduledStartTime, 'YYYY-MM-dd'). A schedule that starts at the first activation is
    taken to start at TIME.
    """
    from penstock.cli.contexts import Asked, occasion
    from penstock.cli.validate import extension, parameter_values
    from penstock.language.expressions import ExpressionError
    from penstock.language.forms import read_definition

    if at is None and context in ("instance", "attempt"):
        raise click.UsageError(f"--context {context} needs --at TIME, which says of which interval")
    definition = extension(parameter_files)(read_definition(file.read(), pick=pick))
    found = occasion(
        definition,
        parameter_values(parameters),
        Asked(object_id, context or ("component" if at is None else "instance"), at, node, runtime),
    )
    text = expression if OPENING in expression else f"{OPENING}{expression}}}"
    if verbose:
        explain(found, text)
    try:
        values = evaluated(found, text, reveal_secrets)
    except ExpressionError as error:
        raise hinted(error, at) from None
    show(values, as_json)


def explain(found: "Occasion", text: str) -> None:
    """On standard error: whose field it is, and the text as it was understood."""
    from penstock.language.expressions.parser import parse
    from penstock.language.expressions.printing import print_template

    click.echo(f"as {found.title}", err=True)
    click.echo(f"understood as {print_template(parse(text))}", err=True)


def evaluated(found: "Occasion", text: str, reveal_secrets: bool) -> "list[Value]":
    """The values, secrets masked as the server masks them."""
    from penstock.language.expressions import evaluate
    from penstock.service.masking import masker_of
    from penstock.service.showing import evaluate_masked

    if reveal_secrets:
        return evaluate(text, found.scope)
    return evaluate_masked(found.scope, text, masker_of(found.resolved))


def hinted(error: "ExpressionError", at: "Instant | None") -> "ExpressionError":
    """The error, with the option that would help, if there is one."""
    from penstock.language.expressions import ExpressionError
    from penstock.language.scope import ONLY_AT_RUN

    if ONLY_AT_RUN not in error.problem:
        return error
    remedy = (
        "--at TIME evaluates as the instance of a time"
        if at is None
        else "--node ID takes the interval of an object that refers to this one"
    )
    return ExpressionError(error.text, error.at, f"{error.problem}; {remedy}")


def show(values: "Sequence[Value]", as_json: bool) -> None:
    """One value a line, or all as JSON."""
    from penstock.language.expressions import to_text

    if as_json:
        click.echo(to_json(values))
        return
    if not values:
        click.echo("penstock: no values; a field of this text would be left out", err=True)
    for value in values:
        click.echo(to_text(value))


def to_json(values: "Sequence[Value]") -> str:
    """The values with their kinds; dates as they print, numbers as numbers."""
    import json

    from penstock.language.expressions import to_text
    from penstock.language.expressions.functions import kind_of

    typed = [
        {
            "kind": kind_of(value),
            "value": value if isinstance(value, int | float) else to_text(value),
        }
        for value in values
    ]
    return json.dumps({"values": typed}, indent=2, ensure_ascii=False)
