"""`penstock diff`: what an edit changes, and what of it an activated pipeline may not have."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from penstock.cli.connection import connect, connection_options
from penstock.cli.options import data_option, pick_option

if TYPE_CHECKING:
    from penstock.language.differences import Change
    from penstock.model.definition import Definition

SAME, DIFFERENT, TROUBLE = 0, 1, 2
"""Exit statuses, as diff(1) has them."""

STANDARD_INPUT = "-"

_ENDINGS = frozenset({".json", ".yaml", ".yml", ".template"})
"""What a file of a definition is called like, and hardly a pipeline."""

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_TITLES = {"object": "", "parameter": "parameter ", "value": "value of "}


class Side(Struct, frozen=True):
    """A definition, and what to call it."""

    name: str
    definition: "Definition"


@click.command("diff")
@click.argument("old", metavar="PIPELINE | OLD")
@click.argument("new", metavar="NEW", required=False)
@pick_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For a person, or for a program.",
)
@connection_options
@data_option
def command(
    old: str,
    new: str | None,
    pick: str | None,
    form: str,
    endpoint: str | None,
    profile: str | None,
    data: Path,
) -> int:
    """Show what an edit changes.

    With one PIPELINE (id or name): from the version in force to the latest draft. With two: from
    OLD to NEW, each a definition file in any form (- is standard input) or a pipeline's id. What
    an activated pipeline may not have is marked with the reason.

    Exit status 0 means no difference, 1 some, 2 trouble.
    """
    from penstock.cli.main import DEBUG_VARIABLE, explain
    from penstock.language.differences import differences

    try:
        server = _Server(endpoint, profile, data)
        sides = server.versions(old) if new is None else _two_sides(server, old, new, pick)
    except Exception as error:
        # Like any other error but for the status, since 1 says that there are differences.
        if os.environ.get(DEBUG_VARIABLE):
            raise
        click.echo(f"penstock: {explain(error)}", err=True)
        return TROUBLE
    changes = differences(*(side.definition for side in sides))
    shown = as_json(sides, changes) if form == "json" else as_text(sides, changes)
    for line in shown:
        click.echo(line)
    return DIFFERENT if changes else SAME


class _Server:
    """The server's definitions; connected to when first asked."""

    def __init__(self, endpoint: str | None, profile: str | None, data: Path) -> None:
        self._where = endpoint, profile, data

    def versions(self, pipeline: str) -> tuple[Side, Side]:
        """The version in force and the latest draft of a pipeline."""
        from penstock.cli.status import find_pipeline

        if "/" in pipeline or Path(pipeline).is_file():
            raise click.ClickException(
                f"{pipeline!r} is a file; give a second one to compare it with, or the id of a "
                "pipeline before it"
            )
        if Path(pipeline).suffix in _ENDINGS:
            raise click.ClickException(
                f"{pipeline!r} is no file here; and to compare files takes two of them"
            )
        client = connect(*self._where, os.environ)
        pipeline_id = find_pipeline(client, pipeline)
        draft = self.definition(pipeline_id, "latest")
        if not draft.pipeline_objects:
            raise click.ClickException(f"{pipeline_id} has no definition yet")
        active = self.definition(pipeline_id, "active")
        name = f"{pipeline_id}, in force" if active.pipeline_objects else "nothing (not activated)"
        return Side(name, active), Side(f"{pipeline_id}, latest", draft)

    def definition(self, pipeline_id: str, version: str) -> "Definition":
        """One version as the API answers it; without objects if there is none."""
        from penstock.language.forms import from_api

        client = connect(*self._where, os.environ)
        asked = {"pipelineId": pipeline_id, "version": version}
        return from_api(client.call("GetPipelineDefinition", asked))

    def in_force(self, pipeline_id: str) -> Side:
        """The version in force; of a pipeline that was never activated, its draft."""
        active = self.definition(pipeline_id, "active")
        if active.pipeline_objects:
            return Side(f"{pipeline_id}, in force", active)
        return Side(f"{pipeline_id}, latest", self.definition(pipeline_id, "latest"))


def _two_sides(server: _Server, old: str, new: str, pick: str | None) -> tuple[Side, Side]:
    if old == new == STANDARD_INPUT:
        raise click.UsageError("standard input can be one of the two only")
    return _side(server, old, pick), _side(server, new, pick)


def _side(server: _Server, name: str, pick: str | None) -> Side:
    """A file, or else a pipeline by its id."""
    from penstock.language.forms import read_definition

    if name == STANDARD_INPUT:
        return Side("standard input", read_definition(sys.stdin.buffer.read(), pick=pick))
    path = Path(name)
    if path.exists() or not name.startswith("df-"):
        if not path.exists():
            raise click.ClickException(
                f"{name!r} is no file, and the id of a pipeline begins with 'df-'"
            )
        return Side(name, _read(path, pick))
    return server.in_force(name)


def _read(path: Path, pick: str | None) -> "Definition":
    from penstock.language.forms import read_definition
    from penstock.model.errors import DefinitionError

    try:
        return read_definition(path.read_bytes(), pick=pick)
    except DefinitionError as error:
        raise click.ClickException(f"{path}: {error}") from None


def as_json(sides: tuple[Side, Side], changes: "tuple[Change, ...]") -> Iterator[str]:
    """One JSON object; what was before and after as the values themselves."""
    yield json.dumps(
        {
            "old": sides[0].name,
            "new": sides[1].name,
            "changes": [_members(change) for change in changes],
            "forbidden": sum(change.forbidden is not None for change in changes),
        },
        indent=2,
        ensure_ascii=False,
    )


def _members(change: "Change") -> dict[str, object]:
    return {
        "part": change.part,
        "id": change.id,
        "field": change.field,
        "kind": change.kind,
        "before": [json.loads(text) for text in change.before],
        "after": [json.loads(text) for text in change.after],
        "forbidden": change.forbidden,
    }


def as_text(sides: tuple[Side, Side], changes: "tuple[Change, ...]") -> Iterator[str]:
    """The changes object by object, and how many there are; click leaves colours out of pipes."""
    old, new = sides
    if not changes:
        yield f"No difference between {old.name} and {new.name}."
        return
    yield click.style(f"--- {old.name}", bold=True)
    yield click.style(f"+++ {new.name}", bold=True)
    whole = {(each.part, each.id): each for each in changes if each.field is None}
    named = None
    for change in changes:
        place = (change.part, change.id)
        if change.part == "value":
            yield from _lines(change, f"value of {change.id}", "")
        elif change.field is None:
            yield from _title(change)
        else:
            if place != named and place not in whole:
                yield _styled("changed", f"~ {_TITLES[change.part]}{change.id}")
            yield from _lines(change, change.field, "    ")
        named = place
    yield _summary(changes)


def _title(change: "Change") -> Iterator[str]:
    """An object or parameter that came or went."""
    sign = _SIGNS[change.kind][0]
    yield _styled(change.kind, f"{sign} {_TITLES[change.part]}{change.id}")
    yield from _refusal(change, "    ")


def _lines(change: "Change", name: str, indent: str) -> Iterator[str]:
    from penstock.language.edits import listing

    sign = _SIGNS[change.kind][0]
    sides = [listing(texts) for texts in (change.before, change.after) if texts]
    yield _styled(change.kind, f"{indent}{sign} {name}: {' -> '.join(sides)}")
    yield from _refusal(change, indent + "    ")


def _refusal(change: "Change", indent: str) -> Iterator[str]:
    if change.forbidden is not None:
        yield click.style(f"{indent}! {change.forbidden}", fg="red", bold=True)


def _styled(kind: str, text: str) -> str:
    return click.style(text, fg=_SIGNS[kind][1])


def _summary(changes: "tuple[Change, ...]") -> str:
    from penstock.language.wording import counted

    forbidden = sum(change.forbidden is not None for change in changes)
    objects = _counts(changes)
    if not forbidden:
        return f"{objects}; an activated pipeline may have all of it."
    return f"{objects}; {counted(forbidden, 'change')} marked ! cannot be made once activated."


def _counts(changes: "tuple[Change, ...]") -> str:
    """`2 objects changed, 1 object added, 1 parameter changed`."""
    from penstock.language.wording import counted

    kinds: dict[tuple[str, str], str] = {}
    for change in changes:
        part = "object" if change.part == "object" else "parameter"
        whole = change.field is None and change.part != "value"
        kinds.setdefault((part, change.id), change.kind if whole else "changed")
    totals = Counter((part, kind) for (part, _), kind in kinds.items())
    return ", ".join(f"{counted(count, part)} {kind}" for (part, kind), count in totals.items())
