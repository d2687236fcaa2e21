"""`penstock schema`: the JSON Schema of definition files, for editors."""

import click


@click.command("schema")
def command() -> None:
    """Print a JSON Schema of definition files, in the AWS CLI's form.

    An editor that knows it offers types and fields and marks what is misspelled; `penstock
    validate` finds more. docs/language.md says how to tell an editor.
    """
    from importlib.resources import files

    from penstock.language import schema

    text = files("penstock.language").joinpath(schema.SCHEMA_FILE).read_text("utf-8")
    click.echo(text, nl=False)
