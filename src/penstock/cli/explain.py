"""`penstock explain PIPELINE [INSTANCE]`: why it does not go on, and what to do."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from penstock.cli.connection import connect, connection_options
from penstock.cli.options import data_option

if TYPE_CHECKING:
    from penstock.cli.progress import Caller
    from penstock.model.definition import PipelineObject

MOST = 50
EXPLANATION = "@explanation"
FAILED_FIRST = (
    "FAILED",
    "TIMEDOUT",
    "CANCELED",
    "CASCADE_FAILED",
    "PAUSED",
    "WAITING_FOR_RUNNER",
    "WAITING_ON_DEPENDENCIES",
    "SHUTTING_DOWN",
    "VALIDATING",
    "CREATING",
    "ACTIVATING",
)
"""The states that are explained, those that a person has to see to first."""

RUNNING = "RUNNING"
"""What runs is in good order; it is explained if somebody asks about it."""


class Explained(Struct, frozen=True):
    """An instance and the sentence about it."""

    id: str
    status: str
    text: str


@click.command("explain")
@click.argument("pipeline")
@click.argument("instance", required=False)
@connection_options
@data_option
@click.option("--all", "everything", is_flag=True, help=f"All of them, not only the first {MOST}.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(
    pipeline: str,
    instance: str | None,
    endpoint: str | None,
    profile: str | None,
    data: Path,
    everything: bool,
    as_json: bool,
) -> None:
    """Say of each waiting or failed instance why, and what to do about it.

    PIPELINE is an id or a name. INSTANCE is an instance's id, or a component's for all of its
    instances. What waits for data only because of another instance is told with that one's cause.
    """
    from penstock.cli.progress import pipeline_fields
    from penstock.cli.status import find_pipeline, heading

    client = connect(endpoint, profile, data, os.environ)
    pipeline_id = find_pipeline(client, pipeline)
    fields = pipeline_fields(client, pipeline_id)
    ids = wanted(client, pipeline_id, instance)
    shown = ids if everything else ids[:MOST]
    found = list(explanations(client, pipeline_id, shown))
    if as_json:
        click.echo(json.dumps([_members(each) for each in found], indent=2, ensure_ascii=False))
        return
    click.echo(heading(pipeline_id, fields))
    for each in found:
        click.echo(_line(each))
    if len(ids) > len(shown):
        click.echo(f"… and {len(ids) - len(shown):,} more (--all)")
    if not ids:
        click.echo(nothing_to_explain(fields, instance))


def wanted(client: "Caller", pipeline_id: str, instance: str | None) -> list[str]:
    """The ids of the instances to explain: one, a component's, or all that wait or failed."""
    if instance is not None and instance.startswith("@"):
        return [instance]
    from penstock.cli.progress import query_instances
    from penstock.model.ids import parse_object_id

    found: list[str] = []
    for state in FAILED_FIRST if instance is None else (*FAILED_FIRST, RUNNING):
        found += query_instances(client, pipeline_id, state)
    if instance is None:
        return found
    names = {each: parse_object_id(each) for each in found}
    own = [each for each, name in names.items() if name and _is_of(name.component, instance)]
    if not own:
        # Refused if there is no such component.
        client.call("DescribeObjects", {"pipelineId": pipeline_id, "objectIds": [instance]})
    return own


def _is_of(component: str, named: str) -> bool:
    """Whether a component is the one named, or what stands for it with one of its owners.

    The instances of a precondition P of A are those of P@A.
    """
    return component == named or component.startswith(f"{named}@")


def explanations(client: "Caller", pipeline_id: str, ids: Sequence[str]) -> Iterator[Explained]:
    """The sentences, in the order of the ids."""
    from penstock.cli.progress import describe

    for each in describe(client, pipeline_id, ids):
        yield Explained(each.id, each.string("@status") or "", _text(each))


def _text(each: "PipelineObject") -> str:
    return each.string(EXPLANATION) or "Nothing to explain: it went well."


def _line(each: Explained) -> str:
    from penstock.cli.table import COLOURS

    colour = COLOURS.get(each.status)
    state = click.style(each.status, fg=colour if colour != "dim" else None)
    return f"{each.id} {state}\n  {_wrapped(each.text)}"


def _wrapped(text: str) -> str:
    """Broken at the width of the screen, where there is one; a pipe gets it in one line."""
    import shutil
    import textwrap

    if not os.isatty(1):
        return text
    width = max(shutil.get_terminal_size().columns, 40)
    lines = textwrap.wrap(text, width - 2, break_long_words=False, break_on_hyphens=False)
    return "\n  ".join(lines)


def _members(each: Explained) -> dict[str, str]:
    return {"id": each.id, "status": each.status, "explanation": each.text}


def nothing_to_explain(fields: dict[str, str], component: str | None = None) -> str:
    """What to say of a pipeline, or a component, of which nothing waits and nothing has failed."""
    state = fields.get("@pipelineState", "")
    if state == "PENDING":
        return "It has not been activated yet: aws datapipeline activate-pipeline starts it."
    if component is not None:
        return f"Nothing of {component} waits, and nothing of it has failed."
    next_run = fields.get("@nextRunTime")
    if next_run and state == "SCHEDULED":
        return f"Nothing waits and nothing has failed; the next interval starts at {next_run}."
    if state == "INACTIVE":
        return "It was deactivated, and nothing waits; activating it again goes on."
    return "Nothing waits and nothing has failed."
