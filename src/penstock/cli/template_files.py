"""The templates: definitions with parameters, and what a command makes of them.

Each is a file in the command line's form, with a `metadata` member of ours: `title`, `about`, and
perhaps `instead`: other ways to say where something is, each a parameter that may be given in place
of another, with the object that then takes the place of the one of its id.
"""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

SCHEDULE = "DefaultSchedule"


class TemplateError(Exception):
    """A template cannot be made a definition as asked: what to give instead."""


class Parameter(Struct, frozen=True, rename="camel"):
    """What a definition declares of a parameter, as far as it is of use to who fills it in."""

    id: str
    description: str = ""
    type: str = "String"
    help_text: str = ""
    watermark: str = ""
    default: str | None = None
    optional: str = "false"
    is_array: str = "false"
    allowed_values: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None and self.optional != "true"


class Instead(Struct, frozen=True):
    """A parameter that may be given in place of the parameter `of`, and the object it makes."""

    of: str
    parameter: dict[str, Any]
    object: dict[str, Any]


class Metadata(Struct, frozen=True):
    """What the file says of the template itself."""

    title: str
    about: str
    instead: tuple[Instead, ...] = ()


class Timing(Struct, frozen=True):
    """When it runs: every `period`, from `start` on or else the activation, so many `times`."""

    period: str | None = None
    start: str | None = None
    times: int | None = None


AS_WRITTEN = Timing()
"""As the template has it."""


class Template(Struct, frozen=True):
    """A template: `document` is its definition, in the command line's form."""

    name: str
    metadata: Metadata
    document: dict[str, Any]

    @property
    def parameters(self) -> list[Parameter]:
        """All that can be given, with those that stand in for others."""
        declared = [*self.document["parameters"], *(e.parameter for e in self.metadata.instead)]
        return [msgspec.convert(each, Parameter) for each in declared]

    @property
    def scheduled(self) -> bool:
        """Whether it makes sense on a schedule only."""
        return any(each["id"] == SCHEDULE for each in self.document["objects"])


def names() -> list[str]:
    """The names of all templates."""
    folder = files("penstock").joinpath("templates")
    return sorted(
        each.name.removesuffix(".json") for each in folder.iterdir() if each.name.endswith(".json")
    )


def find(name: str) -> Template:
    """The template of a name; raises `TemplateError`."""
    known = names()
    if name not in known:
        close = get_close_matches(name, known, 1, 0.4)
        hint = f"; did you mean {close[0]}?" if close else "; see: penstock templates list"
        raise TemplateError(f"there is no template {name!r}{hint}")
    text = files("penstock").joinpath("templates", f"{name}.json").read_text("utf-8")
    document = json.loads(text)
    return Template(name, msgspec.convert(document.pop("metadata"), Metadata), document)


def filled(
    template: Template,
    given: Sequence[tuple[str, str]],
    timing: Timing = AS_WRITTEN,
    log_uri: str | None = None,
) -> dict[str, Any]:
    """The document with values, a schedule and a place for logs.

    `given` are pairs of a parameter's name (its star may be left out) and a value; a name given
    twice makes a list. Raises `TemplateError`.
    """
    values = _named_values(template, given)
    chosen = _with_alternatives(template, values)
    _require(chosen, values, template)
    document: dict[str, Any] = json.loads(json.dumps(chosen.document))
    objects = {each["id"]: each for each in document["objects"]}
    if log_uri is not None:
        objects["Default"]["pipelineLogUri"] = log_uri
    _schedule(objects, timing)
    document["objects"] = list(objects.values())
    document["values"] = {
        name: found[0] if len(found) == 1 else found for name, found in values.items()
    }
    return document


def _named_values(template: Template, given: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The values by their parameters' true names."""
    known = {each.id: each for each in template.parameters}
    bare = {name.removeprefix("*"): name for name in known}
    values: dict[str, list[str]] = {}
    for name, value in given:
        found = bare.get(name.removeprefix("*"))
        if found is None:
            close = get_close_matches(name, list(bare), 1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(bare)}"
            raise TemplateError(f"{template.name} has no parameter {name!r}; {hint}")
        values.setdefault(found, []).append(value)
    several = [n for n, v in values.items() if len(v) > 1 and known[n].is_array != "true"]
    if several:
        raise TemplateError(f"{several[0]} takes one value; it was given several times")
    return values


def _with_alternatives(template: Template, values: Mapping[str, object]) -> Template:
    """The template with those objects in it that the values given stand for."""
    document = template.document
    for each in template.metadata.instead:
        name = str(each.parameter["id"])
        if name not in values:
            continue
        if each.of in values:
            raise TemplateError(f"give {each.of} or {name}, not both")
        objects = [each.object if o["id"] == each.object["id"] else o for o in document["objects"]]
        parameters = [each.parameter if p["id"] == each.of else p for p in document["parameters"]]
        document = {**document, "objects": objects, "parameters": parameters}
    return replace(template, document=document)


def _require(chosen: Template, values: Mapping[str, object], template: Template) -> None:
    declared = [msgspec.convert(each, Parameter) for each in chosen.document["parameters"]]
    missing = [each for each in declared if each.required and each.id not in values]
    if not missing:
        return
    others = {each.of: str(each.parameter["id"]) for each in template.metadata.instead}
    needed = [
        each.id.removeprefix("*") + (f" (or {others[each.id]})" if each.id in others else "")
        for each in missing
    ]
    raise TemplateError(
        f"{template.name} still needs {', '.join(needed)}; give each as --parameter NAME=VALUE"
        f" (what they mean: penstock templates show {template.name})"
    )


def _schedule(objects: dict[str, dict[str, Any]], timing: Timing) -> None:
    """Put the timing in, where it is not the template's own."""
    if SCHEDULE not in objects:
        if timing.period is None:
            if timing.start or timing.times:
                raise TemplateError("--start and --times belong to a schedule: give --period, too")
            return
        default = objects["Default"]
        default |= {"scheduleType": "cron", "schedule": {"ref": SCHEDULE}}
        objects[SCHEDULE] = {
            "id": SCHEDULE,
            "name": SCHEDULE,
            "type": "Schedule",
            "startAt": "FIRST_ACTIVATION_DATE_TIME",
        }
    schedule = objects[SCHEDULE]
    if timing.period is not None:
        schedule["period"] = timing.period
    if timing.start is not None:
        del schedule["startAt"]
        schedule["startDateTime"] = timing.start
    if timing.times is not None:
        schedule["occurrences"] = str(timing.times)
