"""Where in a file an object and its fields are written: for people, and for editors.

Looked up only when there is something to show, by reading the text a second time; a text that
cannot be read has no positions, and nothing here raises.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from penstock.language.forms.json_text import place_json
from penstock.language.forms.placed import Place, Placed
from penstock.language.forms.texts import decoded, meant_as_json
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


def locate(text: str | bytes, pick: str | None = None) -> Positions:
    """The positions of a definition's objects, fields and parameters, in any form.

    `pick` is the label of one of several pipelines; without it, of several objects with one id the
    first is found.
    """
    places: dict[tuple[str, str | None], Place] = {}
    try:
        readable = decoded(text)
        root = place_json(readable) if meant_as_json(readable) else place_yaml(readable)
        for object_id, field, place in _found(root, pick):
            places.setdefault((object_id, field), place)
    except (DefinitionError, RecursionError):
        pass
    return Positions(places)


_Found = Iterator[tuple[str, str | None, Place]]


def _found(root: Placed, pick: str | None) -> _Found:
    if root.member("objects") is not None:
        yield from _in_cli(root)
    elif root.member(_API.objects) is not None:
        yield from _in_lists(root, _API)
    elif root.member("planned_values") is not None or root.member("values") is not None:
        for address, values in _terraform_resources(root):
            if pick in (None, address):
                yield from _in_lists(values, _TERRAFORM)
    else:
        for label, properties in _cloudformation_resources(root):
            if pick in (None, label):
                yield from _in_lists(properties, _CLOUDFORMATION)


def _in_cli(root: Placed) -> _Found:
    for section in ("objects", "parameters"):
        for each in _items(root.member(section)):
            identity = each.member("id")
            name = identity.text() if identity is not None else None
            if identity is None or name is None:
                continue
            yield name, None, identity.at
            for key, (place, _) in each.members().items():
                yield name, key, place
    values = root.member("values")
    for name, (place, _) in values.members().items() if values is not None else ():
        yield name, None, place


def _in_lists(root: Placed, words: _Words) -> _Found:
    for section, fields in (
        (words.objects, words.fields),
        (words.parameters, words.attributes),
        (words.values, ""),
    ):
        for each in _items(root.member(section)):
            identity = each.member(words.identity)
            name = identity.text() if identity is not None else None
            if identity is None or name is None:
                continue
            yield name, None, identity.at
            for field in _items(each.member(fields)):
                key = field.member(words.key)
                if key is not None and (spelled := key.text()) is not None:
                    yield name, spelled, key.at


def _items(part: Placed | None) -> Sequence[Placed]:
    return part.items() if part is not None else ()


def _cloudformation_resources(root: Placed) -> Iterator[tuple[str, Placed]]:
    """Labels and properties: of a template's resources, of a bare resource, of bare properties."""
    yield "", root.member("Properties") or root
    resources = root.member("Resources") or root
    for label, (_, resource) in resources.members().items():
        properties = resource.member("Properties")
        if properties is not None:
            yield label, properties


def _terraform_resources(root: Placed) -> Iterator[tuple[str, Placed]]:
    top = root.member("planned_values") or root.member("values") or root
    waiting = [module for module in [top.member("root_module")] if module is not None]
    while waiting:
        module = waiting.pop()
        waiting.extend(_items(module.member("child_modules")))
        for resource in _items(module.member("resources")):
            address, values = resource.member("address"), resource.member("values")
            if address is not None and values is not None:
                yield address.text() or "", values
