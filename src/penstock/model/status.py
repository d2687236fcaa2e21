"""The states of pipelines, components, instances and attempts, and what may follow what.

Plain strings, as clients and database rows spell them; `Literal` types keep them honest.
"""

from typing import Final, Literal

Status = Literal[
    "WAITING_ON_DEPENDENCIES",
    "WAITING_FOR_RUNNER",
    "RUNNING",
    "FINISHED",
    "FAILED",
    "CANCELED",
    "CASCADE_FAILED",
    "TIMEDOUT",
    "PAUSED",
    "SKIPPED",
]
"""The state of an instance or an attempt."""

PipelineState = Literal[
    "PENDING", "SCHEDULED", "DEACTIVATING", "INACTIVE", "FINISHED", "DELETING", "DELETED"
]
"""The state of a pipeline; DELETED is the tombstone, never shown."""

WAITING_ON_DEPENDENCIES: Final = "WAITING_ON_DEPENDENCIES"
WAITING_FOR_RUNNER: Final = "WAITING_FOR_RUNNER"
RUNNING: Final = "RUNNING"
FINISHED: Final = "FINISHED"
FAILED: Final = "FAILED"
CANCELED: Final = "CANCELED"
CASCADE_FAILED: Final = "CASCADE_FAILED"
TIMEDOUT: Final = "TIMEDOUT"
PAUSED: Final = "PAUSED"
SKIPPED: Final = "SKIPPED"

SATISFIED: Final = frozenset({FINISHED, SKIPPED})
"""Ended states that let dependents go on."""

FAILURES: Final = frozenset({FAILED, CANCELED, CASCADE_FAILED, TIMEDOUT})
"""Ended states that hold dependents back, or cascade to them."""

ENDED: Final = SATISFIED | FAILURES
"""States that only a command (RERUN, MARK_FINISHED) leaves."""

_WAITING: Final[frozenset[Status]] = frozenset(
    {WAITING_ON_DEPENDENCIES, WAITING_FOR_RUNNER, PAUSED}
)
_RESTART: Final[frozenset[Status]] = _WAITING | {FINISHED, CASCADE_FAILED}

TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    WAITING_ON_DEPENDENCIES: frozenset(
        {WAITING_FOR_RUNNER, PAUSED, FINISHED, FAILED, CANCELED, CASCADE_FAILED, SKIPPED}
    ),
    WAITING_FOR_RUNNER: frozenset(
        {RUNNING, PAUSED, FINISHED, FAILED, CANCELED, SKIPPED, WAITING_ON_DEPENDENCIES}
    ),
    RUNNING: frozenset(
        {FINISHED, FAILED, CANCELED, TIMEDOUT, WAITING_FOR_RUNNER, WAITING_ON_DEPENDENCIES, PAUSED}
    ),
    PAUSED: frozenset(
        {
            WAITING_ON_DEPENDENCIES,
            WAITING_FOR_RUNNER,
            FINISHED,
            FAILED,
            CANCELED,
            CASCADE_FAILED,
            SKIPPED,
        }
    ),
    FINISHED: _WAITING,
    FAILED: _RESTART,
    CANCELED: _RESTART,
    CASCADE_FAILED: _RESTART,
    TIMEDOUT: _RESTART,
    SKIPPED: _RESTART,
}
"""The legal transitions of an instance; all others are refused.

Ended states are left by RERUN, back to waiting (or to CASCADE_FAILED, where a dependency is still
failed), and by MARK_FINISHED.
"""
