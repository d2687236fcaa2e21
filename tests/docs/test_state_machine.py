"""docs/state-machine.md: whole, and nothing in it that the engine would refuse."""

import re

import pytest

from docs.reference.state_machine import BESIDE, CAUSES, state_machine
from penstock.model.status import TRANSITIONS

PAGE = state_machine()
LEGAL = {(source, target) for source, targets in TRANSITIONS.items() for target in targets}


def test_the_table_is_the_engine_s_own():
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_]+) \| .+ \|$", PAGE, re.MULTILINE)
    assert set(rows) == LEGAL
    assert len(rows) == len(LEGAL)


def test_the_diagrams_have_every_arrow_and_no_other():
    boxes = {
        name: label.split(BESIDE)
        for label, name in re.findall(r'^ *state "(.+)" as (\w+)$', PAGE, re.MULTILINE)
    }
    arrows = {
        (one, other)
        for source, target in re.findall(r"^ *(\w+) --> (\w+) :", PAGE, re.MULTILINE)
        for one in boxes.get(source, [source])
        for other in boxes.get(target, [target])
    }
    assert arrows == LEGAL


@pytest.mark.parametrize(("source", "target"), sorted(LEGAL))
def test_each_transition_says_what_brings_it_about(source: str, target: str):
    assert CAUSES[source][target]


def test_labels_are_such_as_mermaid_takes():
    labels = re.findall(r" --> \w+ : (.+)$", PAGE, re.MULTILINE)
    assert labels
    assert not [label for label in labels if re.search(r"[:;#{}\[\]]", label)]
