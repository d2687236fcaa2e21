"""YAML text: what CloudFormation takes as YAML, read safely.

Built from the parser's events and not by a loader, so that scalars keep their text (`1.10`,
`0123`, `2010-09-09`), every part its place, and a hostile text neither runs code nor unfolds
without a bound. As in CloudFormation, plain `yes`, `no`, `on` and `off` are booleans (YAML 1.1),
and there are no merge keys.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from penstock.language.forms.intrinsics import long_form
from penstock.language.forms.placed import Place, Placed
from penstock.model.errors import DefinitionError

if TYPE_CHECKING:
    import yaml

DEEPEST = 100
"""Levels of nesting; a definition has less than twenty."""

MOST_UNFOLDED = 100_000
"""Parts that aliases may add to what is written."""

_STANDARD = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_STANDARD + name for name in "str int float bool null map seq".split())
_TRUE = frozenset("yes Yes YES on On ON true True TRUE".split())
_FALSE = frozenset("no No NO off Off OFF false False FALSE".split())
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


def place_yaml(text: str) -> Placed:
    """The document with the place of each part. Raises DefinitionError with line and column."""
    # Only who has YAML pays for the import.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Composer().compose(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        raise DefinitionError(_problem(error, text)) from error
    except yaml.reader.ReaderError as error:
        raise DefinitionError(
            f"the text is neither JSON nor YAML: {error.reason} (character {error.position})"
        ) from error


def _problem(error: "yaml.MarkedYAMLError", text: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = "".join(text.split("\n")[mark.line : mark.line + 1]) if mark else ""
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = error.problem or error.context or "it cannot be read"
    if mark and line[mark.column : mark.column + 1] == "\t":
        problem = "YAML is indented with spaces, not with tabs"
    elif "mapping values are not allowed" in problem:
        problem = "a colon is not expected here; a text with ': ' in it needs quotes"
    return f"the text is neither JSON nor YAML: {where}{problem}"


class _Composer:
    """The state of one reading: the parts still open, and what anchors name."""

    def __init__(self) -> None:
        self._root: Placed | None = None
        self._open: list[Placed] = []
        self._keys: list[tuple[str, Place] | None] = []
        self._anchors: dict[str, Placed] = {}

    def compose(self, events: "Iterator[yaml.Event]") -> Placed:
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and self._root is not None:
                raise _fault(event, "a second document begins here; give each a file of its own")
            if kind in ("MappingEndEvent", "SequenceEndEvent"):
                self._open.pop()
                self._keys.pop()
            elif kind == "AliasEvent":
                self._put(event, self._aliased(event))
            elif kind in ("ScalarEvent", "MappingStartEvent", "SequenceStartEvent"):
                self._begin(event, kind)
        return self._root if self._root is not None else Placed((1, 1))

    def _begin(self, event: Any, kind: str) -> None:
        if kind == "ScalarEvent" and self._wants_key():
            self._take_key(event)
            return
        tag = _tag(event)
        part = Placed(_place(event), _content(event, kind, tag), "" if tag in _PLAIN_TAGS else tag)
        if event.anchor:
            self._anchors[event.anchor] = part
        self._put(event, part)
        if kind != "ScalarEvent":
            self._open.append(part)
            self._keys.append(None)
            if len(self._open) > DEEPEST:
                raise _fault(event, f"the YAML is nested more than {DEEPEST} levels deep")

    def _wants_key(self) -> bool:
        return (
            bool(self._open) and isinstance(self._open[-1].content, dict) and self._keys[-1] is None
        )

    def _take_key(self, event: Any) -> None:
        key, place = str(event.value), _place(event)
        members = self._open[-1].content
        assert isinstance(members, dict)
        if key == "<<" and event.implicit[0]:
            raise _fault(event, "merge keys ('<<') are not read; write the members out")
        if key in members:
            raise _fault(
                event,
                f"the key {key!r} stands twice in one mapping, first in line {members[key][0][0]};"
                " keep one",
            )
        self._keys[-1] = (key, place)

    def _aliased(self, event: Any) -> Placed:
        part = self._anchors.get(event.anchor)
        if part is None:
            raise _fault(event, f"the alias '*{event.anchor}' has no anchor before it")
        if any(part is each for each in self._open):
            raise _fault(event, f"the alias '*{event.anchor}' stands within its own anchor")
        return part

    def _put(self, event: Any, part: Placed) -> None:
        if not self._open:
            self._root = part
            return
        inside = self._open[-1].content
        if isinstance(inside, list):
            inside.append(part)
        elif isinstance(inside, dict):
            key = self._keys[-1]
            if key is None:
                raise _fault(event, "a key must be a plain text")
            inside[key[0]] = (key[1], part)
            self._keys[-1] = None


def _tag(event: Any) -> str:
    tag = event.tag
    return "" if tag is None else _STANDARD + "str" if tag == "!" else str(tag)


def _content(event: Any, kind: str, tag: str) -> Any:
    if tag.startswith(_STANDARD) and tag not in _PLAIN_TAGS:
        raise _fault(event, f"the tag '!!{tag.removeprefix(_STANDARD)}' is not read")
    if kind != "ScalarEvent":
        return {} if kind == "MappingStartEvent" else []
    text = str(event.value)
    plain = tag == "" and event.implicit[0]
    if plain and text in _NULL:
        return None
    if plain and text in _TRUE | _FALSE:
        return text in _TRUE
    return text


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _fault(event: Any, problem: str) -> DefinitionError:
    line, column = _place(event)
    return DefinitionError(f"line {line}, column {column}: {problem}")


def read_yaml(text: str) -> object:
    """The decoded document: tags such as `!Sub` in their long form, scalars as their text.

    Raises DefinitionError with line, column, and what is wrong there.
    """
    return _Unfolding().plain(place_yaml(text))


class _Unfolding:
    """Turns a tree into plain data, and bounds what aliases multiply."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._again = 0

    def plain(self, part: Placed) -> object:
        self._count(part)
        content: object = part.content
        if isinstance(part.content, dict):
            content = {key: self.plain(each) for key, (_, each) in part.content.items()}
        elif isinstance(part.content, list):
            content = [self.plain(each) for each in part.content]
        if not part.tag:
            return content
        if not part.tag.startswith("!"):
            raise DefinitionError(
                f"line {part.at[0]}, column {part.at[1]}: the tag {part.tag!r} is not read"
            )
        try:
            return long_form(part.tag, content)
        except DefinitionError as error:
            line, column = part.at
            raise DefinitionError(f"line {line}, column {column}: {error}") from error

    def _count(self, part: Placed) -> None:
        if id(part) in self._seen:
            self._again += 1
            if self._again > MOST_UNFOLDED:
                raise DefinitionError("the YAML's aliases unfold to too much")
        self._seen.add(id(part))
