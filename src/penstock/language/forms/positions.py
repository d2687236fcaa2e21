"""Where in a file an object and its fields are written: for people, and for editors.

Looked up only when there is something to show, by reading the text a second time; a text that
cannot be read has no positions, and nothing here raises.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct

from penstock.language.forms.json_parts import JsonPart
from penstock.language.forms.placed import Lines, Place, Placed
from penstock.language.forms.texts import decoded, meant_as_json
from penstock.language.forms.unknowns import readable_name
from penstock.language.forms.yaml_text import place_yaml
from penstock.model.errors import DefinitionError


class Positions(Struct, frozen=True):
    """The place of each object and parameter (`None` for the field) and of each of its fields."""

    places: dict[tuple[str, str | None], Place] = {}

    def of(self, object_id: str, field: str | None = None) -> Place | None:
        """Line and column, from 1, of a field, or else of its object; of parameters by their id.

        None if the text has neither. A field that an object lacks is looked for where it is
        written, so its inherited place is its parent's affair.
        """
        found = self.places.get((object_id, field))
        return found if found is not None else self.places.get((object_id, None))


class _Words(Struct, frozen=True):
    """How a form with lists of fields spells its members."""

    objects: str
    parameters: str
    values: str
    identity: str
    fields: str
    attributes: str
    key: str


_API = _Words(
    "pipelineObjects", "parameterObjects", "parameterValues", "id", "fields", "attributes", "key"
)
_CLOUDFORMATION = _Words(
    "PipelineObjects", "ParameterObjects", "ParameterValues", "Id", "Fields", "Attributes", "Key"
)
_TERRAFORM = _Words(
    "pipeline_object", "parameter_object", "parameter_value", "id", "field", "attribute", "key"
)


Part: TypeAlias = Placed | JsonPart
Wanted: TypeAlias = Collection[tuple[str, str | None]]


def locate(text: str | bytes, pick: str | None = None, wanted: Wanted | None = None) -> Positions:
    """The positions of a definition's objects, fields and parameters, in any form.

    `pick` is the label of one of several pipelines; without it, of several objects with one id the
    first is found. `wanted` are the objects and fields to look for, all unless given. An entry
    without an id is called by its place (`objects[3]`).
    """
    places: dict[tuple[str, str | None], Place] = {}
    search = _Search(wanted)
    try:
        readable = decoded(text)
        as_json = meant_as_json(readable)
        root = JsonPart(readable, Lines(readable)) if as_json else place_yaml(readable)
        for object_id, field, place in _found(root, pick, search):
            places.setdefault((object_id, field), place)
    except (DefinitionError, RecursionError, ValueError, IndexError):
        pass
    return Positions(places)


_Found = Iterator[tuple[str, str | None, Place]]


class _Search:
    """What is looked for."""

    def __init__(self, wanted: Wanted | None) -> None:
        self._all = wanted is None
        self._wanted = frozenset(wanted or ())
        self._ids = {object_id for object_id, _ in self._wanted}

    def wants(self, object_id: str) -> bool:
        """Whether the object is to be found."""
        return self._all or object_id in self._ids

    def wants_field(self, object_id: str, field: str) -> bool:
        """Whether the field is."""
        return self._all or (object_id, field) in self._wanted


def _found(root: Part, pick: str | None, search: _Search) -> _Found:
    if root.member("objects") is not None:
        yield from _in_cli(root, search)
    elif root.member(_API.objects) is not None:
        yield from _in_lists(root, _API, search)
    elif root.member("planned_values") is not None or root.member("values") is not None:
        for address, values in _terraform_resources(root):
            if pick in (None, address):
                yield from _in_lists(values, _TERRAFORM, search)
    else:
        for label, properties in _cloudformation_resources(root):
            if pick in (None, label):
                yield from _in_lists(properties, _CLOUDFORMATION, search)
        yield from _in_parameters(root, search)


def _named(
    root: Part, section: str, identity: str, search: _Search
) -> Iterator[tuple[str, Place, Part]]:
    """The wanted entries of a list, each with its id and that one's place."""
    for at, each in enumerate(_items(root.member(section))):
        identified = each.member(identity)
        name = identified.text() if identified is not None else None
        if identified is None or name is None:
            if search.wants(f"{section}[{at}]"):
                yield f"{section}[{at}]", each.at, each
        elif search.wants(name):
            yield name, identified.at, each


def _in_cli(root: Part, search: _Search) -> _Found:
    for section in ("objects", "parameters"):
        for name, at, each in _named(root, section, "id", search):
            yield name, None, at
            for key, place, _ in each.members():
                if search.wants_field(name, key):
                    yield name, key, place
    values = root.member("values")
    for name, place, _ in values.members() if values is not None else ():
        if search.wants(name):
            yield name, None, place


def _in_lists(root: Part, words: _Words, search: _Search) -> _Found:
    for section, fields in (
        (words.objects, words.fields),
        (words.parameters, words.attributes),
        (words.values, ""),
    ):
        for name, at, each in _named(root, section, words.identity, search):
            yield name, None, at
            for field in _items(each.member(fields)):
                key = field.member(words.key)
                spelled = key.text() if key is not None else None
                if key is not None and spelled is not None and search.wants_field(name, spelled):
                    yield name, spelled, key.at


def _in_parameters(root: Part, search: _Search) -> _Found:
    """What a template declares, by the names that a definition has for it."""
    declared = root.member("Parameters")
    for key, place, _ in declared.members() if declared is not None else ():
        name = readable_name({"Ref": key})
        for each in (name, f"*{name}"):
            if search.wants(each):
                yield each, None, place


def _items(part: Part | None) -> Iterable[Part]:
    return part.items() if part is not None else ()


def _cloudformation_resources(root: Part) -> Iterator[tuple[str, Part]]:
    """Labels and properties: of a template's resources, of a bare resource, of bare properties."""
    yield "", root.member("Properties") or root
    resources = root.member("Resources") or root
    for label, _, resource in resources.members():
        properties = resource.member("Properties")
        if properties is not None:
            yield label, properties


def _terraform_resources(root: Part) -> Iterator[tuple[str, Part]]:
    top = root.member("planned_values") or root.member("values") or root
    waiting: list[Part] = [module for module in [top.member("root_module")] if module is not None]
    while waiting:
        module = waiting.pop()
        waiting.extend(_items(module.member("child_modules")))
        for resource in _items(module.member("resources")):
            address, values = resource.member("address"), resource.member("values")
            if address is not None and values is not None:
                yield address.text() or "", values
