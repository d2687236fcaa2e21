"""What is known of the machine behind a resource, and what the server and a provider say of it."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from penstock.model.status import Status
from penstock.model.times import Instant

Step = Literal["check", "create", "look", "restart", "stop"]
"""What is asked of a provider, one at a time."""

OutcomeKind = Literal[
    "valid", "refused", "made", "up", "pending", "gone", "restarted", "stopped", "fault", "failed"
]
"""How a step ended. `fault`: it may go better another time; `failed`: it will not."""


class Outcome(Struct, frozen=True):
    """How a step ended; `reason` for people, `handle` and `facts` of what was made."""

    kind: OutcomeKind
    reason: str = ""
    handle: str | None = None
    facts: Mapping[str, str] = {}


class Machine(Struct, frozen=True):
    """What is known of one attempt's machine.

    `step` is what is asked of the provider next, or just now; `step_at` when. `began_at` is when
    creating began: from then on there may be a machine, whether there is a `handle` or not.
    `facts` are shown as runtime fields. `faults` counts how often in a row the step met one.
    `verdict` is the state to end in, once all is shut down; `final`: without another try.
    """

    step: Step = "check"
    step_at: Instant = 0
    began_at: Instant | None = None
    handle: str | None = None
    facts: dict[str, str] = {}
    restarted_at: Instant | None = None
    faults: int = 0
    verdict: Status | None = None
    final: bool = False


def machine_of(fields: str | None) -> Machine:
    """A machine as an attempt keeps it."""
    return Machine() if fields is None else msgspec.json.decode(fields, type=Machine)


def machine_text(machine: Machine) -> str:
    """The same the other way round."""
    return msgspec.json.encode(machine).decode()
