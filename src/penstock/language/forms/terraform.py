"""Terraform: the pipelines in what `terraform show -json` prints of a plan or a state.

`aws_datapipeline_pipeline_definition` has the API's lists as blocks, and names the
`aws_datapipeline_pipeline` that it belongs to. The provider keeps blocks as sets, so the order of
objects and fields is Terraform's. Source: Terraform, "JSON Output Format", and the AWS provider's
schema.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from penstock.language.forms.named import NamedDefinition
from penstock.language.forms.shapes import list_of, mapping_of, member_of, text_of
from penstock.language.forms.unknowns import words_in
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

PIPELINE = "aws_datapipeline_pipeline"
DEFINITION = "aws_datapipeline_pipeline_definition"


class _Resource(Struct, frozen=True):
    """A resource; `module` is its module's address, `unknown` mirrors `values` with `true`s."""

    kind: str
    address: str
    module: str
    values: Mapping[str, object]
    unknown: Mapping[str, object] = {}


def is_terraform(document: object) -> bool:
    """Whether a decoded document is in this form."""
    return isinstance(document, dict) and any(
        isinstance(document.get(key), dict) and "root_module" in document[key]
        for key in ("planned_values", "values")
    )


def from_terraform(document: Mapping[str, object]) -> Iterator[NamedDefinition]:
    """Every pipeline definition of a plan or state. Raises DefinitionError, with the address."""
    resources = list(_resources(document))
    links = dict(_configured_links(document))
    pipelines = [each for each in resources if each.kind == PIPELINE]
    for each in resources:
        if each.kind == DEFINITION:
            yield _named(each, _pipeline_of(each, pipelines, links))


def _resources(document: Mapping[str, object]) -> Iterator[_Resource]:
    """The resources of all modules, from the outermost inwards."""
    unknown = dict(_unknown_values(document))
    top = mapping_of(document.get("planned_values", document.get("values")), "values")
    waiting = [mapping_of(top.get("root_module"), "root_module")]
    while waiting:
        module = waiting.pop(0)
        address = text_of(module.get("address", ""), "a module's address")
        for each in _blocks(module, "resources", f"module {address!r}"):
            if each.get("type") in (PIPELINE, DEFINITION):
                where = member_of(each, "address", "a resource")
                values = mapping_of(each.get("values"), f"{where}, values")
                kind = str(each["type"])
                yield _Resource(kind, where, address, values, unknown.get(where, {}))
        waiting.extend(_blocks(module, "child_modules", f"module {address!r}"))


def _unknown_values(document: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """By address, what a plan knows only after it is applied."""
    for each in _blocks(document, "resource_changes", "the plan"):
        change = each.get("change")
        unknown = change.get("after_unknown") if isinstance(change, dict) else None
        if isinstance(unknown, dict):
            yield str(each.get("address")), unknown


def _configured_links(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """From a definition's address to its pipeline's, in the root module of a plan."""
    configuration = document.get("configuration")
    module = configuration.get("root_module") if isinstance(configuration, dict) else None
    for each in _blocks(module if isinstance(module, dict) else {}, "resources", "configuration"):
        expressions = each.get("expressions")
        given = expressions.get("pipeline_id") if isinstance(expressions, dict) else None
        references = given.get("references") if isinstance(given, dict) else None
        for reference in references if isinstance(references, list) else []:
            yield str(each.get("address")), str(reference).removesuffix(".id")


def _pipeline_of(
    definition: _Resource, pipelines: list[_Resource], links: Mapping[str, str]
) -> _Resource | None:
    """A definition's pipeline: by its id, by the plan's reference, or the module's only one."""
    pipeline_id = definition.values.get("pipeline_id")
    here = [each for each in pipelines if each.module == definition.module]
    for each in pipelines:
        if pipeline_id is not None and each.values.get("id") == pipeline_id:
            return each
    for each in here:
        if each.address == links.get(definition.address):
            return each
    return here[0] if len(here) == 1 else None


def _named(resource: _Resource, pipeline: _Resource | None) -> NamedDefinition:
    about = pipeline.values if pipeline is not None else {}
    tags = about.get("tags")
    return NamedDefinition(
        definition=_Reader(resource).definition(),
        form="terraform",
        label=resource.address,
        name=_optional(about, "name"),
        description=_optional(about, "description") or "",
        tags=tuple(
            Tag(key, text_of(value, f"{resource.address}, tags"))
            for key, value in (tags if isinstance(tags, dict) else {}).items()
        ),
    )


def _optional(members: Mapping[str, object], key: str) -> str | None:
    """A text that may be absent, which Terraform writes as null or as an empty string."""
    value = members.get(key)
    return None if value is None or value == "" else text_of(value, key)


def _blocks(members: Mapping[str, object], key: str, where: str) -> Iterator[Mapping[str, object]]:
    given = members.get(key)
    for at, each in enumerate(list_of([] if given is None else given, f"{where}, {key}")):
        yield mapping_of(each, f"{where}, {key}[{at}]")


class _Reader:
    """Reads one definition; keeps the parameters that its unknown values become."""

    def __init__(self, resource: _Resource) -> None:
        self._address = resource.address
        self._values = resource.values
        self._unknown = resource.unknown
        self._taken = set(words_in(dict(resource.values)))
        self._made: list[ParameterObject] = []

    def definition(self) -> Definition:
        objects = tuple(
            self._object(*each)
            for each in self._both(self._values, self._unknown, "pipeline_object")
        )
        parameters = tuple(
            self._parameter(*each)
            for each in self._both(self._values, self._unknown, "parameter_object")
        )
        values = tuple(
            self._value(*each)
            for each in self._both(self._values, self._unknown, "parameter_value")
        )
        return Definition(objects, (*parameters, *self._made), values)

    def _both(
        self, members: Mapping[str, object], unknown: Mapping[str, object], key: str
    ) -> Iterator[tuple[Mapping[str, object], Mapping[str, object]]]:
        """The blocks of a kind, each with what is unknown in it."""
        mirrored = unknown.get(key)
        if mirrored is True:
            raise DefinitionError(
                f"{self._address}: its {key} blocks are known only after the plan is applied; "
                "show the state instead"
            )
        mirrors = mirrored if isinstance(mirrored, list) else []
        for at, each in enumerate(_blocks(members, key, self._address)):
            mirror = mirrors[at] if at < len(mirrors) else None
            yield each, mirror if isinstance(mirror, dict) else {}

    def _object(
        self, members: Mapping[str, object], unknown: Mapping[str, object]
    ) -> PipelineObject:
        object_id = self._known(members, "id", "a pipeline_object")
        name = _optional(members, "name")
        fields = tuple(
            self._field(object_id, field, within)
            for field, within in self._both(members, unknown, "field")
        )
        return PipelineObject(object_id, object_id if name is None else name, fields)

    def _field(
        self, object_id: str, members: Mapping[str, object], unknown: Mapping[str, object]
    ) -> Field:
        key = self._known(members, "key", f"object {object_id!r}, a field")
        where = f"object {object_id!r}, field {key!r}"
        reference = _optional(members, "ref_value")
        if reference is not None:
            return Field(key, ref_value=reference)
        if unknown.get("ref_value") is True and unknown.get("string_value") is not True:
            raise self._unknown_error(f"{where}, ref_value")
        return Field(key, self._text(members, unknown, where, f"{object_id}_{key}"))

    def _parameter(
        self, members: Mapping[str, object], unknown: Mapping[str, object]
    ) -> ParameterObject:
        parameter_id = self._known(members, "id", "a parameter_object")
        attributes = []
        for each, within in self._both(members, unknown, "attribute"):
            key = self._known(each, "key", f"parameter {parameter_id!r}, an attribute")
            where = f"parameter {parameter_id!r}, attribute {key!r}"
            text = self._text(each, within, where, f"{parameter_id}_{key}")
            attributes.append(ParameterAttribute(key, text))
        return ParameterObject(parameter_id, tuple(attributes))

    def _value(
        self, members: Mapping[str, object], unknown: Mapping[str, object]
    ) -> ParameterValue:
        parameter_id = self._known(members, "id", "a parameter_value")
        where = f"the value of parameter {parameter_id!r}"
        return ParameterValue(parameter_id, self._text(members, unknown, where, parameter_id))

    def _known(self, members: Mapping[str, object], key: str, where: str) -> str:
        found = _optional(members, key)
        if found is None:
            raise self._unknown_error(f"{where}, {key}")
        return found

    def _unknown_error(self, where: str) -> DefinitionError:
        return DefinitionError(
            f"{self._address}: {where} is missing, or known only after the plan is applied"
        )

    def _text(
        self, members: Mapping[str, object], unknown: Mapping[str, object], where: str, name: str
    ) -> str:
        if unknown.get("string_value") is not True:
            return _optional(members, "string_value") or ""
        parameter_id = self._free_name(name)
        description = f"known to Terraform only after the plan is applied: {where}"
        self._made.append(
            ParameterObject(
                parameter_id,
                (
                    ParameterAttribute("type", "String"),
                    ParameterAttribute("description", description),
                ),
            )
        )
        return f"#{{{parameter_id}}}"

    def _free_name(self, words: str) -> str:
        readable = "_".join("".join(c if c.isalnum() else " " for c in words).split())
        wanted = name = f"my_{readable}"
        number = 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return f"*{name}" if "*" in words else name
