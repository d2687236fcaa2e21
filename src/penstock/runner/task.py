"""A task as the runner sees it: the attempt, what it refers to, and where it belongs."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from penstock.language.periods import exact_ms, parse_period
from penstock.model.api import TaskObject
from penstock.model.definition import PipelineObject
from penstock.model.errors import DefinitionError
from penstock.model.times import MINUTE_MS

DEFAULT_REPORT_TIMEOUT_MS = 15 * MINUTE_MS
"""How long the service waits for a report when the object does not say."""

REPORT_EVERY_MS = MINUTE_MS
"""The longest time between two reports of ours."""


class Task(Struct, frozen=True):
    """One task that was handed to us.

    `attempt` holds all fields of the activity, evaluated; `objects` also what it refers to.
    """

    task_id: str
    pipeline_id: str
    attempt: PipelineObject
    objects: dict[str, PipelineObject]

    @property
    def attempt_id(self) -> str:
        """The attempt's id."""
        return self.attempt.id

    @property
    def instance_id(self) -> str:
        """The id of the instance that this is an attempt of."""
        return self._link("@instanceParent") or self.attempt_id.rpartition("_Attempt=")[0]

    @property
    def component_id(self) -> str:
        """The id of the component in the definition."""
        instance = self.instance_id
        return self._link("@componentParent") or instance.removeprefix("@").rpartition("_")[0]

    @property
    def type(self) -> str:
        """The activity's type, or `""` if the service sent none."""
        return self.attempt.string("type") or ""

    @property
    def is_precondition(self) -> bool:
        """Whether this is a check, not work: the user-managed preconditions of the guide."""
        return self.type == "Exists" or self.type.endswith("Precondition")

    @property
    def report_every_ms(self) -> int:
        """Time between two reports: a minute, or a quarter of a shorter reportProgressTimeout."""
        timeout = self._period_ms("reportProgressTimeout") or DEFAULT_REPORT_TIMEOUT_MS
        return max(1_000, min(REPORT_EVERY_MS, timeout // 4))

    def flag(self, key: str) -> bool:
        """Whether a boolean field is true; absent means false."""
        return (self.attempt.string(key) or "").lower() == "true"

    def referenced(self, key: str) -> tuple[PipelineObject, ...]:
        """The objects that a field refers to, in order; one that was not sent is left empty."""
        return tuple(
            self.objects.get(target) or PipelineObject(target, target)
            for target in self.attempt.refs(key)
        )

    def _link(self, key: str) -> str | None:
        return self.attempt.ref(key) or self.attempt.string(key)

    def _period_ms(self, key: str) -> int | None:
        text = self.attempt.string(key)
        if text is None:
            return None
        try:
            return exact_ms(parse_period(text))
        except DefinitionError:
            return None


def read_task(answer: dict[str, Any]) -> Task | None:
    """The task of a PollForTask answer, or None if the poll ended with nothing.

    Raises `msgspec.ValidationError` or `KeyError` if the answer is none that the API knows.
    """
    if not answer.get("taskObject"):
        return None
    task = msgspec.convert(answer["taskObject"], TaskObject)
    return Task(task.task_id, task.pipeline_id, task.objects[task.attempt_id], task.objects)
