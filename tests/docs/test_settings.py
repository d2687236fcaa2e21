"""Every setting stands in docs/settings.md, with its true default, and nothing else does."""

import re
from pathlib import Path

import pytest

from penstock.config import Settings, setting_names, with_profile, with_setting

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def rows() -> dict[str, list[str]]:
    """The tables' rows: name, and the cells after it without their back-quotes."""
    found = re.findall(r"^\| `([a-z_.]+)` \|(.*)\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: [cell.strip(" `") for cell in cells.split("|")] for name, cells in found}


def test_each_setting_has_its_row() -> None:
    assert list(rows()) == list(setting_names())


@pytest.mark.parametrize("name", setting_names())
def test_the_default_is_the_true_one(name: str) -> None:
    assert with_setting(Settings(), name, rows()[name][0]) == Settings()


@pytest.mark.parametrize("name", [name for name in setting_names() if name.startswith("limits.")])
def test_the_published_limit_is_the_true_one(name: str) -> None:
    published = with_profile(Settings(), "aws")
    assert with_setting(published, name, rows()[name][1]) == published
