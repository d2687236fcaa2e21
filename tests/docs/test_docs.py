"""Documentation that cannot drift: what the code offers has its place in docs/."""

import re
from pathlib import Path

import pytest

from penstock.model.api import ALL_REQUESTS
from penstock.runner.options import OPTIONS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def headings(page: str) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("operation", sorted(ALL_REQUESTS))
def test_each_operation_has_its_heading(operation: str) -> None:
    assert operation in headings("protocol.md")


@pytest.mark.parametrize("option", [option.spelling for option in OPTIONS])
def test_each_option_of_the_runner_is_described(option: str) -> None:
    assert f"--{option}" in (DOCS / "runner.md").read_text(encoding="utf-8")


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*DOCS.rglob("*.md"), ROOT / "README.md"]
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_each_page_is_reachable_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = "\n".join([text, *(p.read_text(encoding="utf-8") for p in DOCS.glob("*.md"))])
    missing = [page.name for page in DOCS.glob("*.md") if page.name not in linked]
    assert missing == []
