"""GetHistory, an operation of ours: what happened, and who gave which command, latest first."""

from penstock.engine.plan import Plan
from penstock.model.api import GetHistoryAnswer, GetHistoryRequest, HistoryItem
from penstock.model.caller import Caller
from penstock.model.errors import InvalidRequest
from penstock.model.ids import ObjectName, attempt_id, instance_id, parse_object_id
from penstock.model.runtime import HistoryEvent, Pipeline
from penstock.model.times import format_instant
from penstock.service.context import Context, find_pipeline
from penstock.service.masking import Masker, masker_of
from penstock.store.protocol import HistoryLine, Reader

DEFAULT_LIMIT = 100
MOST = 1_000
_LAST = 2**62


async def get_history(
    context: Context, caller: Caller, request: GetHistoryRequest
) -> GetHistoryAnswer:
    """A page of a pipeline's history, or of one object's; the marker is the last line's key."""
    limit = DEFAULT_LIMIT if request.limit is None else request.limit
    if not 1 <= limit <= MOST:
        raise InvalidRequest(f"limit is {limit}; it must be from 1 to {MOST}")
    before = _before(request.marker)
    name = _name(request.object_id)

    def ask(store: Reader) -> tuple[list[HistoryItem], int | None]:
        pipeline = _find(store, caller, request.pipeline_id)
        component = name.component if name is not None else None
        start = name.start if name is not None else None
        found = store.lines_before(pipeline.key, component, start, before, limit + 1)
        teller = _Teller(context, store, pipeline)
        items = [teller.item(line) for line in found[:limit]]
        return items, found[limit - 1].key if len(found) > limit else None

    items, last = await context.read(ask)
    return GetHistoryAnswer(items, last is not None, None if last is None else str(last))


def _find(store: Reader, caller: Caller, pipeline_id: str) -> Pipeline:
    """A pipeline, deleted or not: who deleted it is all that is left of its history."""
    found = store.pipeline_by_id(caller.account_id, pipeline_id)
    return found if found is not None else find_pipeline(store, caller, pipeline_id)


def _before(marker: str | None) -> int:
    if not marker:
        return _LAST
    if not (marker.isascii() and marker.isdigit() and len(marker) < len(str(_LAST))):
        raise InvalidRequest(f"marker {marker!r} is not one that GetHistory gave")
    return int(marker)


def _name(object_id: str | None) -> ObjectName | None:
    """The object that is asked for; of an attempt, its instance."""
    if not object_id:
        return None
    name = parse_object_id(object_id)
    if name is None:
        raise InvalidRequest(
            f"objectId {object_id!r} is neither a component's nor an instance's id"
        )
    return name


class _Teller:
    """Makes items of lines, secrets of the versions that they speak of struck out."""

    def __init__(self, context: Context, store: Reader, pipeline: Pipeline) -> None:
        self._context = context
        self._store = store
        self._pipeline = pipeline
        self._maskers: dict[int, Masker] = {}

    def item(self, line: HistoryLine) -> HistoryItem:
        """One line as the API has it."""
        event = line.event
        fraction = event.at % 1000
        return HistoryItem(
            time=f"{format_instant(event.at)}.{fraction:03d}",
            object_id=_object_id(event),
            event=event.what,
            detail=self._masked(event),
            user_name=event.user_name,
        )

    def _masked(self, event: HistoryEvent) -> str:
        if not event.detail or not event.component:
            return event.detail
        version = self._pipeline.version
        if event.start is not None:
            task = self._store.task_by_name(event.pipeline, event.component, event.start)
            version = task.instance.version if task is not None else version
        return self._masker(version).text(event.detail)

    def _masker(self, version: int) -> Masker:
        if version not in self._maskers:
            plan: Plan = self._context.definitions.plan(self._store, self._pipeline, version)
            self._maskers[version] = masker_of(plan.resolved)
        return self._maskers[version]


def _object_id(event: HistoryEvent) -> str:
    """Of an attempt, an instance or a component; empty for the pipeline itself."""
    if event.start is None:
        return event.component
    if event.attempt is None:
        return instance_id(event.component, event.start)
    return attempt_id(event.component, event.start, event.attempt)
