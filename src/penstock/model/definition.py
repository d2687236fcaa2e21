"""Pipeline definitions as the API carries them: objects with fields, parameters, values.

The structs have the wire's member names, so they decode from and encode to the API's JSON as they
are. A repeated field key is a list; fields keep their order.
"""

from typing import Literal

from msgspec import Struct

Severity = Literal["error", "warning"]
"""An error forbids activation; a warning is worth a look."""


class Field(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One value of one key: either `string_value` or `ref_value` (an object's id) is set."""

    key: str
    string_value: str | None = None
    ref_value: str | None = None


class PipelineObject(Struct, frozen=True):
    """A component, instance or attempt: an id, a name, and fields in the order given."""

    id: str
    name: str
    fields: tuple[Field, ...] = ()

    def strings(self, key: str) -> tuple[str, ...]:
        """All string values of a key, in order."""
        return tuple(
            field.string_value
            for field in self.fields
            if field.key == key and field.string_value is not None
        )

    def string(self, key: str) -> str | None:
        """The first string value of a key, or None."""
        return next(iter(self.strings(key)), None)

    def refs(self, key: str) -> tuple[str, ...]:
        """All references of a key, in order."""
        return tuple(
            field.ref_value
            for field in self.fields
            if field.key == key and field.ref_value is not None
        )

    def ref(self, key: str) -> str | None:
        """The first reference of a key, or None."""
        return next(iter(self.refs(key)), None)


class ParameterAttribute(Struct, frozen=True, rename="camel"):
    """One attribute of a parameter: `type`, `default`, `optional`, `allowedValues`, …"""

    key: str
    string_value: str


class ParameterObject(Struct, frozen=True):
    """A declared parameter; a repeated attribute key is a list."""

    id: str
    attributes: tuple[ParameterAttribute, ...] = ()

    def attribute(self, key: str) -> str | None:
        """The first value of an attribute, or None."""
        return next((a.string_value for a in self.attributes if a.key == key), None)


class ParameterValue(Struct, frozen=True, rename="camel"):
    """One value given to a parameter; a repeated id is a list."""

    id: str
    string_value: str


class Definition(Struct, frozen=True, rename="camel"):
    """A whole definition in the API's shape."""

    pipeline_objects: tuple[PipelineObject, ...] = ()
    parameter_objects: tuple[ParameterObject, ...] = ()
    parameter_values: tuple[ParameterValue, ...] = ()


class Finding(Struct, frozen=True, omit_defaults=True):
    """One thing that validation found.

    `object_id` is an object's or parameter's, `""` for the definition as a whole; `field` is the
    key it is about, if it is about one. `rule` names the kind of finding, for machines; `text` is
    for people: field, value, and what to write instead, without the object's id.
    """

    object_id: str
    severity: Severity
    rule: str
    text: str
    field: str | None = None


class Findings(Struct, frozen=True):
    """What validation found, object by object, an object's errors before its warnings."""

    found: tuple[Finding, ...] = ()

    @property
    def errored(self) -> bool:
        """Whether anything forbids activation."""
        return any(finding.severity == "error" for finding in self.found)

    @property
    def errors(self) -> dict[str, list[str]]:
        """The texts of the errors by object id."""
        return self._texts("error")

    @property
    def warnings(self) -> dict[str, list[str]]:
        """The texts of the warnings by object id."""
        return self._texts("warning")

    def _texts(self, severity: Severity) -> dict[str, list[str]]:
        texts: dict[str, list[str]] = {}
        for finding in self.found:
            if finding.severity == severity:
                texts.setdefault(finding.object_id, []).append(finding.text)
        return texts
