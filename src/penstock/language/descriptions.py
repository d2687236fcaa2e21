"""What types and fields are for, in a sentence each: for the reference pages and for editors.

The texts lie in `descriptions.json`: a field's under its name, or under `Type.field` where one type
means something else by it. Nothing that runs pipelines reads them.
"""

from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Descriptions(Struct, frozen=True):
    """The sentences, with Markdown's back-quotes around what is written literally."""

    types: dict[str, str]
    fields: dict[str, str]


@cache
def descriptions() -> Descriptions:
    """The data file, decoded when first needed."""
    text = files(__package__).joinpath("descriptions.json").read_bytes()
    return msgspec.json.decode(text, type=Descriptions)


def field_sentence(type_name: str, key: str) -> str:
    """What a field of a type is for; a KeyError if nobody wrote it down, which a test prevents."""
    fields = descriptions().fields
    return fields.get(f"{type_name}.{key}") or fields[key]
