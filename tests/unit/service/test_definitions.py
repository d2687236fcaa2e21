"""Definitions as they are kept, and the plans that are kept at hand."""

from msgspec.structs import replace

from penstock.access.secrets import Cipher
from penstock.engine.plan import Plan
from penstock.language.resolve import Resolved
from penstock.model.definition import Definition, Field, PipelineObject
from penstock.model.runtime import Pipeline
from penstock.service.definitions import Definitions
from tests.contract.rows import pipeline as a_pipeline


def plan_of(pipeline: Pipeline, version: int, components: int) -> Plan:
    """A plan of so many components; what they are does not matter here."""
    anything = dict.fromkeys(f"A{n}" for n in range(components))
    return Plan(pipeline.id, version, True, 1, anything, Resolved({}, {}))  # type: ignore[arg-type]


def kept(definitions: Definitions, pipeline: Pipeline, versions: range) -> list[int]:
    return [v for v in versions if (pipeline.key, v) in definitions._plans]


def test_plans_are_bounded_by_their_components() -> None:
    definitions = Definitions(Cipher(bytes(32)), 1000, capacity=100)
    pipeline = a_pipeline()
    for version in range(1, 6):
        definitions.remember(pipeline, plan_of(pipeline, version, 40))
    assert kept(definitions, pipeline, range(1, 6)) == [4, 5]
    definitions.remember(pipeline, plan_of(pipeline, 6, 500))
    assert kept(definitions, pipeline, range(1, 7)) == [6]


def test_a_plan_in_place_of_another_is_counted_once() -> None:
    definitions = Definitions(Cipher(bytes(32)), 1000, capacity=100)
    pipeline = a_pipeline()
    other = replace(pipeline, key=pipeline.key + 1)
    definitions.remember(other, plan_of(other, 1, 40))
    for _ in range(5):
        definitions.remember(pipeline, plan_of(pipeline, 1, 40))
    assert kept(definitions, other, range(1, 2)) == [1]


def test_nothing_of_a_definition_is_stored_in_clear() -> None:
    definitions = Definitions(Cipher(bytes(32)), 1000)
    definition = Definition((PipelineObject("A", "A", (Field("*myPassword", "hunter2hunter2"),)),))
    content = definitions.encode(definition)
    assert b"hunter2" not in content
    assert b"myPassword" not in content
