"""What an expression is after parsing: small frozen nodes, each with its place in the text."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple, Self, TypeAlias

from msgspec import Struct

Value: TypeAlias = str | int | float | datetime | bool
"""What an expression can yield."""

ValueKind: TypeAlias = Literal["text", "integer", "decimal", "date", "boolean"]


class Written(float):
    """A decimal that prints as it was written: `1e3`, `0.50`."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> Self:
        """Raises ValueError where the text is no number."""
        made = super().__new__(cls, text)
        made._text = text
        return made

    def __str__(self) -> str:
        return self._text


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


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below one."""
    match node:
        case Call():
            return node.arguments
        case Negation():
            return (node.operand,)
        case Chain():
            return (node.first, *(step.operand for step in node.steps))
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(children(current))


def height(node: Node) -> int:
    """The levels of a tree, 1 for a leaf; found without recursion, as it may be deep."""
    levels, row = 0, [node]
    while row:
        levels += 1
        row = [child for each in row for child in children(each)]
    return levels


class Problem(NamedTuple):
    """Something that cannot work whatever the run brings, and its offset in the field's text."""

    at: int
    problem: str


class Template(Struct, frozen=True):
    """A field's text: constant parts and expressions in order; `depth` is the highest tree's.

    One with `problems` is for looking at only: it has the expressions that could be read.
    """

    text: str
    parts: tuple[str | Node, ...]
    depth: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def lone(self) -> Node | None:
        """The expression, if the text is nothing but one."""
        if len(self.parts) == 1 and not isinstance(self.parts[0], str):
            return self.parts[0]
        return None
