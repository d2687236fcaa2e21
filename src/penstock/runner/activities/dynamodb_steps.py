"""The steps of EmrActivity that export or import a DynamoDB table, as the published templates
have them: `s3://…/emr-ddb-2.1.0.jar,org.apache.hadoop.dynamodb.tools.DynamoDbExport,…`.

Sources: developer guide, "Export DynamoDB Table to S3", "Import DynamoDB Backup Data from S3" and
the examples of EmrCluster; the usage of EMR's DynamoDB connector:
`export <path> <table> [<read ratio>] [<segments>]`, `import <path> <table> [<write ratio>]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from penstock.runner.errors import TaskFailed

INVALID_STEP = "InvalidStep"
"""errorId of a step whose arguments make no sense."""

_CLASS = re.compile(r"(?:[\w$]+\.)*dynamodb\.tools\.DynamoD[bB](Export|Import)")
_REGION = re.compile(r"dynamodb-(?:emr|dpl)-([a-z]{2}(?:-[a-z]+)+-\d)\b")
_MOST_SEGMENTS = 1_000_000


class Export(Struct, frozen=True):
    """Read a table and write its items beneath `directory`."""

    directory: str
    table: str
    percent: float | None = None
    segments: int | None = None
    region: str | None = None


class Import(Struct, frozen=True):
    """Put the items of the files beneath `directory` into a table."""

    directory: str
    table: str
    percent: float | None = None
    region: str | None = None


def recognise(step: str) -> Export | Import | None:
    r"""What an EmrActivity's step asks for, or None if it is another one.

    Arguments stand between commas; `\,` is a comma within one. Raises `TaskFailed` for an export
    or import whose arguments make no sense.
    """
    words = re.split(r"(?<!\\),", step)
    jar, *arguments = [word.replace("\\,", ",").strip() for word in words]
    return recognise_arguments(jar, arguments)


def recognise_arguments(jar: str, arguments: Sequence[str]) -> Export | Import | None:
    """The same for a jar and its arguments, as HadoopActivity has them."""
    if not arguments:
        return None
    named = _CLASS.fullmatch(arguments[0])
    if named is None:
        return None
    found = _positional(arguments[1:])
    what = named[1]
    most = 4 if what == "Export" else 3
    if not 2 <= len(found) <= most:
        usage = "a directory, a table, a ratio" + (" and segments" if what == "Export" else "")
        message = f"A DynamoDB {what.lower()} takes {usage}; the step gives {len(found)}."
        raise TaskFailed(INVALID_STEP, message)
    directory, table = found[:2]
    if not directory or not table:
        raise TaskFailed(INVALID_STEP, f"The DynamoDB {what.lower()} names no directory or table.")
    percent = _ratio(found[2]) if len(found) > 2 else None
    region = _REGION.search(jar)
    place = region[1] if region else None
    if what == "Import":
        return Import(directory, table, percent, place)
    segments = _segments(found[3]) if len(found) > 3 else None
    return Export(directory, table, percent, segments, place)


def _positional(words: Sequence[str]) -> list[str]:
    """The arguments without Hadoop's generic options, `-Dkey=value` or `-D key=value`."""
    found = list(words)
    while found and found[0].startswith("-"):
        del found[: 2 if found[0] in ("-D", "-conf", "-fs", "-jt", "-files", "-libjars") else 1]
    return found


def _ratio(text: str) -> float | None:
    """A share of the throughput; empty where the data node gave none."""
    if not text:
        return None
    try:
        ratio = float(text)
    except ValueError:
        ratio = 0.0
    if not 0 < ratio <= 1.5:
        message = f"The step's throughput ratio is {text!r}; it must lie between 0.1 and 1.0."
        raise TaskFailed(INVALID_STEP, message)
    return ratio


def _segments(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= _MOST_SEGMENTS:
        message = f"The step's number of segments is {text!r}; it must be a number from 1."
        raise TaskFailed(INVALID_STEP, message)
    return int(text)
