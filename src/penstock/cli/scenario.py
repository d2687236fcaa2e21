"""What `--duration` and `--fail` mean."""

import re
from collections.abc import Collection, Iterable
from datetime import timedelta

import click

from penstock.language.catalogue import nearest
from penstock.language.periods import parse_datetime
from penstock.language.wording import did_you_mean
from penstock.model.errors import DefinitionError
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, from_datetime
from penstock.simulation.whatif import ANY, Failure

_UNITS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)", re.ASCII)
_FAILURE = re.compile(
    r"(?P<name>.+?)"
    r"(?:@(?P<date>\d{4}-\d{2}-\d{2})(?P<time>T\d{2}:\d{2}(?::\d{2})?)?)?"
    r"(?::(?P<attempts>[1-9]\d{0,5}))?",
    re.ASCII | re.DOTALL,
)


def read_durations(texts: Iterable[str], names: Collection[str]) -> dict[str, int]:
    """`activity=5m,other=1h30m,*=30s` as milliseconds by name. Raises UsageError."""
    found: dict[str, int] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, equals, length = part.rpartition("=")
        if not equals:
            raise click.UsageError(f"--duration {part!r}: write NAME=TIME, such as Load=5m")
        _refuse_unknown("--duration", name.strip(), names)
        found[name.strip()] = read_duration(length.strip())
    return found


def read_duration(text: str) -> int:
    """`90s`, `5m`, `1h30m`, `2d` as milliseconds. Raises UsageError."""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise click.UsageError(f"--duration: {text!r} is no time; write 30s, 5m, 1h30m or 2d")
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def read_failures(texts: Iterable[str], names: Collection[str]) -> tuple[Failure, ...]:
    """`activity`, `activity@2026-03-01`, `activity:3`, or both, as failures. Raises UsageError."""
    return tuple(
        _failure(part.strip(), names) for text in texts for part in text.split(",") if part.strip()
    )


def _failure(text: str, names: Collection[str]) -> Failure:
    match = _FAILURE.fullmatch(text)
    assert match is not None, "the name takes whatever the rest leaves"
    name = match["name"]
    _refuse_unknown("--fail", name, names)
    attempts = int(match["attempts"]) if match["attempts"] else None
    if match["date"] is None:
        return Failure(name, attempts=attempts)
    try:
        moment = parse_datetime(match["date"] + (match["time"] or ""))
    except DefinitionError as error:
        raise click.UsageError(f"--fail {text!r}: {error}") from None
    length = timedelta(seconds=1) if match["time"] else timedelta(days=1)
    return Failure(name, from_datetime(moment), from_datetime(moment + length), attempts)


def _refuse_unknown(option: str, name: str, names: Collection[str]) -> None:
    if name == ANY or name in names:
        return
    guess = did_you_mean(nearest(name, names))
    known = guess or f" There are {', '.join(sorted(names)[:20])}, and * for all."
    raise click.UsageError(f"{option}: nothing that runs is called {name!r}.{known}")
