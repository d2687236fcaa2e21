"""Every chapter of docs/engine.md is held by tests that cite it, and what is cited is there.

A test cites a chapter by its docstring, `\"""Lateness: what was begun in time is never late.\"""`;
the tests of a whole file by the file's: `docs/engine.md, "Preconditions"`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
PAGE = (ROOT / "docs" / "engine.md").read_text("utf-8")
CHAPTERS = re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
TELLS_NO_RULES = {"How it is built"}
RULES = sorted(TESTS.rglob("test_rules_*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    for each in tree(path).body:
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
            yield each


def cited_by(test: ast.FunctionDef) -> str:
    """The chapter that a test cites, or nothing."""
    chapter, colon, rule = (ast.get_docstring(test) or "").partition(": ")
    return chapter if colon and rule else ""


def cited_by_files() -> dict[str, list[str]]:
    """The chapters that whole files cite, with the files."""
    found: dict[str, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        text = ast.get_docstring(tree(path)) or ""
        if "docs/engine.md, " in text and path != Path(__file__):
            for chapter in re.findall(r'"([^"]+)"', text.partition("docs/engine.md, ")[2]):
                found.setdefault(chapter, []).append(path.name)
    return found


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_each_test_of_a_rule_says_which_and_where_it_stands(path: Path) -> None:
    astray = {test.name: cited_by(test) for test in functions(path)}
    assert {name: chapter for name, chapter in astray.items() if chapter not in CHAPTERS} == {}


def test_files_cite_chapters_that_are_there() -> None:
    assert {c: names for c, names in cited_by_files().items() if c not in CHAPTERS} == {}


@pytest.mark.parametrize("chapter", [each for each in CHAPTERS if each not in TELLS_NO_RULES])
def test_each_chapter_is_held_by_tests(chapter: str) -> None:
    single = {cited_by(test) for path in RULES for test in functions(path)}
    assert chapter in single or chapter in cited_by_files(), (
        f'no test cites "{chapter}": begin the docstring of one in a file test_rules_*.py with '
        f'"{chapter}: ", or name it in a file\'s docstring as docs/engine.md, "{chapter}"'
    )
