"""A parsed text printed back, in one spelling: how an expression was understood.

Functions stand before their arguments, operators between blanks, texts in single quotes, and
parentheses only where the ranks of the operators need them. What is printed reads back as the same
tree, unless the parentheses make it deeper than may be read.
"""

from decimal import Decimal

from penstock.language.expressions.parser import OPENING
from penstock.language.expressions.tree import (
    Call,
    Chain,
    Constant,
    Name,
    Negation,
    Node,
    Template,
    Value,
)

_SUM, _PRODUCT, _NEGATION, _POWER, _OPERAND = range(5)
_RANKS = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "^": _POWER}


def print_template(template: Template) -> str:
    """A field's text."""
    return "".join(
        part if isinstance(part, str) else f"{OPENING}{print_node(part)}}}"
        for part in template.parts
    )


def print_node(node: Node) -> str:
    """An expression, without its braces."""
    match node:
        case Constant():
            return _literal(node.values[0])
        case Name():
            return ".".join(node.path)
        case Call():
            return f"{node.function}({', '.join(map(print_node, node.arguments))})"
        case Negation():
            return f"-{_operand(node.operand, _NEGATION)}"
        case Chain():
            return _chain(node)


def _chain(chain: Chain) -> str:
    rank = _rank(chain)
    if rank == _POWER:
        # To the right: the base is a plain operand, the exponent may be a power or a minus.
        return f"{_operand(chain.first, _OPERAND)} ^ {_operand(chain.steps[0].operand, _NEGATION)}"
    steps = (f" {step.operator} {_operand(step.operand, rank + 1)}" for step in chain.steps)
    return _operand(chain.first, rank + 1) + "".join(steps)


def _operand(node: Node, least: int) -> str:
    """A node where something of at least that rank may stand without parentheses."""
    printed = print_node(node)
    return printed if _rank(node) >= least else f"({printed})"


def _rank(node: Node) -> int:
    match node:
        case Chain():
            return _RANKS[node.steps[0].operator]
        case Negation():
            return _NEGATION
        case _:
            return _OPERAND


def _literal(value: Value) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if isinstance(value, float):
        # Never with an exponent, which is no literal here.
        digits = format(Decimal(repr(value)), "f")
        return digits if "." in digits else f"{digits}.0"
    return str(value)
