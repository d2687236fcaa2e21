"""JSON text, read twice over: quickly for its content, and slowly when places are asked for.

Numbers stay the text they are, so that 1.10 or a long id is not rounded on the way. A key that
stands twice in one object is an error: which of the two was meant, nobody can know.
"""

import json
import re
from typing import NoReturn

from penstock.language.forms.placed import Lines, Place, Placed
from penstock.language.wording import shorten
from penstock.model.errors import DefinitionError

_TOKEN = re.compile(
    r"""
      \s*+
      (?: (?P<string> "(?:[^"\\]|\\.)*+" )
        | (?P<mark> [{}\[\]:,] )
        | (?P<bare> [^\s{}\[\]:,"]++ )
      )
    """,
    re.VERBOSE | re.DOTALL,
)

_PROBLEMS = {
    "Expecting value": "a value is missing here",
    "Expecting ',' delimiter": "a comma or a closing bracket is missing before this",
    "Expecting ':' delimiter": "a colon is missing after the key",
    "Expecting property name enclosed in double quotes": "a key in double quotes is expected here",
    "Unterminated string starting at": "the string that begins here is never closed",
    "Invalid control character at": (
        "there is a line break or a tab inside a string; write \\n or \\t in its place"
    ),
    "Invalid \\escape": "the backslash has no meaning here; write two for one",
    "Invalid \\uXXXX escape": "\\u must be followed by four hexadecimal digits",
    "Extra data": "the JSON document has ended before this; what follows is too much",
}


_TYPOGRAPHIC_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u00ab\u00bb\u2033"
"""What word processors make of quotation marks in text that is copied from them."""


class _Repeated(ValueError):
    """A key that stands twice in one object."""


def read_json(text: str) -> object:
    """The decoded document: numbers as their text, booleans and null as they are.

    Raises DefinitionError with line, column, and what is wrong there.
    """
    try:
        document: object = json.loads(
            text,
            parse_int=str,
            parse_float=str,
            parse_constant=str,
            object_pairs_hook=_unrepeated,
        )
        return document
    except json.JSONDecodeError as error:
        _complain(text, error)
    except _Repeated:
        _complain_of_repetition(text)


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Repeated
    return members


def _complain(text: str, error: json.JSONDecodeError) -> NoReturn:
    at, problem = error.pos, _PROBLEMS.get(error.msg.removesuffix(": "), error.msg)
    before = text[:at].rstrip()
    if at >= len(text.rstrip()):
        problem = "the text ends in the middle; a closing bracket is missing"
    elif re.match(r"//|/\*|#", text[at:]):
        problem = "JSON has no comments; remove this one"
    elif text[at] in "}]" and before.endswith(","):
        at, problem = len(before) - 1, f"the comma before the closing {text[at]!r} is one too many"
    elif text[at] == "," and re.match(r",\s*[}\]]", text[at:]):
        problem = "the comma before the closing bracket is one too many"
    elif text[at] == "'":
        problem = "JSON takes double quotes, not single ones"
    elif text[at] in _TYPOGRAPHIC_QUOTES:
        problem = f'{text[at]!r} is no quotation mark of JSON; write "'
    elif text.startswith(("...", "…"), at):
        problem = "'...' stands for something left out; write it, or take the dots out"
    line, column = Lines(text).place(at)
    raise DefinitionError(f"the text is not JSON: line {line}, column {column}: {problem}")


def _complain_of_repetition(text: str) -> NoReturn:
    found: list[tuple[str, Place, Place]] = []
    place_json(text, found)
    for key, (line, column), (first, _) in found:
        raise DefinitionError(
            f"the key {shorten(repr(key))} stands twice in one JSON object, in lines {first} and "
            f"{line} (column {column}); keep one, or make one list of the two values"
            if first != line
            else f"the key {shorten(repr(key))} stands twice in one JSON object in line {line}, "
            f"again at column {column}; keep one, or make one list of the two values"
        )
    raise DefinitionError("a key stands twice in one JSON object; keep one")


def place_json(text: str, repeated: list[tuple[str, Place, Place]] | None = None) -> Placed:
    """The document with the place of each part; of a text that is no JSON, as far as it can be.

    A key that stands twice is put into `repeated`, with its second and first place.
    """
    lines = Lines(text)
    root = Placed((1, 1), [])
    open_parts = [root]
    key: tuple[str, Place] | None = None
    for match in _tokens(text):
        token, offset = match[match.lastgroup or 0], match.start(match.lastgroup or 0)
        if token in ("}", "]"):
            if len(open_parts) == 1:
                break
            open_parts.pop()
            key = None
        elif token not in (":", ","):
            place = lines.place(offset)
            inside = open_parts[-1].content
            if isinstance(inside, dict) and key is None and match.lastgroup == "string":
                key = (_unescaped(token), place)
                if key[0] in inside and repeated is not None:
                    repeated.append((*key, inside[key[0]][0]))
                continue
            part = _part(token, place)
            _put(inside, key, part)
            key = None
            if isinstance(part.content, list | dict):
                open_parts.append(part)
    return root.items()[0] if root.items() else root


def _tokens(text: str) -> "list[re.Match[str]]":
    found = []
    at = 0
    while match := _TOKEN.match(text, at):
        found.append(match)
        at = match.end()
    return found


def _part(written: str, place: Place) -> Placed:
    if written == "{":
        return Placed(place, {})
    if written == "[":
        return Placed(place, [])
    if written.startswith('"'):
        return Placed(place, _unescaped(written))
    return Placed(place, {"true": True, "false": False, "null": None}.get(written, written))


def _put(inside: object, key: tuple[str, Place] | None, part: Placed) -> None:
    if isinstance(inside, list):
        inside.append(part)
    elif isinstance(inside, dict) and key is not None:
        inside[key[0]] = (key[1], part)


def _unescaped(written: str) -> str:
    try:
        return str(json.loads(written))
    except ValueError:
        return written[1:-1]
