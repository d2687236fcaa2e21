"""Reads `mistakes.md`, and writes its answers anew.

    python -m tests.unit.language.golden.mistakes

The file is the source: a title, a piece of JSON, and the answer. Only the answers are written.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from penstock.language.forms import from_cli
from penstock.language.periods import parse_datetime
from penstock.language.validate import validate
from penstock.model.definition import Finding
from penstock.model.limits import Limits
from penstock.model.times import from_datetime

PAGE = Path(__file__).with_name("mistakes.md")
NOW = from_datetime(parse_datetime("2026-06-01"))

_BLOCK = re.compile(
    r"```json\n(?P<piece>(?:(?!```).)*)```\n\n```text\n(?P<answer>(?:(?!```).)*)```\n", re.DOTALL
)
_FIRST_BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)


class Mistake(NamedTuple):
    """One section of the page."""

    title: str
    piece: Any
    answer: str


def read_page(text: str) -> Iterator[Mistake]:
    """The sections in order."""
    for section in text.split("\n## ")[1:]:
        found = _BLOCK.search(section)
        assert found is not None, section
        yield Mistake(section.split("\n")[0], json.loads(found["piece"]), found["answer"])


def answer_to(piece: Any, page: str) -> tuple[Finding, ...]:
    """All that is found in a piece, with the page's common objects beside it."""
    members = piece if isinstance(piece, dict) and "objects" in piece else {"objects": piece}
    objects = members["objects"] if isinstance(members["objects"], list) else [members["objects"]]
    ids = {each["id"] for each in objects}
    common = json.loads(_FIRST_BLOCK.findall(page)[0])
    objects = [each for each in common if each["id"] not in ids] + objects
    definition = from_cli({**members, "objects": objects})
    return validate(definition, Limits(), now=NOW).found


def shown(found: tuple[Finding, ...]) -> str:
    """The lines that a person sees, but for the file's name and the place in it."""
    lines = []
    for each in found:
        first, *rest = each.text.split("\n")
        about = f"{each.object_id}: " if each.object_id else ""
        lines.append(f"{each.severity}: {about}{first} [{each.rule}]")
        lines.extend(f"    {line}" for line in rest)
    return "".join(f"{line}\n" for line in lines)


def rewritten(page: str) -> str:
    """The page with its answers as they are now."""

    def block(found: re.Match[str]) -> str:
        answer = shown(answer_to(json.loads(found["piece"]), page))
        return f"```json\n{found['piece']}```\n\n```text\n{answer}```\n"

    return _BLOCK.sub(block, page)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text("utf-8")), "utf-8")
