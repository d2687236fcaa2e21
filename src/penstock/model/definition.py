"""Pipeline definitions as the API carries them: objects with fields, parameters, values.

The structs have the wire's member names, so they decode from and encode to the API's JSON as they
are. A repeated field key is a list; fields keep their order.
"""

from msgspec import Struct


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


class Findings(Struct, frozen=True):
    """What validation found: texts per object id (`""` for the definition as a whole)."""

    errors: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}

    @property
    def errored(self) -> bool:
        """Whether anything forbids activation."""
        return bool(self.errors)
