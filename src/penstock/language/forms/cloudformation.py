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
    is_no_value,
    literal,
    may_be_dynamic,
    shown,
)
from penstock.language.forms.named import NamedDefinition
from penstock.language.forms.shapes import list_of, mapping_of, text_of
from penstock.language.forms.unknowns import Unknowns, template_of, words_in
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
    unknown = sorted(key for key in properties if key not in _PROPERTIES)
    name = reader.known(properties.get("Name"))
    left_out = [f"{key} of the resource" for key in others]
    left_out += [f"the property {key}" for key in unknown]
    if name is None and "Name" in properties:
        left_out.append(f"the name {shown(properties['Name'])}, which the template does not decide")
    tags = list(reader.tags())
    left_out += [each for each in tags if isinstance(each, str)]
    return NamedDefinition(
        definition=reader.definition(),
        form="cloudformation",
        label=label,
        name=name,
        description=reader.known(properties.get("Description")) or "",
        tags=tuple(each for each in tags if isinstance(each, Tag)),
        activate=reader.switch(properties.get("Activate")),
        left_out=tuple(left_out),
    )


class _Reader:
    """Reads one resource's properties; keeps the parameters that its intrinsics become."""

    def __init__(self, template: Template, properties: Mapping[str, object]) -> None:
        self._properties = properties
        self._static = Resolver(template)
        self._defaults = Resolver(template, with_defaults=True)
        self._unknowns = Unknowns(template, words_in(properties))

    def definition(self) -> Definition:
        parameters = tuple(
            self._parameter(each, where)
            for each, where in self._members(self._properties, "ParameterObjects")
        )
        values = tuple(
            ParameterValue(self._literal(each, "Id", where), self._text(each, "StringValue", where))
            for each, where in self._members(self._properties, "ParameterValues")
        )
        objects = tuple(
            self._object(each, where)
            for each, where in self._members(self._properties, "PipelineObjects")
        )
        return Definition(objects, (*parameters, *self._unknowns.parameters()), values)

    def _object(self, members: Mapping[str, object], where: str) -> PipelineObject:
        object_id = self._literal(members, "Id", where)
        where = f"object {object_id!r}"
        name = self._literal(members, "Name", where) if "Name" in members else object_id
        fields = tuple(
            self._field(each, at) for each, at in self._members(members, "Fields", where)
        )
        return PipelineObject(object_id, name, fields)

    def _field(self, members: Mapping[str, object], where: str) -> Field:
        key = self._literal(members, "Key", where)
        where = f"{where} ({key!r})"
        given = [name for name in ("StringValue", "RefValue") if self._given(members, name, where)]
        if len(given) != 1:
            raise DefinitionError(f"{where}: exactly one of 'StringValue' and 'RefValue' is needed")
        if given == ["RefValue"]:
            return Field(key, ref_value=self._literal(members, "RefValue", where))
        read = self._literal if key == "type" else self._text
        return Field(key, read(members, "StringValue", where))

    def _parameter(self, members: Mapping[str, object], where: str) -> ParameterObject:
        parameter_id = self._literal(members, "Id", where)
        attributes = []
        for each, place in self._members(members, "Attributes", f"parameter {parameter_id!r}"):
            key = self._literal(each, "Key", place)
            read = self._literal if key in _WORDLESS_ATTRIBUTES else self._text
            attributes.append(ParameterAttribute(key, read(each, "StringValue", place)))
        return ParameterObject(parameter_id, tuple(attributes))

    def tags(self) -> Iterator[Tag | str]:
        """The tags; a text where one has to be left out, since its value comes with a deployment.

        A definition is none the worse for that.
        """
        for each, where in self._members(self._properties, "PipelineTags"):
            key, value = self.known(each.get("Key")), self.known(each.get("Value"))
            if key is None or value is None:
                missing = shown(each.get("Value" if value is None else "Key"))
                yield f"the tag {key or where!r}: {missing}, which the template does not decide"
            else:
                yield Tag(key, value)

    def known(self, value: object) -> str | None:
        """A property's text, by the template's defaults where need be; None if it is unknown."""
        if value is None or is_no_value(value):
            return None
        return literal(self._defaults.text(value, "the pipeline's properties"))

    def switch(self, value: object) -> bool | None:
        """A boolean property; None if it is not given, or not known."""
        known = self.known(value)
        return None if known is None else known.lower() == "true"

    def _members(
        self, members: Mapping[str, object], key: str, where: str = ""
    ) -> Iterator[tuple[Mapping[str, object], str]]:
        """The entries of a list property that apply, each with its place."""
        path = f"{where}, {key}" if where else key
        given = self._chosen(members.get(key), path)
        if given is None or is_no_value(given):
            return
        for at, each in enumerate(list_of(given, path)):
            chosen = self._chosen(each, f"{path}[{at}]")
            # An `If` may put in one entry, or several, or none.
            for entry in chosen if isinstance(chosen, list) else [chosen]:
                if not is_no_value(entry):
                    yield mapping_of(entry, f"{path}[{at}]"), f"{path}[{at}]"

    def _chosen(self, value: object, where: str) -> object:
        """A part of the template after its `If`s, decided by defaults where need be."""
        if not (isinstance(value, dict) and "Fn::If" in value):
            return value
        chosen = self._static.chosen(value, where)
        if chosen is value:
            chosen = self._defaults.chosen(value, where)
        if chosen is value:
            raise DefinitionError(
                f"{where}: which part of {shown(value)} applies is not known; give the parameters "
                "of its condition a Default"
            )
        return chosen

    def _given(self, members: Mapping[str, object], key: str, where: str) -> bool:
        value = members.get(key)
        with_no_value = isinstance(value, dict) and "AWS::NoValue" in str(value)
        chosen = self._chosen(value, f"{where}, {key}") if with_no_value else value
        return chosen is not None and not is_no_value(chosen)

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
        if literal(pieces) is None:
            pieces = self._defaults.text(value, where)
        known = literal(pieces)
        if known is None:
            missing = next(piece for piece in pieces if isinstance(piece, Unknown))
            raise DefinitionError(
                f"{where}: {shown(missing.intrinsic)} has no value in the template, and no "
                "parameter can stand here; write the value out, or give it a Default"
            )
        return known

    def _text(self, members: Mapping[str, object], key: str, where: str) -> str:
        """A member in which parameters may stand."""
        if members.get(key) is None:
            raise DefinitionError(f"{where}: {key!r} is missing")
        value = members[key]
        if isinstance(value, str) and not may_be_dynamic(value):
            return value
        where = f"{where}, {key!r}"
        with_no_value = isinstance(value, dict) and "AWS::NoValue" in str(value)
        chosen = self._chosen(value, where) if with_no_value else value
        pieces = self._static.text(chosen, where)
        try:
            embed(pieces, _anything)
        except DefinitionError as error:
            known = literal(self._defaults.text(chosen, where))
            if known is None:
                raise DefinitionError(f"{where}: {error}") from error
            return known
        return embed(pieces, self._unknowns.named)


def _anything(_: object) -> Named:
    """Stands in for a parameter while it is found out whether one can stand there at all."""
    return Named("my_X")
