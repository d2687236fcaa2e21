"""What validation says of definitions in checkouts of public repositories.

    python tests/corpus/public.py [-v] DIRECTORY...

Looked at are JSON and YAML files that hold definitions, and the examples in Markdown and
reStructuredText pages: whole definitions, and objects alone (fragments), of which it is not held
against them that what they refer to is elsewhere. docs/corpus.md tells what came out.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from penstock.language.forms import from_cli, read_pipelines
from penstock.language.validate import validate
from penstock.model.definition import Definition, Finding
from penstock.model.errors import DefinitionError
from penstock.model.limits import Limits

PAGES = (".md", ".rst")
FILES = (".json", ".template", ".yaml", ".yml")
HINT = re.compile(
    r'AWS::DataPipeline::Pipeline|"objects"\s*:|pipelineObjects|datapipeline_pipeline'
)
TYPED = re.compile(r'\{[^{}]*"type"\s*:\s*"[A-Z]')
ABSENT = frozenset({"missing-object", "missing-schedule", "unused-object", "no-worker"})
"""Rules that a fragment breaks because the rest is not shown."""

FENCE = re.compile(r"^[ \t]*```.*?\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
REPAIRS = (
    ("typographic quotes", re.compile("[“”„]"), '"'),
    ("elisions", re.compile(r"^\s*\.\.\.\s*,?\s*$", re.MULTILINE), ""),
    ("commas before a closing bracket", re.compile(r",(\s*[\]}])"), r"\1"),
    ("escapes that JSON lacks", re.compile(r"\\,"), r"\\\\,"),
)


class Example(NamedTuple):
    """One example: where it stands, what it is, how it was read."""

    place: str
    kind: str
    repaired: bool
    definition: Definition | None
    problem: str = ""


def examples(folder: Path) -> Iterator[Example]:
    """All examples of a folder, file by file."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (*PAGES, *FILES) and ".git" not in path.parts and path.is_file():
            text = path.read_bytes().decode("utf-8-sig", "replace")
            place = str(path.relative_to(folder))
            if path.suffix in PAGES:
                yield from _of_page(text, place)
            elif HINT.search(text):
                yield from _of_text(text, place)


def _of_page(text: str, place: str) -> Iterator[Example]:
    blocks = [found[1] for found in FENCE.finditer(text)] if place.endswith(".md") else [text]
    for at, block in enumerate(blocks, 1):
        here = f"{place} [{at}]"
        if "AWS::DataPipeline::Pipeline" in block:
            whole = "{" + block + "}" if block.lstrip().startswith('"') else block
            if "(#" not in block:  # a grammar with links, not an example
                yield from _of_text(whole, here)
            continue
        found, repaired = _documents(block)
        wholes = [each for each in found if "objects" in each]
        for each in wholes:
            yield from _of_text(json.dumps(each), here, repaired)
        objects = [each for each in found if "objects" not in each and _is_object(each)]
        if objects:
            yield _fragment(objects, here, repaired)
        if not found and TYPED.search(block):
            yield Example(here, "fragment", False, None, "no JSON, even when mended")


def _documents(block: str) -> tuple[list[dict[str, Any]], bool]:
    """The JSON objects that begin at a line's start, and whether some had to be mended."""
    found = _decoded(block)
    mended = block
    for _, pattern, instead in REPAIRS:
        mended = pattern.sub(instead, mended)
    more = _decoded(mended, strict=False)
    # Of a broken whole the strict reader finds the parts, so what is longer is meant.
    return (found, False) if _size(found) >= _size(more) else (more, True)


def _size(documents: list[dict[str, Any]]) -> int:
    return sum(len(json.dumps(each)) for each in documents)


def _decoded(text: str, strict: bool = True) -> list[dict[str, Any]]:
    decoder, found, at = json.JSONDecoder(strict=strict), [], 0
    for start in re.finditer(r"^[ \t]*\{", text, re.MULTILINE):
        if start.end() > at:
            try:
                document, at = decoder.raw_decode(text, start.end() - 1)
                found.append(document)
            except json.JSONDecodeError:
                continue
    return found


def _is_object(document: dict[str, Any]) -> bool:
    named = {"id", "name"} & document.keys()
    return bool(named) and ("type" in document or "Default" in (document[k] for k in named))


def _of_text(text: str, place: str, repaired: bool = False) -> Iterator[Example]:
    try:
        pipelines = read_pipelines(text)
    except DefinitionError as error:
        mended = [] if repaired else [d for d in _documents(text)[0] if "objects" in d]
        for document in mended:
            yield from _of_text(json.dumps(document), place, repaired=True)
        if not mended and "is no pipeline definition" not in str(error):
            yield Example(place, "definition", repaired, None, str(error))
        return
    for each in pipelines:
        yield Example(place, "definition", repaired, each.definition)


def _fragment(objects: list[dict[str, Any]], place: str, repaired: bool) -> Example:
    named = [{"id": each.get("name", "?"), **each} for each in objects]
    if not any(each["id"] == "Default" for each in named):
        named.append({"id": "Default", "role": "any", "resourceRole": "any"})
    try:
        return Example(place, "fragment", repaired, from_cli({"objects": named}))
    except DefinitionError as error:
        return Example(place, "fragment", repaired, None, str(error))


def findings(example: Example) -> list[Finding]:
    """What validation finds, but for what a fragment cannot help."""
    if example.definition is None:
        return []
    found = validate(example.definition, Limits(), draft=True).found
    return [f for f in found if example.kind == "definition" or f.rule not in ABSENT]


def verdict(example: Example, found: list[Finding]) -> str:
    """One word for the whole."""
    if example.definition is None:
        return "unreadable"
    severities = {finding.severity for finding in found}
    return "errors" if "error" in severities else "warnings" if severities else "clean"


def report(arguments: list[str]) -> Iterator[str]:
    """A line for each example, with `-v` its findings, and the sums."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for folder in (Path(each) for each in arguments if each != "-v"):
        for example in examples(folder):
            found = findings(example)
            word = verdict(example, found)
            sums[folder.name, example.kind, word] += 1
            sums[folder.name, example.kind, "mended"] += example.repaired
            yield f"{folder.name}/{example.place}: {word} {example.problem}".rstrip()
            for finding in found if "-v" in arguments else ():
                text = finding.text.split("\n")[0]
                yield f"    {finding.severity} {finding.object_id}: {text} [{finding.rule}]"
    for key, count in sorted(sums.items()):
        yield f"{' '.join(key)} {count}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in report(sys.argv[1:]))
