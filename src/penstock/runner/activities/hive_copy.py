"""HiveCopyActivity without Hive: DynamoDB to S3, S3 to DynamoDB, DynamoDB to DynamoDB.

Source: developer guide, "HiveCopyActivity", "DynamoDBExportDataFormat", "DynamoDBDataFormat".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import msgspec

from penstock.clock import system_clock
from penstock.model.definition import PipelineObject
from penstock.runner.activities.commands import run_config
from penstock.runner.activities.context import Context
from penstock.runner.activities.dynamodb_export import Keep, export_node
from penstock.runner.activities.dynamodb_import import import_node, put_all
from penstock.runner.activities.dynamodb_work import (
    Crew,
    Memory,
    beside_logs,
    open_table,
    percent_of,
)
from penstock.runner.activities.hive_filter import UnsupportedFilter, compile_filter
from penstock.runner.connectors.dynamodb import WORKERS, DynamoTable, Throughput
from penstock.runner.errors import TaskFailed
from penstock.runner.records.dynamodb_export import Item, read_item, write_item

UNSUPPORTED_FILTER = "UnsupportedFilter"
"""errorId of a `filterSql` that only Hive could evaluate."""

_INVALID = "InvalidActivity"
_FORMATS = ("DynamoDBExportDataFormat", "DynamoDBDataFormat")


def run_hive_copy(context: Context) -> None:
    """Copy what the filter lets pass, between the scripts that the activity names before and after.

    Raises `TaskFailed` or `Stopped`.
    """
    run_config(context, "preActivityTaskConfig")
    _copy(context)
    run_config(context, "postActivityTaskConfig")


def _copy(context: Context) -> None:
    source, target = _only(context, "input"), _only(context, "output")
    kinds = (source.string("type"), target.string("type"))
    for node in (source, target):
        _check_format(context, node)
    keep = _keep(context, source)
    if kinds == ("DynamoDBDataNode", "S3DataNode"):
        export_node(context, source, target, keep)
    elif kinds == ("S3DataNode", "DynamoDBDataNode"):
        import_node(context, source, target, keep)
    elif kinds == ("DynamoDBDataNode", "DynamoDBDataNode"):
        _copy_table(context, source, target, keep)
    else:
        message = (
            f"HiveCopyActivity copies between DynamoDBDataNode and S3DataNode, one of them a"
            f" DynamoDBDataNode; here input is {kinds[0]} and output {kinds[1]}."
        )
        raise TaskFailed(_INVALID, message)


def _only(context: Context, key: str) -> PipelineObject:
    nodes = context.task.referenced(key)
    if len(nodes) != 1:
        raise TaskFailed(_INVALID, f"HiveCopyActivity needs one {key}; it has {len(nodes)}.")
    return nodes[0]


def _format_of(context: Context, node: PipelineObject) -> PipelineObject | None:
    reference = node.ref("dataFormat")
    return context.task.objects.get(reference) if reference else None


def _check_format(context: Context, node: PipelineObject) -> None:
    format_node = _format_of(context, node)
    kind = format_node.string("type") if format_node else _FORMATS[0]
    if kind not in _FORMATS:
        message = (
            f"{node.name!r} has the format {kind}; HiveCopyActivity copies items in the export"
            " format of DynamoDB. For other formats use HiveActivity, which runs on Spark."
        )
        raise TaskFailed(_INVALID, message)


def _keep(context: Context, source: PipelineObject) -> Keep | None:
    """What `filterSql` and the input's format leave of an item.

    DynamoDBDataFormat has only the columns that it names; DynamoDBExportDataFormat has all
    attributes, and its columns are there for the filter.
    """
    format_node = _format_of(context, source)
    columns = dict(
        _column(part)
        for text in (format_node.strings("column") if format_node else ())
        for part in re.split(r",(?![^(<]*[)>])", text)
        if part.strip()
    )
    test = _filter(context.task.attempt.string("filterSql"), columns)
    narrow = format_node is not None and format_node.string("type") == _FORMATS[1] and columns
    if not narrow:
        return None if test is None else lambda item: item if test(item) else None
    wanted = {name.lower() for name in columns}

    def keep(item: Item) -> Item | None:
        if test is not None and not test(item):
            return None
        return {name: value for name, value in item.items() if name.lower() in wanted} or None

    return keep


def _column(text: str) -> tuple[str, str]:
    name, _, kind = text.strip().partition(" ")
    return name.strip("`"), kind.strip()


def _filter(text: str | None, columns: dict[str, str]) -> Callable[[Item], bool] | None:
    if not text or not text.strip():
        return None
    try:
        test = compile_filter(text, columns)
        # Some things come to light only with values, a time pattern for one.
        test({})
    except (UnsupportedFilter, re.error) as error:
        message = (
            f"filterSql cannot be evaluated without Hive: {error}. Write it with comparisons,"
            " AND, OR, NOT, IN, BETWEEN, LIKE, RLIKE and IS NULL, or use HiveActivity, which"
            " runs on Spark."
        )
        raise TaskFailed(UNSUPPORTED_FILTER, message) from error

    def guarded(item: Item) -> bool:
        try:
            return test(item)
        except (UnsupportedFilter, re.error) as error:
            message = f"filterSql cannot be evaluated without Hive: {error}."
            raise TaskFailed(UNSUPPORTED_FILTER, message) from error

    return guarded


def _copy_table(
    context: Context, source: PipelineObject, target: PipelineObject, keep: Keep | None
) -> None:
    """Table to table, page by page; the key of the last page put is remembered by segment."""
    crew = Crew(context.stop)
    origin, destination = open_table(context, source, crew), open_table(context, target, crew)
    if origin.facts.identity == destination.facts.identity:
        raise TaskFailed(_INVALID, "Input and output of HiveCopyActivity are the same table.")
    copier = _TableCopy(context, crew, origin, destination, keep)
    copier.copy(
        percent_of(source, "readThroughputPercent"), percent_of(target, "writeThroughputPercent")
    )


class _TableCopy:
    """A copy from one table to another. Putting twice changes nothing, so a retry is right."""

    def __init__(
        self,
        context: Context,
        crew: Crew,
        origin: DynamoTable,
        destination: DynamoTable,
        keep: Keep | None,
    ) -> None:
        self._context = context
        self._crew = crew
        self._origin = origin
        self._destination = destination
        self._keep = keep
        identity = f"{origin.facts.identity} {destination.facts.identity}"
        self._memory: Memory = beside_logs(context, identity)

    def copy(self, read_percent: float, write_percent: float) -> None:
        now = system_clock()
        parts, found = self._memory.recall(now) or (0, {})
        if not parts:
            parts = self._origin.facts.segments
            self._memory.begin(parts, now)
        reading = self._origin.throughput("read", read_percent)
        writing = self._destination.throughput("write", write_percent)
        self._crew.run(
            partial(self._copy_segment, number, parts, found, reading, writing)
            for number in range(parts)
        )
        self._memory.clear()

    def _copy_segment(
        self,
        number: int,
        parts: int,
        found: dict[str, bytes],
        reading: Throughput,
        writing: Throughput,
    ) -> None:
        name = f"segment-{number:06}.json"
        remembered = _decode(found.get(name))
        if remembered == "":
            return
        after = read_item(remembered.encode()) if remembered else None
        for page in self._origin.scan(number, parts, after, reading, min(parts, WORKERS)):
            kept = page.items
            if self._keep is not None:
                kept = [one for item in kept if (one := self._keep(item)) is not None]
            self._context.progress.add("itemsRead", len(page.items))
            self._context.progress.add("itemsWritten", put_all(self._destination, kept, writing))
            key = write_item(page.after).decode() if page.after else ""
            self._memory.save(name, msgspec.json.encode(key))


def _decode(content: bytes | None) -> str | None:
    """The key that a segment goes on after, as a line; `""` if it is done, None at its start."""
    try:
        return msgspec.json.decode(content, type=str) if content else None
    except msgspec.DecodeError:
        return None
