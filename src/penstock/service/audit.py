"""Who gave which command: lines in the history of what it was about."""

from penstock.model.caller import Caller
from penstock.model.runtime import HistoryEvent
from penstock.model.times import Instant
from penstock.service.unit import Unit

CREATE = "CREATE"
PUT = "PUT_DEFINITION"
ACTIVATE = "ACTIVATE"
DEACTIVATE = "DEACTIVATE"
SET_STATUS = "SET_STATUS"
ADD_TAGS = "ADD_TAGS"
REMOVE_TAGS = "REMOVE_TAGS"
DELETE = "DELETE"
"""The one line that outlives its pipeline: see `purge_events`."""


def note(
    unit: Unit,
    caller: Caller,
    pipeline: int,
    what: str,
    detail: str = "",
    component: str = "",
    start: Instant | None = None,
) -> None:
    """Write down a command, before what follows from it; without a component, the pipeline's."""
    unit.store.record(
        HistoryEvent(pipeline, component, start, None, unit.now, what, detail, caller.user_name)
    )
