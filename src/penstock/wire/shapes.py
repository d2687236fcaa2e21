"""Checks a request's body against its operation's shape, and decodes it.

`shapes.json` holds the facts of the API's published model: members, types, which are required,
lengths, patterns, enumerations. A test compares it with botocore's. `ours.json` adds the operations
that the original did not have. Texts are those of the original
service; every violation is told, not only the first.

The checks are closures made once. Each answers None, or what it found with paths relative to
itself, so that a good request, and nearly all are, builds no path and no text.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from penstock.model.api import ALL_REQUESTS, Request
from penstock.model.errors import SerializationFailed, UnknownOperation, ValidationFailed
from penstock.model.limits import Limits
from penstock.model.times import Instant, from_datetime

_MOST_VIOLATIONS_GATHERED = 100
"""Where a list's check stops: a hostile body could hold millions, and nobody reads more."""
_LONGEST_VALUE_SHOWN = 256
_EARLIEST_SECONDS, _LATEST_SECONDS = -62_135_596_800, 253_402_300_799  # The years 1 to 9999.
_INTEGER_LIMIT = 2**31

_FORBIDDEN = re.compile("[^\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff\r\n\t]")
"""What the model's one pattern excludes; its surrogate pairs mean the characters above U+FFFF."""


class Violation(Struct):
    """One thing wrong; `path` runs from the innermost name outwards while it is gathered."""

    path: list[str]
    value: Any
    constraint: str
    is_type_error: bool = False

    @property
    def place(self) -> str:
        """The path as the service spells it: `pipelineObjects.1.member.name`."""
        return ".".join(reversed(self.path))


Found = list[Violation] | None
Check = Callable[[Any], Found]


class Shapes:
    """The operations' request shapes, with a server's limits where those are wider."""

    def __init__(self, limits: Limits) -> None:
        """The published lengths of field values and tag lists give way to `limits`."""
        facts, ours = _read("shapes.json"), _read("ours.json")
        shapes: dict[str, dict[str, Any]] = facts["shapes"] | ours["shapes"]
        operations: dict[str, str] = facts["operations"] | ours["operations"]
        for name in ("fieldStringValue", "attributeValueString"):
            shapes[name]["max"] = limits.bytes_per_field
        shapes["tagList"]["max"] = limits.tags_per_pipeline
        compiler = _Compiler(shapes)
        self._operations = {
            operation: (compiler.check(shape), _timestamps(shapes, shape), ALL_REQUESTS[operation])
            for operation, shape in operations.items()
        }

    def decode(self, operation: str, body: bytes) -> Request:
        """The request in a body.

        Raises UnknownOperation, SerializationFailed (not JSON, or a wrong JSON type) or
        ValidationFailed (all violations of the shape).
        """
        known = self._operations.get(operation)
        if known is None:
            raise UnknownOperation(f"There is no operation '{operation[:200]}' in this service.")
        check, timestamps, request_type = known
        members = _parse(body)
        found = check(members)
        if found:
            _refuse(found)
        for name in timestamps:
            if name in members:
                members[name] = to_instant(members[name])
        return msgspec.convert(members, request_type)


def _read(file_name: str) -> Any:
    return json.loads(files("penstock.wire").joinpath(file_name).read_text("utf-8"))


def to_instant(value: float | str) -> Instant:
    """A timestamp of the wire: epoch seconds, or an ISO 8601 text (UTC when it names no zone).

    Raises ValueError if it is neither, or outside the years 1 to 9999.
    """
    if isinstance(value, str):
        try:
            return from_datetime(datetime.fromisoformat(value))
        except OverflowError:
            raise ValueError(value) from None
    if not _EARLIEST_SECONDS <= value <= _LATEST_SECONDS:
        raise ValueError(value)
    return round(value * 1000)


def _parse(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise SerializationFailed(f"The body is not valid JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise SerializationFailed(f"The body is not UTF-8: {error.reason}") from None
    except RecursionError:
        raise SerializationFailed("The body is nested too deeply.") from None


def _refuse(found: list[Violation]) -> None:
    """Raise what the violations amount to; a wrong type first: it makes the rest guesswork."""
    for violation in found:
        if violation.is_type_error:
            place = f"Member '{violation.place}'" if violation.path else "The body"
            raise SerializationFailed(
                f"{place} must be {violation.constraint}, not {_kind(violation.value)}."
            )
    told = [
        f"Value {_shown(violation.value)} at '{violation.place}' failed to satisfy constraint: "
        f"{violation.constraint}"
        for violation in found
    ]
    errors = "error" if len(found) == 1 else "errors"
    raise ValidationFailed(f"{len(found)} validation {errors} detected: {'; '.join(told)}")


def _shown(value: Any) -> str:
    """A value as the service shows it: null bare, all else quoted."""
    if value is None:
        return "null"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) > _LONGEST_VALUE_SHOWN:
        text = text[:_LONGEST_VALUE_SHOWN] + "..."
    return f"'{text}'"


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else kinds.get(type(value), "a number")


def _timestamps(shapes: dict[str, dict[str, Any]], name: str) -> tuple[str, ...]:
    """The members of a structure that are timestamps (there are none further down)."""
    members = shapes[name]["members"].items()
    return tuple(member for member, shape in members if shapes[shape]["type"] == "timestamp")


class _Compiler:
    """Makes a check for each shape, once; shapes refer to each other by name."""

    def __init__(self, shapes: dict[str, dict[str, Any]]) -> None:
        self._shapes = shapes
        self._checks: dict[str, Check] = {}

    def check(self, name: str) -> Check:
        """The check of a named shape."""
        if name not in self._checks:
            self._checks[name] = self._make(self._shapes[name])
        return self._checks[name]

    def _make(self, shape: dict[str, Any]) -> Check:
        kind = shape["type"]
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "string":
            return _enumeration(shape["enum"]) if "enum" in shape else _string(shape)
        return {"boolean": _boolean, "integer": _integer, "long": _long, "timestamp": _timestamp}[
            kind
        ]

    def _structure(self, shape: dict[str, Any]) -> Check:
        required = frozenset(shape.get("required", ()))
        members = tuple(
            (name, self.check(member), name in required)
            for name, member in shape["members"].items()
        )

        def structure(value: Any) -> Found:
            if value.__class__ is not dict:
                return [_wrong_type(value, "an object")]
            found: Found = None
            for name, check, is_required in members:
                item = value.get(name)
                if item is None:
                    value.pop(name, None)  # A null member counts as absent, also when decoding.
                    problems = [Violation([], None, _NOT_NULL)] if is_required else None
                else:
                    problems = check(item)
                if problems:
                    found = [*(found or ()), *_beneath(problems, name)]
            return found

        return structure

    def _list(self, shape: dict[str, Any]) -> Check:
        check = self.check(shape["member"])
        check_length = _length_check(shape)

        def sequence(value: Any) -> Found:
            if value.__class__ is not list:
                return [_wrong_type(value, "a list")]
            found = check_length(value)
            for position, item in enumerate(value, start=1):
                problems = [Violation([], None, _NOT_NULL)] if item is None else check(item)
                if problems:
                    found = found if found is not None else []
                    found.extend(_beneath(problems, f"{position}.member"))
                    if len(found) >= _MOST_VIOLATIONS_GATHERED:
                        break
            return found

        return sequence


def _string(shape: dict[str, Any]) -> Check:
    low, high = _bounds(shape)
    pattern = shape.get("pattern")
    check_length = _length_check(shape)

    def string(value: Any) -> Found:
        if value.__class__ is not str:
            return [_wrong_type(value, "a string")]
        # `isprintable` is the quick way to say of most strings that nothing in them is forbidden.
        allowed = pattern is None or value.isprintable() or not _FORBIDDEN.search(value)
        if allowed and low <= len(value) <= high:
            return None
        found = check_length(value) or []
        if not allowed:
            found.append(Violation([], value, f"{_PATTERN}: {pattern}"))
        return found

    return string


def _enumeration(values: list[str]) -> Check:
    constraint = f"Member must satisfy enum value set: [{', '.join(values)}]"

    def enumeration(value: Any) -> Found:
        if value.__class__ is not str:
            return [_wrong_type(value, "a string")]
        return None if value in values else [Violation([], value, constraint)]

    return enumeration


def _boolean(value: Any) -> Found:
    return None if value.__class__ is bool else [_wrong_type(value, "a boolean")]


def _integer(value: Any) -> Found:
    if value.__class__ is int and -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        return None
    return [_wrong_type(value, "an integer of 32 bits")]


def _long(value: Any) -> Found:
    if value.__class__ is int and 0 <= value < 2**62:
        return None
    return [_wrong_type(value, "a whole number, not negative")]


def _timestamp(value: Any) -> Found:
    try:
        if value.__class__ in (int, float, str):
            to_instant(value)
            return None
    except ValueError:
        pass
    return [_wrong_type(value, "a time (epoch seconds, or ISO 8601) of the years 1 to 9999")]


_NOT_NULL = "Member must not be null"
_PATTERN = "Member must satisfy regular expression pattern"


def _wrong_type(value: Any, wanted: str) -> Violation:
    return Violation([], value, wanted, is_type_error=True)


def _beneath(problems: list[Violation], name: str) -> Iterator[Violation]:
    """The same violations, seen from one level further out."""
    for problem in problems:
        problem.path.append(name)
        yield problem


def _bounds(shape: dict[str, Any]) -> tuple[int, float]:
    high = shape.get("max")
    return shape.get("min", 0), float("inf") if high is None else high


def _length_check(shape: dict[str, Any]) -> Check:
    low, high = _bounds(shape)

    def length(value: Any) -> Found:
        if len(value) < low:
            constraint = f"Member must have length greater than or equal to {low}"
        elif len(value) > high:
            constraint = f"Member must have length less than or equal to {high}"
        else:
            return None
        return [Violation([], value, constraint)]

    return length
