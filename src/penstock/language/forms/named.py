"""A definition with what its file says about the pipeline that it belongs to."""

from typing import Literal

from msgspec import Struct

from penstock.model.api import Tag
from penstock.model.definition import Definition

Form = Literal["cli", "api", "cloudformation", "terraform"]
"""The forms that are read; the first three are written too."""


class NamedDefinition(Struct, frozen=True):
    """One pipeline of a document.

    `label` tells it from others: the logical id of a CloudFormation resource, Terraform's address,
    empty for a form that holds only one. `name`, `description`, `tags` and `activate` are what the
    document says of the pipeline itself, None or empty where it says nothing. `left_out` says, a
    sentence each, what the document has that a definition has no place for.
    """

    definition: Definition
    form: Form
    label: str = ""
    name: str | None = None
    description: str = ""
    tags: tuple[Tag, ...] = ()
    activate: bool | None = None
    left_out: tuple[str, ...] = ()
