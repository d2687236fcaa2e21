"""ReportTaskLogs and GetLogs, operations of ours: what tasks write, while they run and afterwards.

Pieces come from the owner of a task, or from whom it last belonged to before it ended. Secrets of
the definition are struck out before anything is stored. Of each stream the end is kept.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import get_args

from msgspec import Struct

from penstock.engine.ownership import is_owner
from penstock.model.api import (
    GetLogsAnswer,
    GetLogsRequest,
    LogItem,
    LogStream,
    ReportTaskLogsAnswer,
    ReportTaskLogsRequest,
    TaskLog,
)
from penstock.model.caller import Caller
from penstock.model.errors import InvalidRequest, TaskNotFound, UnknownOperation
from penstock.model.ids import attempt_id, instance_id, parse_object_id
from penstock.model.runtime import Instance, LogPiece, Pipeline, TaskKey
from penstock.model.status import ENDED
from penstock.model.times import MINUTE_MS, SECOND_MS, format_instant
from penstock.service.context import Context, find_pipeline
from penstock.service.masking import Masker, masker_of
from penstock.service.unit import Unit
from penstock.store.protocol import Reader

DEFAULT_LIMIT = 100
MOST = 1_000
PAGE_CHARACTERS = 1_000_000
"""About how much text a page may have."""

FOLLOWED_MS = 15 * SECOND_MS
"""How long a follower counts as one after it has asked."""

GRACE_MS = 10 * SECOND_MS
"""How long after the end the rest is waited for; a runner of another make sends nothing."""

ROW_BYTES = 128
"""What a piece takes in the store beside its content."""

LATE_MS = 15 * MINUTE_MS
"""How long after the end of its task a runner may deliver what could not be delivered before."""

LAST_PIECES = 60
END_CHARACTERS = 6_000
"""How much of a stream's end is shown at a glance."""

_LATEST_LOOKED_AT = 20


class _Piece(Struct, frozen=True):
    """A piece ready to be stored, but for the time."""

    task: TaskKey
    said: TaskLog
    content: bytes


async def report_task_logs(
    context: Context, caller: Caller, request: ReportTaskLogsRequest
) -> ReportTaskLogsAnswer:
    """Keep pieces of tasks' logs; learn which of the tasks somebody follows.

    A task that is not the caller's costs the others nothing. Saying the same again is no fault.
    """
    if not context.settings.log_bytes:
        raise UnknownOperation("this server keeps no logs (its setting log_bytes is 0)")
    keys: dict[str, TaskKey] = {}
    for task_id in {each.task_id for each in request.logs}:
        try:
            keys[task_id] = context.task_ids.decode(task_id, caller.account_id)
        except TaskNotFound:
            continue
    pieces = await context.read(lambda store: _prepare(context, store, request.logs, keys))
    tasks = tuple(dict.fromkeys(piece.task for piece in pieces))
    kept_bytes = context.settings.log_bytes_per_stream

    def append(unit: Unit) -> tuple[set[TaskKey], set[int]]:
        owned = {task for task in tasks if _may_append(unit, task)}
        for piece in pieces:
            if piece.task in owned:
                _append(unit, piece, kept_bytes)
        instances = [task.instance for task in owned]
        return owned, unit.store.followed_logs(instances, unit.now) if instances else set()

    owned, followed = await context.writer.submit(append, *tasks)
    return ReportTaskLogsAnswer(
        [name for name, task in keys.items() if task in owned and task.instance in followed],
        sorted({each.task_id for each in request.logs if keys.get(each.task_id) not in owned}),
    )


def _prepare(
    context: Context, store: Reader, logs: Iterable[TaskLog], keys: dict[str, TaskKey]
) -> list[_Piece]:
    """Strike out secrets and compress, which needs no transaction; unknown tasks are left out."""
    maskers: dict[TaskKey, Masker | None] = {}
    found: list[_Piece] = []
    for each in logs:
        task = keys.get(each.task_id)
        if task is None or not (each.size or each.final):
            continue
        if task not in maskers:
            maskers[task] = _masker(context, store, task)
        masker = maskers[task]
        if masker is not None:
            text = masker.text(each.text)
            found.append(_Piece(task, each, zlib.compress(text.encode("utf-8", "replace"), 1)))
    return found


def _masker(context: Context, store: Reader, task: TaskKey) -> Masker | None:
    pipeline, found = store.pipeline(task.pipeline), store.task(task.instance)
    if pipeline is None or pipeline.deleted_at is not None or found is None:
        return None
    return masker_of(context.definitions.plan(store, pipeline, found.instance.version).resolved)


def _may_append(unit: Unit, key: TaskKey) -> bool:
    task = unit.store.task(key.instance, key.attempt)
    if task is None or task.attempt is None or not is_owner(task.attempt, key):
        return False
    ended = task.attempt.ended_at
    return ended is None or unit.now <= ended + LATE_MS


def _append(unit: Unit, piece: _Piece, kept_bytes: int) -> None:
    said, task = piece.said, piece.task
    row = LogPiece(
        0,
        task.instance,
        task.attempt,
        said.stream,
        said.position,
        said.size,
        said.final,
        unit.now,
        len(piece.content) + ROW_BYTES,
        piece.content,
    )
    unit.store.append_log(task.pipeline, row)
    before = said.position + said.size - kept_bytes
    if before > 0:
        unit.store.trim_log(task.pipeline, task.instance, task.attempt, said.stream, before)


async def get_logs(context: Context, caller: Caller, request: GetLogsRequest) -> GetLogsAnswer:
    """A page of what an instance, or one attempt of it, has written, in the order it came in."""
    limit = DEFAULT_LIMIT if request.limit is None else request.limit
    if not 1 <= limit <= MOST:
        raise InvalidRequest(f"limit is {limit}; it must be from 1 to {MOST}")
    after = _after(request.marker)

    def ask(store: Reader) -> tuple[GetLogsAnswer, Instance, int | None]:
        pipeline = find_pipeline(store, caller, request.pipeline_id)
        instance, number = _find(store, pipeline, request.object_id)
        # A first page of an instance begins with its latest attempt; what follows is later anyhow.
        shown = number or (instance.attempts if after is None else None)
        found = store.logs_after(instance.key, shown, request.stream, after or 0, limit + 1)
        page = _page(found[:limit])
        more = len(page) < len(found)
        complete = not more and _is_complete(store, instance, number, context.clock())
        items = [_item(piece) for piece in page]
        marker = page[-1].key if page else after or 0
        named = _named(instance, number)
        answer = GetLogsAnswer(
            named, instance.status, instance.attempts, items, complete, more, str(marker)
        )
        return answer, instance, store.log_followed_until(instance.key)

    answer, instance, until = await context.read(ask)
    now = context.clock()
    if request.follow and not answer.complete and (until or 0) < now + FOLLOWED_MS // 2:

        def follow(unit: Unit) -> None:
            unit.store.follow_log(instance.key, unit.now + FOLLOWED_MS)

        await context.writer.submit(follow, instance.pipeline)
    return answer


def _after(marker: str | None) -> int | None:
    if not marker:
        return None
    if not (marker.isascii() and marker.isdigit() and len(marker) < 19):
        raise InvalidRequest(f"marker {marker!r} is not one that GetLogs gave")
    return int(marker)


def _find(store: Reader, pipeline: Pipeline, object_id: str) -> tuple[Instance, int | None]:
    """The instance that is meant, and the attempt if the id names one.

    Of a component the latest instance that has been tried, or the latest if none has.
    """
    name = parse_object_id(object_id)
    if name is not None and name.start is not None:
        task = store.task_by_name(pipeline.key, name.component, name.start)
        if task is not None and (name.attempt or 0) <= task.instance.attempts:
            return task.instance, name.attempt
    elif name is not None:
        latest = store.latest_of_component(pipeline.key, name.component, _LATEST_LOOKED_AT)
        if latest:
            return next((each for each in latest if each.attempts), latest[0]), None
        raise InvalidRequest(
            f"objectId {object_id!r}: the pipeline has no instance of a component with this id"
        )
    raise InvalidRequest(
        f"objectId {object_id!r} names no component, instance or attempt of the pipeline"
    )


def _named(instance: Instance, number: int | None) -> str:
    if number is None:
        return instance_id(instance.component, instance.start)
    return attempt_id(instance.component, instance.start, number)


def _page(pieces: Sequence[LogPiece]) -> list[LogPiece]:
    """As many as a page may hold, at least one."""
    size = 0
    page: list[LogPiece] = []
    for piece in pieces:
        size += piece.size
        if page and size > PAGE_CHARACTERS:
            break
        page.append(piece)
    return page


def _is_complete(store: Reader, instance: Instance, number: int | None, now: int) -> bool:
    """Whether nothing will be added: it has ended, and its runner has sent all that it will."""
    shown = number or instance.attempts
    ended = instance.ended_at
    if number is not None:
        task = store.task(instance.key, number)
        attempt = task.attempt if task is not None else None
        ended = attempt.ended_at if attempt is not None and attempt.status in ENDED else None
    if ended is None:
        return False
    return not shown or now > ended + GRACE_MS or store.is_log_complete(instance.key, shown)


def text_of(piece: LogPiece) -> str:
    """What a piece says."""
    return zlib.decompress(piece.content).decode()


def log_ends(store: Reader, instance: int, attempt: int) -> list[tuple[LogStream, str]]:
    """The last lines of each stream of an attempt, as far as there are any."""
    ends: dict[LogStream, str] = {}
    for piece in store.last_logs(instance, attempt, LAST_PIECES):
        found = ends.get(piece.stream, "")
        if len(found) < END_CHARACTERS:
            ends[piece.stream] = text_of(piece) + found
    return [(name, _end(ends[name])) for name in get_args(LogStream) if ends.get(name)]


def _end(text: str) -> str:
    """The last whole lines, as many as `END_CHARACTERS` hold."""
    if len(text) <= END_CHARACTERS:
        return text
    return text[-END_CHARACTERS:].partition("\n")[2] or text[-END_CHARACTERS:]


def _item(piece: LogPiece) -> LogItem:
    time = f"{format_instant(piece.at)}.{piece.at % 1000:03d}"
    return LogItem(time, piece.attempt, piece.stream, text_of(piece), piece.position, piece.size)
