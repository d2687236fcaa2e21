"""`penstock templates`: definitions for the usual purposes, to be filled in."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from penstock.cli.connection import connect, connection_options
from penstock.cli.options import (
    data_option,
    limits_option,
    parameter_option,
    parameters_file_option,
)

if TYPE_CHECKING:
    from penstock.cli.progress import Caller
    from penstock.cli.template_files import Parameter, Template
    from penstock.model.definition import Definition
    from penstock.model.limits import Limits


@click.group("templates", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Definitions for the usual purposes, to be filled in with parameters."""


@command.command("list")
def list_templates() -> None:
    """Show all templates."""
    from penstock.cli.template_files import find, names

    width = max(map(len, names()))
    for name in names():
        click.echo(f"{name:{width}}  {find(name).metadata.title}")


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The definition itself.")
def show(name: str, as_json: bool) -> None:
    """Show what a template does, and what it needs."""
    from penstock.cli.template_files import find
    from penstock.language.forms import write_json

    template = find(name)
    if as_json:
        click.echo(write_json(template.document).encode(), nl=False)
        return
    click.secho(template.metadata.title, bold=True)
    click.echo(template.metadata.about)
    when = (
        "every day; --period says otherwise"
        if template.scheduled
        else ("once with each activation; with --period, on a schedule")
    )
    click.echo(f"Runs {when}.\n")
    for each in template.parameters:
        _describe(each, template)
    needed = " \\\n".join(
        f"    --parameter {each.id.removeprefix('*')}=…" for each in _needed(template)
    )
    click.echo(f"penstock templates create {name} \\\n{needed} \\\n    --create --activate")


def _needed(template: "Template") -> "list[Parameter]":
    others = {str(each.parameter["id"]) for each in template.metadata.instead}
    return [each for each in template.parameters if each.required and each.id not in others]


def _describe(each: "Parameter", template: "Template") -> None:
    """A parameter in a few lines."""
    others = {str(other.parameter["id"]): other.of for other in template.metadata.instead}
    notes = [] if each.required else ["optional"]
    notes += [f"in place of {others[each.id]}"] if each.id in others else []
    notes += ["may be repeated"] if each.is_array == "true" else []
    notes += ["secret"] if each.id.startswith("*") else []
    said = f" ({', '.join(notes)})" if notes else ""
    click.echo(click.style(each.id.removeprefix("*"), bold=True) + said)
    help_text = f" {each.help_text}" if each.help_text else ""
    click.echo(f"    {each.description.rstrip('.')}.{help_text}")
    if each.default is not None:
        click.echo(f"    default: {each.default}")
    if each.allowed_values:
        click.echo(f"    one of: {', '.join(each.allowed_values)}")
    if each.watermark:
        click.echo(f"    for example: {each.watermark}")
    click.echo()


@command.command("create")
@click.argument("name")
@parameter_option
@parameters_file_option
@click.option("--period", metavar="PERIOD", help="Run on a schedule, such as every '1 day'.")
@click.option(
    "--start", metavar="TIME", help="When the schedule begins (UTC), else with the activation."
)
@click.option("--times", type=click.IntRange(1), help="How often it runs, else without end.")
@click.option("--log-uri", metavar="URI", help="Where the logs of its tasks are pushed.")
@limits_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the definition there; standard output unless given.",
)
@click.option("--create", is_flag=True, help="Make a pipeline of it on the server.")
@click.option("--activate", is_flag=True, help="... and activate that.")
@click.option("--name", "pipeline_name", metavar="NAME", help="The pipeline's name.")
@connection_options
@data_option
def create(
    name: str,
    parameters: tuple[tuple[str, str], ...],
    parameter_files: tuple[BinaryIO, ...],
    period: str | None,
    start: str | None,
    times: int | None,
    log_uri: str | None,
    limits: "Limits",
    out: Path | None,
    create: bool,
    activate: bool,
    pipeline_name: str | None,
    endpoint: str | None,
    profile: str | None,
    data: Path,
) -> None:
    """Fill in a template: print it, write it to a file, or make a pipeline of it.

    NAME is a template's; what it needs is told by `penstock templates show NAME`. A password is
    better kept in a file for --parameters-file: {"values": {"*myRDSPassword": "..."}}.
    """
    from penstock.cli.template_files import Timing, filled, find
    from penstock.language.forms import from_cli

    if (activate or pipeline_name) and not create:
        raise click.UsageError("--activate and --name belong to --create")
    given = [*_from_files(parameter_files), *parameters]
    document = filled(find(name), given, Timing(period, start, times), log_uri)
    definition = from_cli(document)
    _check(definition, limits)
    if out is not None:
        _write(out, document)
    if create:
        client = connect(endpoint, profile, data, os.environ)
        _make(client, pipeline_name or name, definition, activate)
    elif out is None:
        _print(document)


def _from_files(files: tuple[BinaryIO, ...]) -> list[tuple[str, str]]:
    from penstock.language.forms import read_parameters

    return [
        (value.id, value.string_value)
        for file in files
        for value in read_parameters(file.read()).parameter_values
    ]


def _check(definition: "Definition", limits: "Limits") -> None:
    """Say what is to be changed; with errors that is the end."""
    from penstock.clock import system_clock
    from penstock.language.validate import validate

    found = validate(definition, limits, now=system_clock()).found
    for each in found:
        place = f"{each.object_id}: " if each.object_id else ""
        click.echo(f"penstock: {each.severity}: {place}{each.text}", err=True)
    if any(each.severity == "error" for each in found):
        raise click.ClickException("the definition is not valid so; nothing was made")


def _print(document: dict[str, Any]) -> None:
    from penstock.language.forms import write_json

    click.echo(write_json(document).encode(), nl=False)


def _write(path: Path, document: dict[str, Any]) -> None:
    """Write the definition; for its owner only if it has secrets in it."""
    from penstock.language.forms import write_json

    secret = any(name.startswith("*") for name in document["values"])
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(write_json(document).encode())
    click.echo(f"Written: {path}", err=True)


def _make(client: "Caller", name: str, definition: "Definition", activate: bool) -> None:
    """Create, put, and perhaps activate; says what to do next."""
    import uuid

    import msgspec

    created = client.call("CreatePipeline", {"name": name, "uniqueId": uuid.uuid4().hex})
    pipeline = created["pipelineId"]
    request = {"pipelineId": pipeline, **msgspec.to_builtins(definition)}
    put = client.call("PutPipelineDefinition", request)
    if put.get("errored"):
        # A server with limits of its own may see more than we do.
        client.call("DeletePipeline", {"pipelineId": pipeline})
        found = msgspec.convert(put["validationErrors"], list[dict[str, Any]])
        texts = [f"{each['id']}: {text}" for each in found for text in each["errors"]]
        raise click.ClickException("the server refused the definition: " + "; ".join(texts))
    if activate:
        client.call("ActivatePipeline", {"pipelineId": pipeline})
    click.echo(pipeline)
    done = "created and activated" if activate else "created; activate it to have it run"
    click.echo(f"{name} is {done}. How it stands: penstock status {pipeline}", err=True)
