"""CloudFormation: the pipelines of a template, of a bare resource, or of bare properties.

`AWS::DataPipeline::Pipeline` has the API's lists, spelled with capitals. Source: CloudFormation
user guide, "AWS::DataPipeline::Pipeline". Intrinsics become parameters, see `unknowns.py`.
"""

from collections.abc import Iterator, Mapping

from penstock.language.forms.embedding import Named, embed
from penstock.language.forms.intrinsics import (
    Resolver,
    Template,
    Unknown,
    function_of,
    is_no_value,
    literal,
    may_be_dynamic,
    not_read,
    shown,
)
from penstock.language.forms.named import NamedDefinition
from penstock.language.forms.shapes import Faults, list_of, mapping_of, named_by, part_of, text_of
from penstock.language.forms.unknowns import Unknowns, is_secret, template_of, words_in
from penstock.language.wording import shorten
from penstock.model.api import Tag
from penstock.model.definition import (
    Definition,
    Field,
    ParameterAttribute,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.errors import DefinitionError

RESOURCE_TYPE = "AWS::DataPipeline::Pipeline"

_PROPERTIES = frozenset(
    "Activate Description Name ParameterObjects ParameterValues PipelineObjects"
    " PipelineTags".split()
)
_WORDLESS_ATTRIBUTES = frozenset({"type", "isArray", "optional", "allowedValues"})
"""Attributes of a parameter that are read as they are, so that no expression may stand there."""


def is_cloudformation(document: object) -> bool:
    """Whether a decoded document is in this form."""
    return isinstance(document, dict) and (
        isinstance(document.get("Resources"), dict)
        or document.get("Type") == RESOURCE_TYPE
        or "PipelineObjects" in document
        or any(_is_pipeline(each) for each in document.values())
    )


def _is_pipeline(resource: object) -> bool:
    return isinstance(resource, dict) and resource.get("Type") == RESOURCE_TYPE


def from_cloudformation(document: Mapping[str, object]) -> Iterator[NamedDefinition]:
    """Every pipeline of a document. Raises DefinitionError, with the place."""
    if "PipelineObjects" in document:
        yield _pipeline("", document, Template(), [])
    elif _is_pipeline(document):
        yield _resource("", document, Template())
    else:
        resources = document.get("Resources", document)
        template = template_of(document)
        for label, resource in mapping_of(resources, "Resources").items():
            if isinstance(resource, dict) and _is_pipeline(resource):
                yield _resource(label, resource, template)


def _resource(label: str, resource: Mapping[str, object], template: Template) -> NamedDefinition:
    properties = mapping_of(resource.get("Properties"), f"resource {label!r}, Properties")
    others = sorted(key for key in resource if key not in ("Type", "Properties"))
    return _pipeline(label, properties, template, others)


def _pipeline(
    label: str, properties: Mapping[str, object], template: Template, others: list[str]
) -> NamedDefinition:
    reader = _Reader(template, properties)
    definition = reader.definition()
    unknown = sorted(key for key in properties if key not in _PROPERTIES)
    name = reader.known(properties.get("Name"), "Name")
    left_out = [f"{key} of the resource" for key in others]
    left_out += [f"the property {key}" for key in unknown]
    if name is None and "Name" in properties:
        left_out.append(f"the name {shown(properties['Name'])}, which the template does not decide")
    tags = list(reader.tags())
    left_out += [each for each in tags if isinstance(each, str)]
    description = reader.known(properties.get("Description"), "Description") or ""
    activate = reader.switch(properties.get("Activate"))
    return NamedDefinition(
        definition=definition,
        form="cloudformation",
        label=label,
        name=name,
        description=description,
        tags=tuple(each for each in tags if isinstance(each, Tag)),
        activate=activate,
        left_out=(*left_out, *reader.decided),
    )


class _Reader:
    """Reads one resource's properties.

    Keeps the parameters that its intrinsics become, and in `decided` what defaults have decided
    for good: there the definition has no place for the intrinsic.
    """

    def __init__(self, template: Template, properties: Mapping[str, object]) -> None:
        self._properties = properties
        self._faults = Faults()
        self.decided: list[str] = []
        self._template = template
        self._static = Resolver(template)
        self._defaults = Resolver(template, with_defaults=True)
        self._unknowns = Unknowns(template, words_in(properties))

    def definition(self) -> Definition:
        """Raises DefinitionError, with all that is wrong."""
        named = named_by("Id")
        parameters = self._faults.each(self._entries("ParameterObjects"), self._parameter, named)
        values = self._faults.each(self._entries("ParameterValues"), self._value, named)
        objects = self._faults.each(self._entries("PipelineObjects"), self._object, named)
        self._faults.check()
        return Definition(objects, (*parameters, *self._unknowns.parameters()), values)

    def _value(self, entry: object, where: str) -> ParameterValue:
        members = mapping_of(entry, where)
        value_id = self._literal(members, "Id", where)
        return ParameterValue(value_id, self._text(members, "StringValue", where))

    def _object(self, entry: object, where: str) -> PipelineObject:
        members = mapping_of(entry, where)
        object_id = self._literal(members, "Id", where)
        where = f"object {object_id!r}"
        name = self._literal(members, "Name", where) if "Name" in members else object_id
        fields = self._faults.each(
            self._entries("Fields", members, where, object_id),
            self._field,
            part_of(object_id, "Key"),
        )
        return PipelineObject(object_id, name, fields)

    def _field(self, entry: object, where: str) -> Field:
        members = mapping_of(entry, where)
        key = self._literal(members, "Key", where)
        where = f"{where} ({key!r})"
        given = self._given(members, where)
        if len(given) != 1:
            raise DefinitionError(f"{where}: exactly one of 'StringValue' and 'RefValue' is needed")
        if given == ["RefValue"]:
            return Field(key, ref_value=self._literal(members, "RefValue", where))
        read = self._literal if key == "type" else self._text
        return Field(key, read(members, "StringValue", where))

    def _parameter(self, entry: object, where: str) -> ParameterObject:
        members = mapping_of(entry, where)
        parameter_id = self._literal(members, "Id", where)
        attributes = self._faults.each(
            self._entries("Attributes", members, f"parameter {parameter_id!r}", parameter_id),
            self._attribute,
            part_of(parameter_id, "Key"),
        )
        return ParameterObject(parameter_id, attributes)

    def _attribute(self, entry: object, where: str) -> ParameterAttribute:
        members = mapping_of(entry, where)
        key = self._literal(members, "Key", where)
        read = self._literal if key in _WORDLESS_ATTRIBUTES else self._text
        return ParameterAttribute(key, read(members, "StringValue", where))

    def tags(self) -> Iterator[Tag | str]:
        """The tags; a text where one has to be left out, since its value comes with a deployment.

        A definition is none the worse for that.
        """
        for entry, where in self._entries("PipelineTags"):
            each = mapping_of(entry, where)
            key, value = (self.known(each.get(part), where) for part in ("Key", "Value"))
            if key is None or value is None:
                missing = shown(each.get("Value" if value is None else "Key"))
                yield f"the tag {key or where!r}: {missing}, which the template does not decide"
            else:
                yield Tag(key, value)

    def known(self, value: object, where: str) -> str | None:
        """A property's text, by the template's defaults where need be; None if it is unknown."""
        if value is None or is_no_value(value) or is_secret(value, self._template):
            return None
        known = literal(self._static.text(value, where))
        return known if known is not None else self._by_default(value, where)

    def switch(self, value: object) -> bool | None:
        """A boolean property; None if it is not given, or not known."""
        known = self.known(value, "Activate")
        return None if known is None else known.lower() == "true"

    def _by_default(self, value: object, where: str) -> str | None:
        """What the template's defaults make of a value, for good; None if they do not decide it."""
        known = literal(self._defaults.text(value, where))
        if known is not None:
            self._decide(value, where, f", which is {shorten(repr(known))}")
        return known

    def _decide(self, value: object, where: str, outcome: str = "") -> None:
        self.decided.append(
            f"{shown(value)} at {where}: the template's defaults have decided it{outcome}"
        )

    def _entries(
        self,
        key: str,
        members: Mapping[str, object] | None = None,
        where: str = "",
        object_id: str | None = None,
    ) -> Iterator[tuple[object, str]]:
        """The entries that apply of a list of the resource, or of an object, with their places."""
        path = f"{where}, {key}" if where else key
        given = self._chosen((self._properties if members is None else members).get(key), path)
        if given is None or is_no_value(given):
            return
        for at, each in enumerate(list_of(given, path)):
            place = f"{path}[{at}]"
            try:
                chosen = self._chosen(each, place)
                _refuse_function(chosen, place)
            except DefinitionError as error:
                self._faults.add(error, object_id or place)
                continue
            # An `If` may put in one entry, or several, or none.
            for entry in chosen if isinstance(chosen, list) and each is not chosen else [chosen]:
                if not is_no_value(entry):
                    yield entry, place

    def _chosen(self, value: object, where: str) -> object:
        """A part of the template after its `If`s, decided by defaults where need be."""
        if not (isinstance(value, dict) and "Fn::If" in value):
            return value
        chosen = self._static.chosen(value, where)
        if chosen is value:
            chosen = self._defaults.chosen(value, where)
            self._decide(value, where)
        if chosen is value:
            raise DefinitionError(
                f"{where}: which part of {shown(value)} applies is not known; give the parameters "
                "of its condition a Default"
            )
        return chosen

    def _given(self, members: Mapping[str, object], where: str) -> list[str]:
        """Which of the two kinds of value a field has; of a pair of `If`s, the one that applies."""
        names = [each for each in ("StringValue", "RefValue") if members.get(each) is not None]
        if len(names) == 2:
            chosen = {name: self._chosen(members[name], f"{where}, {name}") for name in names}
        else:
            chosen = {name: self._static.chosen(members[name], where) for name in names}
        return [name for name in names if not is_no_value(chosen[name])]

    def _literal(self, members: Mapping[str, object], key: str, where: str) -> str:
        """A member where no expression may stand."""
        if members.get(key) is None:
            raise DefinitionError(f"{where}: {key!r} is missing")
        value = members[key]
        if isinstance(value, str) and not may_be_dynamic(value):
            return value
        where = f"{where}, {key!r}"
        if not isinstance(value, dict | str):
            return text_of(value, where)
        pieces = self._static.text(value, where)
        known = literal(pieces)
        if known is not None:
            return known
        self._refuse_secret(value, where)
        known = self._by_default(value, where)
        if known is None:
            pieces = self._defaults.text(value, where)
            missing = next(piece for piece in pieces if isinstance(piece, Unknown))
            raise DefinitionError(
                f"{where}: {shown(missing.intrinsic)} has no value in the template, and no "
                "parameter can stand here; write the value out, or give it a Default"
            )
        return known

    def _refuse_secret(self, value: object, where: str) -> None:
        if is_secret(value, self._template):
            raise DefinitionError(
                f"{where}: {shown(value)} is a secret, and here, where no parameter can stand, "
                "everybody would see it; write something else"
            )

    def _text(self, members: Mapping[str, object], key: str, where: str) -> str:
        """A member in which parameters may stand."""
        if members.get(key) is None:
            raise DefinitionError(f"{where}: {key!r} is missing")
        value = members[key]
        if isinstance(value, str) and not may_be_dynamic(value):
            return value
        where = f"{where}, {key!r}"
        pieces = self._static.text(value, where)
        try:
            embed(pieces, _anything)
        except DefinitionError as error:
            self._refuse_secret(value, where)
            known = self._by_default(value, where)
            if known is None:
                raise DefinitionError(f"{where}: {error}") from error
            return known
        return embed(pieces, self._unknowns.named)


def _refuse_function(entry: object, where: str) -> None:
    name, _ = function_of(entry) or ("", None)
    if name.partition("::")[0] in ("Transform", "ForEach"):
        raise not_read(name.partition("::")[0], where)
    if name and not is_no_value(entry):
        raise DefinitionError(
            f"{where}: {shown(entry)} cannot stand for an entry here; write the entry out"
        )


def _anything(_: object) -> Named:
    """Stands in for a parameter while it is found out whether one can stand there at all."""
    return Named("my_X")
