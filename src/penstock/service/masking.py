"""Keeps secrets off what people look at: fields and parameters whose names begin with `*`.

Masking such a field is not enough. A secret is there to be used, so it turns up where an expression
put it (`command: "load --password #{*password}"`) and in what a program said of it (an error
message). So a text made by an expression that names a secret is shown as it was written, and the
values themselves are struck out of every other text.
"""

import re
from collections.abc import Iterable

from msgspec import Struct

from penstock.engine.objects import text_field
from penstock.language.expressions import has_expression
from penstock.language.expressions.parser import parse
from penstock.language.expressions.printing import print_template
from penstock.language.expressions.tree import Name, Node, Template, walk
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.model.definition import (
    Definition,
    Field,
    ParameterAttribute,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)

MASK = "********"

_SHORTEST_STRUCK_OUT = 4
"""Shorter values would strike out parts of words; they are masked where they stand alone."""

_WORD = re.compile(r"\w+")


class Masker(Struct, frozen=True):
    """`values` are the secrets themselves, `names` what they are called, without the `*`."""

    values: tuple[str, ...]
    names: frozenset[str]

    def text(self, text: str) -> str:
        """A text with every secret value struck out."""
        for value in self.values:
            if value == text or len(value) >= _SHORTEST_STRUCK_OUT:
                text = text.replace(value, MASK)
        return text

    def optional(self, text: str | None) -> str | None:
        """The same for a text that may be missing."""
        return None if text is None else self.text(text)

    def hidden(self, text: str) -> str:
        """A text fit to be evaluated and shown: expressions that name a secret are masked in it.

        For what is made of a secret need not look like it: half of a number, the year of a date.
        """
        if not has_expression(text):
            return text
        parts = tuple(
            MASK if not isinstance(part, str) and self._names_secret(part) else part
            for part in parse(text).parts
        )
        return print_template(Template(text, parts)) if MASK in parts else text

    def _names_secret(self, expression: Node) -> bool:
        return any(
            isinstance(node, Name) and node.path[-1].removeprefix("*") in self.names
            for node in walk(expression)
        )

    def fields(self, fields: Iterable[Field], written: ResolvedObject | None) -> list[Field]:
        """Evaluated fields fit to be shown; `written` is the component as the definition has it."""
        shown: list[Field] = []
        telling: set[str] = set()
        for field in fields:
            key = field.key
            if field.ref_value is not None:
                shown.append(field)
            elif key.startswith("*"):
                shown.append(text_field(key, MASK))
            elif key not in telling:
                texts = self._telling_texts(key, written)
                telling.update([key] if texts else [])
                texts = texts or (field.string_value or "",)
                shown.extend(text_field(key, self.text(text)) for text in texts)
        return shown

    def _telling_texts(self, key: str, written: ResolvedObject | None) -> tuple[str, ...]:
        """All that the definition says of a field, if it names a secret there; else nothing."""
        texts = written.strings(key) if written is not None else ()
        tells = any(
            has_expression(text) and self.names.intersection(_WORD.findall(text)) for text in texts
        )
        return texts if tells else ()


def masker_of(resolved: Resolved) -> Masker:
    """The masker for what a compiled definition version runs."""
    secrets = [
        (key, field.string_value or "")
        for item in resolved.objects.values()
        for key, fields in item.fields.items()
        for field in fields
    ]
    secrets += [(key, value) for key, values in resolved.parameters.items() for value in values]
    return _masker(secrets)


def mask_definition(definition: Definition) -> Definition:
    """A definition fit to be shown."""
    masker = _masker(_named_texts(definition))
    return Definition(
        tuple(_masked_object(item, masker) for item in definition.pipeline_objects),
        tuple(_masked_parameter(item, masker) for item in definition.parameter_objects),
        tuple(
            ParameterValue(v.id, MASK if v.id.startswith("*") else masker.text(v.string_value))
            for v in definition.parameter_values
        ),
    )


def _masked_object(item: PipelineObject, masker: Masker) -> PipelineObject:
    return PipelineObject(item.id, item.name, tuple(masker.fields(item.fields, None)))


def _masked_parameter(item: ParameterObject, masker: Masker) -> ParameterObject:
    """Of a secret parameter the default is a secret too; what else it says is not."""
    secret = item.id.startswith("*")
    return ParameterObject(
        item.id,
        tuple(
            ParameterAttribute(
                a.key,
                MASK if secret and a.key == "default" else masker.text(a.string_value),
            )
            for a in item.attributes
        ),
    )


def _named_texts(definition: Definition) -> list[tuple[str, str]]:
    texts = [
        (field.key, field.string_value or "")
        for item in definition.pipeline_objects
        for field in item.fields
    ]
    texts += [(v.id, v.string_value) for v in definition.parameter_values]
    texts += [
        (item.id, a.string_value)
        for item in definition.parameter_objects
        for a in item.attributes
        if a.key == "default"
    ]
    return texts


def _masker(named_texts: Iterable[tuple[str, str]]) -> Masker:
    """Longer values go first, so that none is struck out in part only."""
    secrets = [(key, text) for key, text in named_texts if key.startswith("*")]
    values = {text for _, text in secrets if text and not has_expression(text)}
    return Masker(
        tuple(sorted(values, key=lambda value: (-len(value), value))),
        frozenset(key.removeprefix("*") for key, _ in secrets),
    )
