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
from penstock.language.secrecy import (
    MASK,
    SHORTEST_STRUCK_OUT,
    masked_parameter,
    secret_texts,
    spellings,
    strike_out,
)
from penstock.model.definition import Definition, Field, ParameterValue, PipelineObject

_WORD = re.compile(r"\w+")


class Masker(Struct, frozen=True):
    """`values` are the secrets in all their spellings, longer ones first.

    `names` is what they are called, without the `*`.
    """

    values: tuple[str, ...]
    names: frozenset[str]

    def text(self, text: str) -> str:
        """A text with every secret value struck out."""
        return strike_out(text, self.values)

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
    """The masker for what a compiled definition version runs.

    A secret that cannot be struck out of another text, being short or evaluated itself, makes what
    names it as secret as it is.
    """
    fields = [
        (key, field.string_value or "")
        for item in resolved.objects.values()
        for key, fields in item.fields.items()
        for field in fields
    ]
    given = [(key, value) for key, values in resolved.parameters.items() for value in values]
    secrets = [(key, text) for key, text in (*fields, *given) if key.startswith("*")]
    names = frozenset(key.removeprefix("*") for key, _ in secrets)
    unstruck = {
        key.removeprefix("*")
        for key, text in secrets
        if len(text) < SHORTEST_STRUCK_OUT or has_expression(text)
    }
    return Masker(
        spellings(text for _, text in secrets), names | _telling(unstruck, [*fields, *given])
    )


def _telling(names: set[str], texts: Iterable[tuple[str, str]]) -> set[str]:
    """Names of what names any of `names`, directly or by way of others."""
    if not names:
        return set()
    named = [
        (key.removeprefix("*"), set(_WORD.findall(text)))
        for key, text in texts
        if has_expression(text)
    ]
    found: set[str] = set()
    grown = True
    while grown:
        more = {key for key, words in named if words & (names | found)} - found
        found |= more
        grown = bool(more)
    return found


def mask_definition(definition: Definition) -> Definition:
    """A definition fit to be shown."""
    secrets = list(_named(definition))
    masker = Masker(
        spellings(secret_texts(definition)), frozenset(key.removeprefix("*") for key in secrets)
    )
    return Definition(
        tuple(
            PipelineObject(item.id, item.name, tuple(masker.fields(item.fields, None)))
            for item in definition.pipeline_objects
        ),
        tuple(masked_parameter(item, masker.values) for item in definition.parameter_objects),
        tuple(
            ParameterValue(v.id, MASK if v.id.startswith("*") else masker.text(v.string_value))
            for v in definition.parameter_values
        ),
    )


def _named(definition: Definition) -> Iterable[str]:
    """What is called secret, by the `*`."""
    keys = [field.key for item in definition.pipeline_objects for field in item.fields]
    keys += [parameter.id for parameter in definition.parameter_objects]
    keys += [value.id for value in definition.parameter_values]
    return (key for key in keys if key.startswith("*"))
