"""Dates by Joda-Time patterns, which is what `format` takes.

Own and small because nothing in the field fits: strftime has other letters and depends on the
locale, and the libraries that read such patterns follow CLDR, where `Y` is the week year and `e`,
`x`, `C` mean other things. All letters of Joda's DateTimeFormat are here: G C Y x w e E y D M d a
K h H k m s S z Z, quoted text, and two quotes for one. English texts.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from itertools import groupby

from penstock.model.errors import DefinitionError

LONGEST_PATTERN = 1_000
WIDEST_FIELD = 50
"""Repetitions of one letter; more digits than any date has."""

Piece = Callable[[datetime], str]

_MONTHS = (
    "January February March April May June July August September October November December".split()
)
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_NUMBERS: dict[str, Callable[[datetime], int]] = {
    "C": lambda moment: moment.year // 100,
    "w": lambda moment: moment.isocalendar().week,
    "e": lambda moment: moment.isoweekday(),
    "D": lambda moment: moment.timetuple().tm_yday,
    "K": lambda moment: moment.hour % 12,
    "h": lambda moment: moment.hour % 12 or 12,
    "k": lambda moment: moment.hour or 24,
}
_ATTRIBUTES = {
    "Y": "year",  # of era; the calendar here begins with year 1
    "y": "year",
    "M": "month",
    "d": "day",
    "H": "hour",
    "m": "minute",
    "s": "second",
}
_YEARS: dict[str, Callable[[datetime], int]] = {
    "Y": lambda moment: moment.year,
    "y": lambda moment: moment.year,
    "x": lambda moment: moment.isocalendar().year,
}


def format_joda(moment: datetime, pattern: str) -> str:
    """The moment as the pattern says; a naive one is UTC. DefinitionError for a bad pattern."""
    return "".join([piece(moment) for piece in _pieces(pattern)])


@lru_cache(maxsize=512)
def _pieces(pattern: str) -> tuple[Piece, ...]:
    """The pattern compiled; runs of plain numbers and text are one call of `str.format`."""
    if len(pattern) > LONGEST_PATTERN:
        raise DefinitionError(f"the pattern is longer than {LONGEST_PATTERN} characters")
    if not pattern:
        raise DefinitionError("the pattern is empty; one looks like 'YYYY-MM-dd'")
    pieces: list[Piece] = []
    for is_plain, run in groupby(_fragments(pattern), lambda each: isinstance(each, str)):
        if is_plain:
            pieces.append("".join(str(fragment) for fragment in run).format)
        else:
            pieces.extend(piece for piece in run if not isinstance(piece, str))
    return tuple(pieces)


def _fragments(pattern: str) -> Iterator[str | Piece]:
    """Each part of the pattern: as a format string of the moment, or as a function of it."""
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "'":
            text, at = _quoted(pattern, at)
            yield _escape(text)
        elif character.isascii() and character.isalpha():
            count = _repetitions(pattern, at)
            yield _letter(character, count)
            at += count
        else:
            yield _escape(character)
            at += 1


def _quoted(pattern: str, opening: int) -> tuple[str, int]:
    """The text in quotes and where it ends; an open quote reaches to the end, as Joda has it."""
    if pattern.startswith("''", opening):
        return "'", opening + 2
    text: list[str] = []
    at = opening + 1
    while at < len(pattern):
        if pattern.startswith("''", at):
            text.append("'")
            at += 2
        elif pattern[at] == "'":
            return "".join(text), at + 1
        else:
            text.append(pattern[at])
            at += 1
    return "".join(text), at


def _repetitions(pattern: str, at: int) -> int:
    end = at
    while end < len(pattern) and pattern[end] == pattern[at]:
        end += 1
    return end - at


def _escape(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _letter(letter: str, count: int) -> str | Piece:
    if count > WIDEST_FIELD:
        raise DefinitionError(f"{letter!r} is repeated more than {WIDEST_FIELD} times")
    if letter in _YEARS and (count == 2 or letter == "x"):
        return _year(_YEARS[letter], count)
    if letter == "M" and count >= 3:
        return lambda moment: _name(_MONTHS[moment.month - 1], count)
    if letter in _ATTRIBUTES:
        return f"{{0.{_ATTRIBUTES[letter]}:0{count}d}}"
    if letter == "E":
        return lambda moment: _name(_DAYS[moment.weekday()], count)
    if letter in _NUMBERS:
        number = _NUMBERS[letter]
        return lambda moment: str(number(moment)).zfill(count)
    match letter:
        case "G":
            return "AD"
        case "a":
            return lambda moment: "AM" if moment.hour < 12 else "PM"
        case "S":
            return lambda moment: f"{moment.microsecond:06d}".ljust(count, "0")[:count]
        case "z":
            return lambda moment: _zone_name(moment, count)
        case "Z":
            return lambda moment: _zone_offset(moment, count)
    raise DefinitionError(
        f"{letter!r} is no letter of a date pattern; text in one stands in single quotes, "
        "for example \"YYYY-MM-dd'T'HH:mm\""
    )


def _year(year: Callable[[datetime], int], count: int) -> Piece:
    if count == 2:
        return lambda moment: f"{year(moment) % 100:02d}"
    return lambda moment: str(year(moment)).zfill(count)


def _name(full: str, count: int) -> str:
    return full if count >= 4 else full[:3]


def _zone_name(moment: datetime, count: int) -> str:
    """The zone's short name; the long one only for UTC, as nothing here knows the others'."""
    name = "UTC" if moment.tzinfo is None else moment.tzname() or str(moment.tzinfo)
    return "Coordinated Universal Time" if name == "UTC" and count >= 4 else name


def _zone_offset(moment: datetime, count: int) -> str:
    if count >= 3:
        return "UTC" if moment.tzinfo is None else str(moment.tzinfo)
    offset = moment.utcoffset()
    minutes = 0 if offset is None else round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}{':' if count == 2 else ''}{rest:02d}"
