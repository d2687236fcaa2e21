"""`penstock status PIPELINE`: how its instances stand."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.connection import connect, connection_options
from penstock.cli.options import data_option

if TYPE_CHECKING:
    from penstock.cli.progress import Caller


@click.command("status")
@click.argument("pipeline")
@connection_options
@data_option
@click.option("--failed", is_flag=True, help="Only instances that failed or wait to be retried.")
@click.option("--no-data", is_flag=True, help="Leave data nodes out.")
def command(
    pipeline: str,
    endpoint: str | None,
    profile: str | None,
    data: Path,
    failed: bool,
    no_data: bool,
) -> None:
    """Show the instances of a pipeline, given by id or name.

    Keys come from --profile, else from the file that a local server wrote, else from the usual
    AWS places.
    """
    from rich.console import Console

    from penstock.cli.progress import in_order, instance_ids, pipeline_fields, views
    from penstock.cli.table import table
    from penstock.clock import system_clock

    client = connect(endpoint, profile, data, os.environ)
    pipeline_id = find_pipeline(client, pipeline)
    fields = pipeline_fields(client, pipeline_id)
    instances = in_order(views(client, pipeline_id, instance_ids(client, pipeline_id)))
    shown = [
        each
        for each in instances
        if not (no_data and each.is_data)
        and not (failed and not each.failed and each.next_try is None)
    ]
    console = Console(highlight=False, soft_wrap=not os.isatty(1))
    console.print(heading(pipeline_id, fields), markup=False)
    if shown:
        console.print(table(shown, system_clock()))
    else:
        console.print("No instances to show.")


def find_pipeline(client: "Caller", pipeline: str) -> str:
    """The id that was given, or the newest pipeline of that name; older namesakes are mentioned."""
    from penstock.cli.progress import list_pipelines

    if pipeline.startswith("df-"):
        return pipeline
    found = [each for each, name in list_pipelines(client) if name == pipeline]
    if not found:
        raise click.ClickException(f"no pipeline has the name or id {pipeline!r}")
    *older, newest = found
    if older:
        click.echo(f"The newest {pipeline!r} of {len(found)}; older: {', '.join(older)}", err=True)
    return newest


def heading(pipeline_id: str, fields: dict[str, str]) -> str:
    """Name, id, state, health and next run in one line."""
    parts = [f"{fields.get('name', '')} ({pipeline_id}): {fields.get('@pipelineState', '')}"]
    if health := fields.get("@healthStatus"):
        parts.append(f"health {health}")
    if next_run := fields.get("@nextRunTime"):
        parts.append(f"next run {next_run}")
    return ", ".join(parts)
