"""What an expression is after parsing: small frozen nodes, each with its place in the text."""

from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

Value: TypeAlias = str | int | float | datetime | bool
"""What an expression can yield."""


class Constant(Struct, frozen=True):
    """A literal; `values` has just the one, as every evaluation yields a list."""

    values: tuple[Value, ...]


class Name(Struct, frozen=True):
    """A dotted path: `('input', 'directoryPath')`, `('@scheduledStartTime',)`."""

    path: tuple[str, ...]
    at: int


class Call(Struct, frozen=True):
    """A function with its arguments; a method's object is its first argument."""

    function: str
    arguments: tuple["Node", ...]
    at: int


class Negation(Struct, frozen=True):
    """A minus before its operand."""

    operand: "Node"
    at: int


class Step(Struct, frozen=True):
    """An operator with its right operand."""

    operator: str
    operand: "Node"
    at: int


class Chain(Struct, frozen=True):
    """Operators of one rank, from left to right.

    A flat list and not a nested pair, so that a long sum needs no deep recursion.
    """

    first: "Node"
    steps: tuple[Step, ...]


Node: TypeAlias = Constant | Name | Call | Negation | Chain


class Template(Struct, frozen=True):
    """A field's text: constant parts and expressions in order."""

    text: str
    parts: tuple[str | Node, ...]

    @property
    def lone(self) -> Node | None:
        """The expression, if the text is nothing but one."""
        if len(self.parts) == 1 and not isinstance(self.parts[0], str):
            return self.parts[0]
        return None
