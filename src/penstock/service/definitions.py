"""How definitions are kept: the API's JSON, compressed, encrypted whole (fields may be secret)."""

import threading
import zlib
from collections import OrderedDict

import msgspec

from penstock.access.secrets import Cipher
from penstock.engine.compile import compile_plan
from penstock.engine.plan import Plan
from penstock.model.definition import Definition
from penstock.model.runtime import Pipeline
from penstock.store.protocol import Reader

LATEST = 0
"""The version number under which the draft is kept."""

_decoder = msgspec.json.Decoder(Definition)


class Definitions:
    """Reads and writes definition versions, and keeps compiled plans at hand.

    What is kept can be rebuilt from the store at any time; a version never changes once active.
    `capacity` bounds the components of all plans together, since that is what costs memory.
    """

    def __init__(self, cipher: Cipher, report_timeout_ms: int, capacity: int = 20_000) -> None:
        self._cipher = cipher
        self._report_timeout_ms = report_timeout_ms
        self._capacity = capacity
        self._plans: OrderedDict[tuple[int, int], Plan] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def encode(self, definition: Definition) -> bytes:
        """The bytes to store."""
        return self._cipher.encrypt(zlib.compress(msgspec.json.encode(definition), 1))

    def load(self, store: Reader, pipeline: int, version: int) -> Definition | None:
        """One version as it was put, or None."""
        content = store.definition(pipeline, version)
        if content is None:
            return None
        return _decoder.decode(zlib.decompress(self._cipher.decrypt(content)))

    def plan(self, store: Reader, pipeline: Pipeline, version: int) -> Plan:
        """The plan of an active version; compiled once, then remembered."""
        key = (pipeline.key, version)
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                return plan
        definition = self.load(store, pipeline.key, version)
        if definition is None:
            raise LookupError(f"{pipeline.id} has no definition version {version}")
        plan = self.compile(definition, pipeline, version, pipeline.first_activated_at or 0)
        self.remember(pipeline, plan)
        return plan

    def compile(
        self, definition: Definition, pipeline: Pipeline, version: int, first_activated_at: int
    ) -> Plan:
        """Compile a definition whose parameter values are all in it; see `compile_plan`."""
        return compile_plan(
            definition, (), pipeline.id, version, first_activated_at, self._report_timeout_ms
        )

    def remember(self, pipeline: Pipeline, plan: Plan) -> None:
        """Keep a plan at hand; the least used ones are dropped."""
        with self._lock:
            replaced = self._plans.pop((pipeline.key, plan.version), None)
            self._held += len(plan.components) - (len(replaced.components) if replaced else 0)
            self._plans[pipeline.key, plan.version] = plan
            while self._held > self._capacity and len(self._plans) > 1:
                _, dropped = self._plans.popitem(last=False)
                self._held -= len(dropped.components)
