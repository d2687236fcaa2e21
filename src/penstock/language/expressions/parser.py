"""From a field's text to a `Template`: recursive descent with bounded depth.

Ranks from loose to tight: `+ -`, `* /`, unary `-`, `^` (to the right), method calls and paths.
Written by hand: the grammar is small, the errors must mark their place, and the cost must stay
within the length of a hostile text, which a general library does not promise.
"""

from collections.abc import Callable, Sequence

from penstock.language.expressions.errors import ExpressionError, Fault
from penstock.language.expressions.functions import call_fault
from penstock.language.expressions.lexer import Token, read_tokens, unquote
from penstock.language.expressions.tree import (
    Call,
    Chain,
    Constant,
    Name,
    Negation,
    Node,
    Problem,
    Step,
    Template,
    height,
    walk,
)
from penstock.language.periods import UNITS

__all__ = ["OPENING", "parse", "walk"]

OPENING = "#{"
DEEPEST = 30
"""Levels of parentheses, and of the tree; each takes some of the interpreter's own stack."""

MOST_PROBLEMS = 10
"""Of one text; who mends them will look again."""

LONGEST_TEXT = 1024 * 1024
LARGEST_INTEGER = 2**63 - 1

_LOOSEST = 1
_RANKS = {"+": 1, "-": 1, "*": 2, "/": 2}

_LONGEST_CACHED = 8_192
_MOST_NODES_CACHED = 256
_ROOM = 200_000
"""Nodes of all remembered texts together, some 100 bytes each: the texts of 20,000 objects."""

_PERIOD_WORDS = frozenset({*UNITS, *(f"{unit}s" for unit in UNITS)})


def parse(text: str) -> Template:
    """The parts of a field's text. Raises ExpressionError with the place, the first of several.

    What was parsed is remembered, since every instance evaluates the same texts.
    """
    template = _remembered.get(text)
    if template is None:
        template = _parse(text)
        if template.problems:
            at, problem = template.problems[0]
            raise ExpressionError(text, at, problem, readable=template)
        _remember(template)
    return template


_remembered: dict[str, Template] = {}
_held = 0


def _remember(template: Template) -> None:
    global _held
    # Long texts are rare, and their trees would let a few callers fill the memory.
    trees = [part for part in template.parts if not isinstance(part, str)]
    if len(template.text) > _LONGEST_CACHED or len(trees) > _MOST_NODES_CACHED:
        return
    nodes = 1 + sum(1 for tree in trees for _ in walk(tree))
    if nodes > _MOST_NODES_CACHED:
        return
    if _held + nodes > _ROOM:
        _remembered.clear()  # what is still used comes back with its next evaluation
        _held = 0
    _held += nodes
    _remembered[template.text] = template


def _parse(text: str) -> Template:
    if len(text) > LONGEST_TEXT:
        problem = Problem(0, f"the text is longer than {LONGEST_TEXT} characters")
        return Template(text, (), problems=(problem,))
    parts: list[str | Node] = []
    problems: list[Problem] = []
    at = depth = 0
    while (opening := text.find(OPENING, at)) >= 0 and len(problems) < MOST_PROBLEMS:
        if opening > at:
            parts.append(text[at:opening])
        at = opening + len(OPENING)
        try:
            tokens = read_tokens(text, at)
            at = tokens[-1].at + 1
            tree = _Parser(tokens, problems).whole()
            depth = max(depth, _height(tree, opening))
            parts.append(tree)
        except Fault as fault:
            problems.append(Problem(fault.at, fault.problem))
            if text[fault.at : fault.at + 1] in ("'", '"'):
                break  # what follows may be meant as a text's
            at = max(at, fault.at)
    if at < len(text) or not parts:
        parts.append(text[at:])
    return Template(text, tuple(parts), depth, tuple(problems))


def _height(tree: Node, at: int) -> int:
    levels = height(tree)
    if levels > DEEPEST:
        raise Fault(at, _TOO_DEEP)
    return levels


_TOO_DEEP = f"the expression is nested more than {DEEPEST} levels deep"


class _Parser:
    """The state of one descent: the tokens, where it stands, how deep it is.

    Calls that cannot work are added to `problems`, as they do not keep the rest from being read.
    """

    def __init__(self, tokens: Sequence[Token], problems: list[Problem]) -> None:
        self._tokens = tokens
        self._problems = problems
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        if len(self._tokens) == 1:
            raise Fault(self._peek().at, "the expression is empty: a name or a value is missing")
        node = self._sum()
        if self._peek().kind != "}":
            raise self._unexpected("an operator or '}'")
        return node

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _take_mark(self, mark: str) -> bool:
        # The closing brace is never taken, so there always is a token to look at.
        if self._peek().kind != mark:
            return False
        self._next += 1
        return True

    def _unexpected(self, wanted: str) -> Fault:
        token = self._peek()
        found = "the end of the expression" if token.kind == "}" else f"{token.text!r}"
        return Fault(token.at, f"{wanted} is expected here, not {found}")

    def _nested(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Fault(self._peek().at, _TOO_DEEP)
        node = read()
        self._depth -= 1
        return node

    def _sum(self) -> Node:
        return self._chain(_LOOSEST)

    def _chain(self, loosest: int) -> Node:
        """Operators of that rank and tighter ones, each rank's from left to right."""
        node = self._negation()
        while (rank := _RANKS.get(self._peek().kind, 0)) >= loosest:
            steps: list[Step] = []
            while _RANKS.get(self._peek().kind) == rank:
                operator = self._take()
                steps.append(Step(operator.kind, self._chain(rank + 1), operator.at))
            node = Chain(node, tuple(steps))
        return node

    def _negation(self) -> Node:
        if self._peek().kind != "-":
            return self._power()
        minus = self._take()
        return Negation(self._nested(self._negation), minus.at)

    def _power(self) -> Node:
        base = self._postfix()
        if self._peek().kind != "^":
            return base
        operator = self._take()
        # To the right, and a minus may stand before the exponent: 2 ^ -1.
        return Chain(base, (Step("^", self._nested(self._negation), operator.at),))

    def _postfix(self) -> Node:
        node = self._primary()
        length = 0
        while self._take_mark("."):
            length += 1
            if length > DEEPEST:
                raise Fault(self._peek().at, f"more than {DEEPEST} steps follow one another")
            node = self._member(node)
        return node

    def _member(self, owner: Node) -> Node:
        at = self._peek().at
        name = self._name("a field or function name")
        if self._take_mark("("):
            return self._call(name, at, (owner,))
        if not isinstance(owner, Name):
            raise Fault(at, f"only a name has fields; {name!r} would have to be a function's call")
        return Name((*owner.path, name), owner.at)

    def _name(self, wanted: str) -> str:
        secret = self._take_mark("*")
        if self._peek().kind != "name":
            raise self._unexpected(wanted)
        return ("*" if secret else "") + self._take().text

    def _primary(self) -> Node:
        token = self._peek()
        match token.kind:
            case "string":
                return Constant((unquote(self._take().text),))
            case "decimal":
                return Constant((_decimal(self._take()),))
            case "integer":
                return self._integer_or_period()
            case "(":
                self._take()
                node = self._nested(self._sum)
                if not self._take_mark(")"):
                    raise self._unexpected("an operator or ')'")
                return node
            case "name" | "*":
                name = self._name("a name")
                if self._take_mark("("):
                    return self._call(name, token.at, ())
                return Name((name,), token.at)
        if token.kind == ".":
            raise Fault(token.at, "a decimal begins with a digit: 0.5 and not .5")
        raise self._unexpected("a value")

    def _integer_or_period(self) -> Node:
        token = self._take()
        unit = self._peek()
        if unit.kind == "name" and unit.text.lower() in _PERIOD_WORDS:
            # plusPeriod(@scheduledStartTime, 1 day): a period written without quotes.
            self._take()
            return Constant((f"{token.text} {unit.text}",))
        if len(token.text) > 19 or int(token.text) > LARGEST_INTEGER:
            raise Fault(token.at, f"the number is greater than {LARGEST_INTEGER}")
        return Constant((int(token.text),))

    def _call(self, name: str, at: int, first: tuple[Node, ...]) -> Node:
        arguments = [*first]
        if not self._take_mark(")"):
            arguments.append(self._nested(self._sum))
            while self._take_mark(","):
                arguments.append(self._nested(self._sum))
            if not self._take_mark(")"):
                raise self._unexpected("an operator, ',' or ')'")
        fault = call_fault(name, len(arguments))
        if fault is not None and len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(at, fault))
        return Call(name, tuple(arguments), at)


def _decimal(token: Token) -> float:
    number = float(token.text)
    if number == float("inf"):
        raise Fault(token.at, "the number is too great")
    return number
