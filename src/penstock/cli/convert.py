"""`penstock convert`: a definition from any form to another."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from penstock.cli.options import definition_argument, pick_option

if TYPE_CHECKING:
    from penstock.language.forms import NamedDefinition

UNNAMED = "pipeline"
"""The name of a pipeline that neither its file nor the command line names."""


@click.command("convert")
@definition_argument
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(["cli", "api", "cloudformation"]),
    help="The form to write.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write; standard output unless given.",
)
@pick_option
@click.option("--name", metavar="NAME", help="The pipeline's name in a CloudFormation template.")
@click.option(
    "--format",
    "encoding",
    type=click.Choice(["json", "yaml"]),
    default="json",
    show_default=True,
    help="YAML is for CloudFormation.",
)
def command(
    file: BinaryIO,
    form: str,
    output: Path | None,
    pick: str | None,
    name: str | None,
    encoding: str,
) -> None:
    """Write a definition in another form.

    FILE may be in the AWS CLI's form, the API's, a CloudFormation template (JSON or YAML), or what
    `terraform show -json` prints; `-` is standard input.
    """
    from msgspec.structs import replace

    from penstock.language.forms import picked, read_pipelines

    if encoding == "yaml" and form != "cloudformation":
        raise click.UsageError(f"--format yaml is for CloudFormation; {form} is always JSON")
    pipeline = picked(read_pipelines(file.read()), pick)
    if name is not None or pipeline.name is None:
        pipeline = replace(pipeline, name=name or name_of_file(file))
    text, remarks = converted(pipeline, form, encoding)
    for remark in remarks:
        click.echo(f"penstock: {remark}", err=True)
    if output is None:
        # As bytes, because the text is UTF-8 whatever the terminal takes.
        click.echo(text.encode(), nl=False)
    else:
        output.write_bytes(text.encode())


def name_of_file(file: BinaryIO) -> str:
    """The file's name without its ending; of standard input, `UNNAMED`."""
    path = getattr(file, "name", None)
    stem = Path(path).stem if isinstance(path, str) else ""
    return UNNAMED if stem.strip("<>") in ("", "stdin") else stem


def converted(pipeline: "NamedDefinition", form: str, encoding: str) -> tuple[str, list[str]]:
    """The text in a form, and a sentence for each thing that a reader should know was lost."""
    from penstock.language import forms

    remarks = [f"left out: {each}" for each in pipeline.left_out]
    if form != "cloudformation":
        document = forms.to_cli if form == "cli" else forms.to_api
        losses = about_pipeline(pipeline)
        losses += forms.cli_losses(pipeline.definition) if form == "cli" else []
        remarks += [f"left out: {each}" for each in losses]
        return forms.write_json(document(pipeline.definition)), remarks
    template = forms.to_cloudformation(pipeline)
    remarks += [
        f"the template refers to {each}, which it does not declare; add it"
        for each in forms.missing_resources(template)
    ]
    write = forms.write_yaml if encoding == "yaml" else forms.write_json
    return write(template), remarks


def about_pipeline(pipeline: "NamedDefinition") -> list[str]:
    """What a source says of the pipeline, and only CloudFormation has a place for."""
    said = {
        "description": bool(pipeline.description),
        "tags": bool(pipeline.tags),
        "'Activate'": pipeline.activate is not None,
    }
    return [f"the pipeline's {what}" for what, given in said.items() if given]
