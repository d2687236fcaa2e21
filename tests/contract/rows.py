"""Rows of every kind, with every field told apart."""

from msgspec.structs import replace

from penstock.model.api import Tag
from penstock.model.runtime import Attempt, ComponentRow, Instance, Pipeline, Wait

ACCOUNT = "000000000001"
GROUP = "workers"


def pipeline(name: str = "one", **changes: object) -> Pipeline:
    fields: dict[str, object] = {
        "key": 0,
        "id": f"df-{name}",
        "account_id": ACCOUNT,
        "user_id": "AIDA",
        "name": name,
        "unique_id": f"{name}-token",
        "description": "",
        "tags": (),
        "state": "PENDING",
        "version": 0,
        "created_at": 1,
    }
    return Pipeline(**{**fields, **changes})  # type: ignore[arg-type]


FULL_PIPELINE = pipeline(
    description="ünï",
    tags=(Tag("k", "v"), Tag("k2", "")),
    state="FINISHED",
    version=7,
    created_at=11,
    first_activated_at=12,
    last_activated_at=13,
    last_deactivated_at=14,
    finished_at=15,
    deleted_at=16,
)


def instance(key: int, start: int = 0, component: str = "A", **changes: object) -> Instance:
    row = Instance(key, 1, component, start, start + 10, 1, "WAITING_ON_DEPENDENCIES", 5)
    return replace(row, **changes)


def attempt(key: int, number: int = 1, ready_at: int = 0, **changes: object) -> Attempt:
    row = Attempt(key, number, 1, ACCOUNT, GROUP, "WAITING_FOR_RUNNER", ready_at)
    return replace(row, **changes)


FULL_INSTANCE = instance(
    1,
    end=21,
    version=3,
    status="FAILED",
    due_at=22,
    unmet=2,
    tries=3,
    attempts=4,
    rerun=True,
    revive=True,
    retry_at=23,
    ended_at=24,
    cascade_on="@X",
    cancel_reason="because",
    error_id="E",
    error_message="M",
    error_stack_trace="T",
)

FULL_ATTEMPT = attempt(
    1,
    4,
    31,
    status="FAILED",
    offered=False,
    generation=5,
    acknowledged=True,
    handed_at=32,
    reported_at=33,
    ended_at=34,
    cancel_reason="because",
    hostname="host",
    fields='{"a": "b"}',
    error_id="E",
    error_message="M",
    error_stack_trace="T",
)

FULL_COMPONENT = ComponentRow(1, "A", 41, True, True, "ERROR", 42, 43)

FULL_WAIT = Wait(1, 1, "B", 51, 52, 3)
