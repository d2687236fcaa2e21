"""From a field's text to a `Template`: recursive descent with bounded depth.

Ranks from loose to tight: `+ -`, `* /`, unary `-`, `^` (to the right), method calls and paths.
Written by hand: the grammar is small, the errors must mark their place, and the cost must stay
within the length of a hostile text, which a general library does not promise.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from penstock.language.catalogue import nearest
from penstock.language.expressions.errors import ExpressionError, Fault
from penstock.language.expressions.functions import FUNCTIONS
from penstock.language.expressions.lexer import Token, read_tokens, unquote
from penstock.language.expressions.tree import (
    Call,
    Chain,
    Constant,
    Name,
    Negation,
    Node,
    Step,
    Template,
)
from penstock.language.periods import UNITS
from penstock.language.wording import did_you_mean

OPENING = "#{"
DEEPEST = 50
LARGEST_INTEGER = 2**63 - 1

_LONGEST_CACHED = 8_192
_PERIOD_WORDS = frozenset({*UNITS, *(f"{unit}s" for unit in UNITS)})


def parse(text: str) -> Template:
    """The parts of a field's text. Raises ExpressionError with the place."""
    # Long texts are rare and would let a few callers fill the memory through the cache.
    return _parse_cached(text) if len(text) <= _LONGEST_CACHED else _parse(text)


def _parse(text: str) -> Template:
    parts: list[str | Node] = []
    at = 0
    while (opening := text.find(OPENING, at)) >= 0:
        if opening > at:
            parts.append(text[at:opening])
        try:
            tokens = read_tokens(text, opening + len(OPENING))
            parts.append(_Parser(tokens).whole())
        except Fault as fault:
            raise ExpressionError(text, fault.at, fault.problem) from None
        at = tokens[-1].at + 1
    if at < len(text) or not parts:
        parts.append(text[at:])
    return Template(text, tuple(parts))


_parse_cached = lru_cache(maxsize=4096)(_parse)


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        match current:
            case Call():
                waiting.extend(current.arguments)
            case Negation():
                waiting.append(current.operand)
            case Chain():
                waiting.append(current.first)
                waiting.extend(step.operand for step in current.steps)
            case _:
                pass


class _Parser:
    """The state of one descent: the tokens, where it stands, how deep it is."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
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

    def _expect(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise self._unexpected(f"{mark!r}")

    def _unexpected(self, wanted: str) -> Fault:
        token = self._peek()
        found = "the end of the expression" if token.kind == "}" else f"{token.text!r}"
        return Fault(token.at, f"{wanted} is expected here, not {found}")

    def _nested(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Fault(
                self._peek().at, f"the expression is nested more than {DEEPEST} levels deep"
            )
        node = read()
        self._depth -= 1
        return node

    def _sum(self) -> Node:
        return self._chain("+-", self._product)

    def _product(self) -> Node:
        return self._chain("*/", self._negation)

    def _chain(self, operators: str, operand: Callable[[], Node]) -> Node:
        first = operand()
        steps: list[Step] = []
        while self._peek().kind in operators:
            operator = self._take()
            steps.append(Step(operator.kind, operand(), operator.at))
        return Chain(first, tuple(steps)) if steps else first

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
                self._expect(")")
                return node
            case "name" | "*":
                name = self._name("a name")
                if self._take_mark("("):
                    return self._call(name, token.at, ())
                return Name((name,), token.at)
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
            self._expect(")")
        function = FUNCTIONS.get(name)
        if function is None:
            guess = did_you_mean(nearest(name, FUNCTIONS))
            raise Fault(at, f"there is no function {name!r}.{guess}")
        if len(arguments) != len(function.parameters):
            wanted = ", ".join(function.parameters)
            raise Fault(at, f"{name!r} takes ({wanted}); {len(arguments)} arguments were given")
        return Call(name, tuple(arguments), at)


def _decimal(token: Token) -> float:
    number = float(token.text)
    if number == float("inf"):
        raise Fault(token.at, "the number is too great")
    return number
