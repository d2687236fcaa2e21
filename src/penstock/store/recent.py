"""Rows that the writer has just read or written, so that it need not ask for them again.

The three calls of a task's life come milliseconds apart, and each begins with the same instance,
attempt and component. Only rows as they stand in the writer's open transaction are kept; they are
dropped when something is rolled back, or when another connection has written.
"""

from msgspec.structs import replace

from penstock.model.runtime import Attempt, ComponentRow, Instance

MOST_ROWS = 8_192
"""Rows of one kind; when there are more, all are dropped: tasks in hand are fewer."""


class RecentRows:
    """Instances, attempts and components by their keys."""

    def __init__(self) -> None:
        self.instances: dict[int, Instance] = {}
        self.attempts: dict[tuple[int, int], Attempt] = {}
        self._components: dict[tuple[int, str], ComponentRow] = {}

    def clear(self) -> None:
        """Forget all."""
        self.instances.clear()
        self.attempts.clear()
        self._components.clear()

    def remember(self, instance: Instance, attempt: Attempt | None) -> None:
        """An instance, and its attempt if it was read with it."""
        if len(self.instances) >= MOST_ROWS:
            self.clear()
        self.instances[instance.key] = instance
        if attempt is not None:
            self.attempts[attempt.instance, attempt.number] = attempt

    def forget(self, instance: int, attempt: int) -> None:
        """An instance that has ended will hardly be asked for again."""
        self.instances.pop(instance, None)
        self.attempts.pop((instance, attempt), None)

    def component(self, pipeline: int, component: str) -> ComponentRow | None:
        """A component's row, its `active` not counted."""
        return self._components.get((pipeline, component))

    def remember_component(self, row: ComponentRow) -> None:
        """A component as it stands now."""
        if len(self._components) >= MOST_ROWS:
            self._components.clear()
        self._components[row.pipeline, row.id] = replace(row, active=0) if row.active else row
