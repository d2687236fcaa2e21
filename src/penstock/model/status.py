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
    "VALIDATING",
    "CREATING",
    "ACTIVATING",
    "SHUTTING_DOWN",
]
"""The state of an instance or an attempt; the last four are resources' only."""

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
VALIDATING: Final = "VALIDATING"
CREATING: Final = "CREATING"
ACTIVATING: Final = "ACTIVATING"
SHUTTING_DOWN: Final = "SHUTTING_DOWN"

SATISFIED: Final = frozenset({FINISHED, SKIPPED})
"""Ended states that let dependents go on."""

FAILURES: Final = frozenset({FAILED, CANCELED, CASCADE_FAILED, TIMEDOUT})
"""Ended states that hold dependents back, or cascade to them."""

ENDED: Final = SATISFIED | FAILURES
"""States that only a command (RERUN, MARK_FINISHED) leaves."""

UNDER_WAY: Final = frozenset({RUNNING, VALIDATING, CREATING, ACTIVATING, SHUTTING_DOWN})
"""States in which somebody else is at work: a runner, or, for a resource, its provider."""

_WAITING: Final[frozenset[Status]] = frozenset(
    {WAITING_ON_DEPENDENCIES, WAITING_FOR_RUNNER, PAUSED}
)
_RESTART: Final[frozenset[Status]] = _WAITING | {FINISHED, CASCADE_FAILED}

TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    WAITING_ON_DEPENDENCIES: frozenset(
        {
            WAITING_FOR_RUNNER,
            VALIDATING,
            PAUSED,
            FINISHED,
            FAILED,
            CANCELED,
            CASCADE_FAILED,
            SKIPPED,
        }
    ),
    WAITING_FOR_RUNNER: frozenset(
        {RUNNING, PAUSED, FINISHED, FAILED, CANCELED, SKIPPED, WAITING_ON_DEPENDENCIES}
    ),
    VALIDATING: frozenset({CREATING, FINISHED, FAILED, CANCELED, WAITING_ON_DEPENDENCIES, PAUSED}),
    CREATING: frozenset({ACTIVATING, RUNNING, SHUTTING_DOWN}),
    ACTIVATING: frozenset({RUNNING, SHUTTING_DOWN}),
    RUNNING: frozenset(
        {
            FINISHED,
            FAILED,
            CANCELED,
            WAITING_FOR_RUNNER,
            WAITING_ON_DEPENDENCIES,
            PAUSED,
            SHUTTING_DOWN,
        }
    ),
    SHUTTING_DOWN: frozenset(
        {FINISHED, FAILED, CANCELED, TIMEDOUT, WAITING_ON_DEPENDENCIES, PAUSED}
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
failed), and by MARK_FINISHED. A resource goes from waiting by VALIDATING to SHUTTING_DOWN; its ends
lie behind that, so that nothing that was made is left behind.
"""
