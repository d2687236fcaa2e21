"""`filterSql` of HiveCopyActivity: the predicates of HiveQL that need no Hive.

Source: developer guide, "HiveCopyActivity" and "DynamoDBExportDataFormat"; the rules are Hive's:
three-valued logic, names without regard to case, a text compared with a number taken as one.
Understood are comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, RLIKE, IS NULL, arithmetic, CAST and
the functions in `FUNCTIONS`. All else is refused by name, never guessed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import Any

from msgspec import Struct

from penstock.runner.records.dynamodb_export import Item, Value

Evaluate = Callable[[Item], Any]
"""An expression's value for an item: None (NULL), bool, Decimal, str, bytes, or a typed value."""


class UnsupportedFilter(ValueError):
    """A filter that cannot be evaluated here; the text says which part, and where it begins."""


class _Token(Struct, frozen=True):
    kind: str
    text: str
    place: int


_TOKENS = re.compile(
    r"""(?P<blank>\s+|--[^\n]*)
    |(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?[LSYD]?|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<quoted>`[^`]+`)
    |(?P<word>[A-Za-z_][A-Za-z_0-9]*)
    |(?P<symbol><=>|<>|!=|<=|>=|==|\|\||&&|[=<>()+\-*/%,!.])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "%": "\\%", "_": "\\_"}
_KEYWORDS = frozenset(
    "and or not in between like rlike regexp is null true false cast as case exists select".split()
)
_DEEPEST = 100


def compile_filter(text: str, columns: Mapping[str, str]) -> Callable[[Item], bool]:
    """A test of items; `columns` are the declared names and their Hive types.

    A name that is not declared is the attribute as DynamoDB has it. Raises `UnsupportedFilter`.
    """
    parser = _Parser(text, {name.lower(): (name, kind) for name, kind in columns.items()})
    evaluate = parser.whole()
    return lambda item: _truth(evaluate(item)) is True


class _Parser:
    """Precedence climbing over the tokens; each rule answers a closure."""

    def __init__(self, text: str, columns: Mapping[str, tuple[str, str]]) -> None:
        self._columns = columns
        self._tokens = list(_scan(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Evaluate:
        found = self._either()
        if self._peek().kind != "end":
            raise self._unexpected()
        return found

    def _either(self) -> Evaluate:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnsupportedFilter("it is nested too deeply")
        parts = [self._both()]
        while self._take("or", "||"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else _any_of(parts)

    def _both(self) -> Evaluate:
        parts = [self._negation()]
        while self._take("and", "&&"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else _all_of(parts)

    def _negation(self) -> Evaluate:
        negated = False
        while self._take("not", "!"):
            negated = not negated
        found = self._predicate()
        return _not(found) if negated else found

    def _predicate(self) -> Evaluate:
        left = self._sum()
        while True:
            token = self._peek()
            if token.text in _COMPARISONS and token.kind == "symbol":
                self._at += 1
                left = _compare(token.text, left, self._sum())
            elif self._take("is"):
                negated = self._take("not")
                self._expect("null")
                left = _is_null(left, negated)
            elif token.kind == "word" and token.text in _TESTS | {"not"}:
                left = self._test(left, bool(self._take("not")))
            else:
                return left

    def _test(self, left: Evaluate, negated: bool) -> Evaluate:
        if self._take("in"):
            found = _in(left, self._arguments())
        elif self._take("between"):
            low = self._sum()
            self._expect("and")
            found = _all_of([_compare(">=", left, low), _compare("<=", left, self._sum())])
        elif self._take("like"):
            found = _matches(left, self._sum(), _like)
        elif self._take("rlike", "regexp"):
            found = _matches(left, self._sum(), re.compile)
        else:
            raise self._unexpected()
        return _not(found) if negated else found

    def _sum(self) -> Evaluate:
        left = self._product()
        while token := self._take("+", "-"):
            left = _arithmetic(token, left, self._product())
        return left

    def _product(self) -> Evaluate:
        left = self._unary()
        while token := self._take("*", "/", "%"):
            left = _arithmetic(token, left, self._unary())
        return left

    def _unary(self) -> Evaluate:
        negative = False
        while sign := self._take("-", "+"):
            negative ^= sign == "-"
        found = self._primary()
        return _arithmetic("-", _constant(Decimal(0)), found) if negative else found

    def _primary(self) -> Evaluate:
        token = self._peek()
        if self._take("("):
            found = self._either()
            self._expect(")")
            return found
        self._at += 1
        if token.kind == "number":
            return _constant(Decimal(token.text.rstrip("LSYD")))
        if token.kind == "text":
            return _constant(token.text)
        if token.kind == "quoted":
            return self._column(token.text)
        if token.kind == "word":
            return self._word(token)
        self._at -= 1
        raise self._unexpected()

    def _word(self, token: _Token) -> Evaluate:
        name = token.text.lower()
        if name in ("true", "false", "null"):
            return _constant({"true": True, "false": False}.get(name))
        if name == "cast":
            return self._cast()
        if name in _KEYWORDS:
            self._at -= 1
            raise self._unexpected()
        if self._peek().text == "(" and self._peek().kind == "symbol":
            return self._call(name, token.place)
        return self._column(token.text)

    def _column(self, text: str) -> Evaluate:
        # `table.column`: there is one table only, so its name says nothing.
        while self._take("."):
            token = self._peek()
            if token.kind not in ("word", "quoted"):
                raise self._unexpected()
            text = token.text
            self._at += 1
        return _attribute(*self._columns.get(text.lower(), (text, "")))

    def _cast(self) -> Evaluate:
        self._expect("(")
        inner = self._either()
        self._expect("as")
        kind = self._peek().text
        if kind.lower() not in _CASTS:
            raise self._unexpected()
        self._at += 1
        self._expect(")")
        convert = _CASTS[kind.lower()]
        return lambda item: _null_or(convert, inner(item))

    def _call(self, name: str, place: int) -> Evaluate:
        function = FUNCTIONS.get(name)
        if function is None:
            raise UnsupportedFilter(f"the function {name} at character {place + 1} is unknown here")
        arguments = self._arguments()
        least, most, apply = function
        if not least <= len(arguments) <= most:
            raise UnsupportedFilter(f"{name} at character {place + 1} has the wrong arguments")
        return lambda item: apply(*[argument(item) for argument in arguments])

    def _arguments(self) -> list[Evaluate]:
        self._expect("(")
        found = [] if self._peek().text == ")" else [self._either()]
        while self._take(","):
            found.append(self._either())
        self._expect(")")
        return found

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> str:
        """The next token if it is one of these; words count without regard to case."""
        token = self._peek()
        text = token.text.lower() if token.kind == "word" else token.text
        if token.kind in ("word", "symbol") and text in texts:
            self._at += 1
            return text
        return ""

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected(f"; {text.upper()} is missing")

    def _unexpected(self, more: str = "") -> UnsupportedFilter:
        token = self._peek()
        what = (
            "its end" if token.kind == "end" else f"{token.text!r} at character {token.place + 1}"
        )
        return UnsupportedFilter(f"{what} is not understood{more}")


def _scan(text: str) -> list[_Token]:
    found = []
    place = 0
    while place < len(text):
        match = _TOKENS.match(text, place)
        if match is None:
            raise UnsupportedFilter(f"{text[place]!r} at character {place + 1} is not understood")
        kind, part = match.lastgroup or "", match[0]
        if kind == "text":
            part = _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), part[1:-1])
        elif kind == "quoted":
            part = part[1:-1]
        elif kind == "word" and part.lower() in _KEYWORDS:
            part = part.lower()
        if kind != "blank":
            found.append(_Token(kind, part, place))
        place = match.end()
    return [*found, _Token("end", "", len(text))]


def _constant(value: Any) -> Evaluate:
    return lambda _item: value


def _attribute(name: str, kind: str) -> Evaluate:
    """A column: the attribute of that name, exactly or else without regard to case."""
    folded = name.lower()

    def evaluate(item: Item) -> Any:
        value = item.get(name)
        if value is None:
            value = next((each for key, each in item.items() if key.lower() == folded), None)
        return _plain(value, kind) if value is not None else None

    return evaluate


def _plain(value: Value, kind: str) -> Any:
    """A typed value as a Hive column of that type has it; what does not fit is NULL."""
    ((found, content),) = value.items()
    declared = kind.partition("(")[0].strip().lower()
    if found == "N":
        number = Decimal(content)
        if declared == "string":
            return content
        return number != 0 if declared == "boolean" else number
    if found == "NULL" or (found in ("S", "B") and declared in _NUMBERS):
        return None
    return content if found in ("S", "B", "BOOL") else value


_NUMBERS = frozenset("bigint double int tinyint smallint float decimal".split())
_TESTS = frozenset({"in", "between", "like", "rlike", "regexp"})
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "<=>": operator.eq,
}


def _compare(symbol: str, left: Evaluate, right: Evaluate) -> Evaluate:
    compare = _COMPARISONS[symbol]

    def evaluate(item: Item) -> bool | None:
        a, b = _alike(left(item), right(item))
        if a is None or b is None:
            return (a is None and b is None) if symbol == "<=>" else None
        try:
            return compare(a, b)
        except TypeError:
            return None

    return evaluate


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    if isinstance(a, Decimal) and isinstance(b, str):
        return a, _number(b)
    if isinstance(a, str) and isinstance(b, Decimal):
        return _number(a), b
    if isinstance(a, bool) != isinstance(b, bool) and isinstance(a, Decimal | bool):
        return (_number(a), _number(b)) if isinstance(b, Decimal | bool) else (a, b)
    return a, b


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _all_of(parts: list[Evaluate]) -> Evaluate:
    def evaluate(item: Item) -> bool | None:
        found: bool | None = True
        for part in parts:
            value = _truth(part(item))
            if value is False:
                return False
            found = None if value is None else found
        return found

    return evaluate


def _any_of(parts: list[Evaluate]) -> Evaluate:
    return _not(_all_of([_not(part) for part in parts]))


def _not(part: Evaluate) -> Evaluate:
    def evaluate(item: Item) -> bool | None:
        value = _truth(part(item))
        return None if value is None else not value

    return evaluate


def _is_null(part: Evaluate, negated: str) -> Evaluate:
    return lambda item: (part(item) is None) != bool(negated)


def _in(left: Evaluate, candidates: list[Evaluate]) -> Evaluate:
    return _any_of([_compare("=", left, one) for one in candidates])


def _matches(left: Evaluate, right: Evaluate, make: Callable[[str], re.Pattern[str]]) -> Evaluate:
    made: dict[str, re.Pattern[str]] = {}

    def evaluate(item: Item) -> bool | None:
        text, pattern = left(item), right(item)
        if text is None or not isinstance(pattern, str):
            return None
        if pattern not in made:
            made[pattern] = make(pattern)
        return made[pattern].search(_text(text)) is not None

    return evaluate


def _like(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    body = "".join(wild.get(part) or re.escape(part[-1:]) for part in parts)
    return re.compile(rf"\A{body}\Z", re.DOTALL)


def _arithmetic(symbol: str, left: Evaluate, right: Evaluate) -> Evaluate:
    apply: Callable[[Any, Any], Any] = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "%": operator.mod,
    }[symbol]

    def evaluate(item: Item) -> Decimal | None:
        a, b = _number(left(item)), _number(right(item))
        try:
            return None if a is None or b is None else apply(a, b)
        except (DivisionByZero, InvalidOperation):
            return None

    return evaluate


def _number(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool):
        return Decimal(int(value))
    try:
        return Decimal(value.strip()) if isinstance(value, str) else None
    except InvalidOperation:
        return None


def _whole(value: Any) -> Decimal | None:
    number = _number(value)
    return None if number is None or not number.is_finite() else Decimal(int(number))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        return value != ""
    number = _number(value)
    return None if number is None else number != 0


def _null_or(apply: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else apply(value)


_CASTS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("bigint", "int", "smallint", "tinyint"), _whole),
    **dict.fromkeys(("double", "float", "decimal"), _number),
    "string": _text,
    "boolean": _boolean,
}

_PATTERN = re.compile(r"'([^']*)'|(yyyy|SSS|MM|dd|HH|mm|ss|Z|z|X)|([A-Za-z]+)|([^A-Za-z']+)")
_DIRECTIVES = {
    "yyyy": "%Y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
    "SSS": "%f",
    "Z": "%z",
    "X": "%z",
    "z": "%Z",
}


def _unix_timestamp(text: Any, pattern: Any = "yyyy-MM-dd HH:mm:ss") -> Decimal | None:
    """Seconds since the epoch of a text in UTC; NULL if it does not fit the pattern."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return None
    directives = []
    for match in _PATTERN.finditer(pattern):
        quoted, letters, unknown, rest = match.groups()
        if unknown:
            raise UnsupportedFilter(f"the letters {unknown!r} of a time pattern are unknown here")
        plain = ("'" if quoted == "" else quoted or "") + (rest or "")
        directives.append(_DIRECTIVES[letters] if letters else plain.replace("%", "%%"))
    try:
        found = datetime.strptime(text, "".join(directives))
    except ValueError:
        return None
    return Decimal(int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()))


def _substring(text: Any, start: Any, length: Any = None) -> str | None:
    begin, count = _number(start), _number(length) if length is not None else Decimal(1 << 30)
    if text is None or begin is None or count is None:
        return None
    whole = _text(text)
    first = int(begin) - 1 if begin > 0 else max(0, len(whole) + int(begin)) if begin else 0
    return whole[first : first + max(0, int(count))]


def _concat(*parts: Any) -> str | None:
    return None if any(part is None for part in parts) else "".join(map(_text, parts))


def _of_text(apply: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else apply(_text(value))


def _first_present(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


_MANY = 1_000

FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "unix_timestamp": (1, 2, _unix_timestamp),
    "lower": (1, 1, _of_text(str.lower)),
    "lcase": (1, 1, _of_text(str.lower)),
    "upper": (1, 1, _of_text(str.upper)),
    "ucase": (1, 1, _of_text(str.upper)),
    "trim": (1, 1, _of_text(lambda text: text.strip(" "))),
    "ltrim": (1, 1, _of_text(lambda text: text.lstrip(" "))),
    "rtrim": (1, 1, _of_text(lambda text: text.rstrip(" "))),
    "length": (1, 1, _of_text(lambda text: Decimal(len(text)))),
    "substr": (2, 3, _substring),
    "substring": (2, 3, _substring),
    "concat": (1, _MANY, _concat),
    "coalesce": (1, _MANY, _first_present),
    "nvl": (2, 2, _first_present),
    "abs": (1, 1, lambda value: _null_or(abs, _number(value))),
    "isnull": (1, 1, lambda value: value is None),
    "isnotnull": (1, 1, lambda value: value is not None),
}
"""Hive's functions that are known here: least and most arguments, and what they do."""
