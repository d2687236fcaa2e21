"""docs/findings.md has every rule, and every rule is triggered by some test."""

import re
from pathlib import Path

import pytest

from penstock.language.rules import Rule

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "findings.md").read_text("utf-8")
GOLDEN = ROOT / "tests" / "unit" / "language" / "golden" / "mistakes.md"
EXAMPLES = ROOT / "tests" / "unit" / "language" / "test_every_rule.py"


def test_the_page_has_each_rule_once_and_no_other() -> None:
    headings = re.findall(r"^### (\S+)$", PAGE, re.MULTILINE)
    assert sorted(headings) == sorted(rule.value for rule in Rule)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.value)
def test_each_rule_says_how_grave_it_is_and_something_of_it(rule: Rule) -> None:
    section = PAGE.split(f"### {rule.value}\n")[1].split("\n#")[0]
    assert re.search(r"\b(Error|Warning)\b", section)
    assert len(section.split()) >= 8


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.value)
def test_each_rule_has_an_example_that_a_test_tries(rule: Rule) -> None:
    in_golden = f"[{rule.value}]" in GOLDEN.read_text("utf-8")
    assert in_golden or f"Rule.{rule.name}:" in EXAMPLES.read_text("utf-8")
