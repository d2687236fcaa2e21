"""Which words of a definition are secret, and how they are struck out of what people see.

Secret are the texts of fields and parameters whose names begin with `*`, in whatever spelling they
turn up: as they are, and as JSON within another text (a template's words, a program's output).
"""

import json
from collections.abc import Iterable, Iterator

from penstock.language.expressions import has_expression
from penstock.language.expressions.parser import parse
from penstock.language.expressions.tree import Name
from penstock.model.definition import Definition, ParameterAttribute, ParameterObject
from penstock.model.errors import DefinitionError

MASK = "********"
"""What stands for a secret."""

SHORTEST_STRUCK_OUT = 4
"""Shorter secrets would strike out parts of words; they are masked where they stand alone."""

_TEMPLATE_WORDS = "cloudFormation"
_NO_ECHO = "NoEcho"
_VALUES = ("default", "allowedValues")


def strike_out(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, which `spellings` has put into order."""
    for secret in secrets:
        if secret == text:
            return MASK
        if len(secret) >= SHORTEST_STRUCK_OUT:
            text = text.replace(secret, MASK)
    return text


def spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Secrets as they are and as they stand in JSON; longer ones first, so none is struck in part.

    A text that only names others (`#{*myPassword}`) tells nothing, and is left.
    """
    found: set[str] = set()
    for secret in secrets:
        if secret and not _only_names(secret):
            found.update((secret, _inner(secret, ascii_only=True), _inner(secret)))
    return tuple(sorted(found, key=lambda each: (-len(each), each)))


def _inner(text: str, ascii_only: bool = False) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _only_names(text: str) -> bool:
    if not has_expression(text):
        return False
    try:
        parts = parse(text).parts
    except DefinitionError:
        return False
    return all(isinstance(part, Name) for part in parts)


def is_hidden(parameter_id: str, key: str, text: str) -> bool:
    """Whether a parameter's attribute is shown to nobody.

    Of a secret parameter that is its default, and what it keeps of a template; of others, what of
    a template has to do with secrets, such as a condition that compares one.
    """
    if parameter_id.startswith("*"):
        return key in _VALUES or key.startswith(_TEMPLATE_WORDS)
    return key.startswith(_TEMPLATE_WORDS) and _NO_ECHO in text


def secret_texts(definition: Definition) -> Iterator[str]:
    """The texts of all fields and parameters whose names begin with `*`; also several times."""
    for item in definition.pipeline_objects:
        yield from (f.string_value or "" for f in item.fields if f.key.startswith("*"))
    yield from (v.string_value for v in definition.parameter_values if v.id.startswith("*"))
    for parameter in definition.parameter_objects:
        if parameter.id.startswith("*"):
            yield from (a.string_value for a in parameter.attributes if a.key in _VALUES)


def masked_parameter(parameter: ParameterObject, secrets: Iterable[str]) -> ParameterObject:
    """A declaration fit to be shown."""
    ordered = tuple(secrets)
    return ParameterObject(
        parameter.id,
        tuple(
            ParameterAttribute(
                each.key,
                MASK
                if is_hidden(parameter.id, each.key, each.string_value)
                else strike_out(each.string_value, ordered),
            )
            for each in parameter.attributes
        ),
    )
