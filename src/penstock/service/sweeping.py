"""Sweeps: the way through a store's past, a step to a transaction, forgetting as `retention` says.

One server at a time is at it: the time of the next sweep stands in the store, and who moves it on
has taken it over. Should that server die, another begins anew when the next is due.
"""

import asyncio

import structlog

from penstock.engine.plan import Plan
from penstock.model.errors import ApiError, DatabaseUnavailable
from penstock.model.runtime import Pipeline
from penstock.model.times import DAY_MS, HOUR_MS, Instant
from penstock.service.context import Context
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import RUNNERS_KEPT_DAYS
from penstock.service.faults import log_fault
from penstock.service.retention import Cursor, Look, Presence, Removed, look
from penstock.service.unit import Unit
from penstock.service.writer import Stopped
from penstock.store.protocol import Reader

PIPELINES = 100
LOOK_SECONDS = 600.0
"""How often a server looks whether a sweep is due."""

SWEEP_MS = 6 * HOUR_MS
"""From one sweep to the next."""

PAUSE_SECONDS = 0.05
"""After each removal, for those who have other things to do."""

_log = structlog.get_logger("penstock.service")


class Sweep:
    """The way through one pipeline's past; `step` is a command, `take` notes what came of it.

    A command may be run twice, so what a step has done counts only when it is durable.
    """

    def __init__(self, pipeline: int, before: Instant, presence: Presence | None = None) -> None:
        self.pipeline = pipeline
        self.removed = Removed()
        self.done = False
        self._before = before
        self._presence = presence or Presence()
        self._cursor: Cursor | None = None
        self._oldest_kept: int | None = None
        self._newest_seen = 0

    def step(self, unit: Unit) -> Look | None:
        """Remove some of what can go; None if the pipeline is gone."""
        pipeline = unit.pipeline(self.pipeline)
        if pipeline.deleted_at is not None:
            return None
        plan = unit.plan(pipeline, pipeline.version)
        found = self._look(unit.store, plan)
        for component, rows in found.removable.items():
            unit.store.prune(self.pipeline, component, rows)
        if found.cursor is None:
            unit.store.drop_definitions(self.pipeline, self._needed_version(pipeline, found))
        return found

    def rehearse(self, store: Reader, definitions: Definitions) -> None:
        """Take a step that removes nothing."""
        pipeline = store.pipeline(self.pipeline)
        if pipeline is None or pipeline.deleted_at is not None:
            self.take(None)
            return
        self.take(self._look(store, definitions.plan(store, pipeline, pipeline.version)))

    def _look(self, store: Reader, plan: Plan) -> Look:
        return look(store, self.pipeline, plan, self._cursor, self._before, self._presence)

    def take(self, found: Look | None) -> None:
        """Go on from what a step has found."""
        self.done = found is None or found.cursor is None
        if found is None:
            return
        self._cursor = found.cursor
        self.removed += found.removed
        self._oldest_kept, self._newest_seen = self._versions(found)

    def _versions(self, found: Look) -> tuple[int | None, int]:
        """The oldest version of what was kept, and the newest that was in force before the time."""
        kept = [row.version for row in found.kept]
        if self._oldest_kept is not None:
            kept.append(self._oldest_kept)
        rows = (*found.kept, *(row for each in found.removable.values() for row in each))
        made = [row.version for row in rows if row.due_at < self._before]
        return min(kept, default=None), max([self._newest_seen, *made])

    def _needed_version(self, pipeline: Pipeline, found: Look) -> int:
        """The oldest definition version that an instance may have.

        What was not looked at was made after the time, so by no version older than one that was in
        force before.
        """
        kept, seen = self._versions(found)
        return min(pipeline.version, seen, seen if kept is None else kept)


async def keep_retention(context: Context) -> None:
    """Look for a sweep that is due, now and again, until cancelled or the writer stops."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if await context.writer.submit(_claim):
                await sweep_all(context, PAUSE_SECONDS)
        except Stopped:
            return
        except ApiError:
            # The writer has logged it; the rest is for the next sweep.
            continue


def _claim(unit: Unit) -> bool:
    claimed = unit.store.claim_sweep(unit.now, unit.now + SWEEP_MS)
    if claimed:
        unit.store.forget_runners(unit.now - RUNNERS_KEPT_DAYS * DAY_MS)
    return claimed


async def sweep_all(context: Context, pause_seconds: float) -> Removed:
    """Forget what is older than the settings' retention, in all pipelines."""
    removed = Removed()
    before = context.clock() - (context.settings.retention_ms or 0)
    after = 0

    def ask(store: Reader) -> list[int]:
        return store.pipelines_with_past(after, before, PIPELINES)

    while found := await context.read(ask):
        for key in found:
            try:
                removed += await _sweep(context, key, before, pause_seconds)
            except (DatabaseUnavailable, Stopped):
                raise
            except Exception:  # noqa: BLE001 - a fault in one pipeline stays its own
                log_fault("retention failed", pipeline=key)
        after = found[-1]
    if removed.instances:
        _log.info("forgotten", instances=removed.instances, attempts=removed.attempts)
    return removed


async def _sweep(context: Context, pipeline: int, before: Instant, pause_seconds: float) -> Removed:
    """Forget what is old of one pipeline."""

    def compile_aside(store: Reader) -> None:
        row = store.pipeline(pipeline)
        if row is not None:
            context.definitions.plan(store, row, row.version)

    await context.read(compile_aside)
    sweep = Sweep(pipeline, before)
    while not sweep.done:
        found: Look | None = await context.writer.submit(sweep.step, pipeline)
        sweep.take(found)
        if found is not None and found.removable and pause_seconds:
            await asyncio.sleep(pause_seconds)
    return sweep.removed
