"""The rows that a batch has read already, for those who load snapshots."""

from penstock.engine.plan import Plan
from penstock.model.runtime import ComponentRow, Pipeline
from penstock.service.definitions import Definitions
from penstock.store.protocol import Transaction


class Rows:
    """A transaction, and the pipelines and components that have been read or written in it."""

    def __init__(self, store: Transaction, definitions: Definitions) -> None:
        self.store = store
        self.definitions = definitions
        self._pipelines: dict[int, Pipeline] = {}
        self._rows: dict[tuple[int, str], ComponentRow] = {}
        self._plans: dict[tuple[int, int], Plan] = {}

    def pipeline(self, key: int) -> Pipeline:
        """A pipeline, read once in a batch."""
        found = self._pipelines.get(key)
        if found is None:
            found = self.store.pipeline(key)
            if found is None:
                raise LookupError(f"no pipeline with key {key}")
            self._pipelines[key] = found
        return found

    def row(self, pipeline: int, component: str) -> ComponentRow:
        """A component's row, read once in a batch (`active` is not counted)."""
        found = self._rows.get((pipeline, component))
        if found is None:
            found = self.store.component(pipeline, component)
            if found is None:
                raise LookupError(f"pipeline {pipeline} has no component {component!r}")
            self._rows[pipeline, component] = found
        return found

    def plan(self, pipeline: Pipeline, version: int) -> Plan:
        """The plan of a version of a pipeline."""
        new = self._plans.get((pipeline.key, version)) if self._plans else None
        return new or self.definitions.plan(self.store, pipeline, version)

    def note_plan(self, pipeline: Pipeline, plan: Plan) -> None:
        """A plan whose version comes into force in this batch, and with it is undone.

        Once that is durable `Definitions` may remember it, and not before: if this batch is lost,
        another server may bring other contents into force under the same number.
        """
        self._plans[pipeline.key, plan.version] = plan

    def note_pipeline(self, row: Pipeline) -> None:
        """A pipeline as it has just been written."""
        self._pipelines[row.key] = row

    def note_row(self, row: ComponentRow) -> None:
        """A component's row as it has just been written."""
        self._rows[row.pipeline, row.id] = row

    def forget(self) -> None:
        """Drop the rows read so far: a command was undone.

        A plan that it brought stays: nothing names its version, unless another brings it anew.
        """
        self._pipelines.clear()
        self._rows.clear()
