"""Loads SQL from `.sql` files of named, described statements, so that no SQL stands in code.

A file is a row of blocks:

    -- name: insert_key
    -- Adds an access key; its secret arrives encrypted.
    INSERT INTO access_key (access_key_id, secret) VALUES (:access_key_id, :secret);

Parameters are named (`:name`). What stands above the first block is a comment on the whole file.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_HEADING = re.compile(r"^--[ ]*name:[ ]*(?P<name>\S*)[ ]*$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def load(file_name: str, package: str = "penstock.store", folder: str = "sql") -> Mapping[str, str]:
    """The statements of one file of a package's folder, by name; raises ValueError if malformed."""
    text = files(package).joinpath(folder, file_name).read_text(encoding="utf-8")
    return parse(text, file_name)


def parse(text: str, source: str) -> Mapping[str, str]:
    """The statements in a text, by name; `source` is what errors call it."""
    preamble, *rest = _HEADING.split(text)
    if any(line.strip() and not line.startswith("--") for line in preamble.splitlines()):
        raise ValueError(f"{source}: SQL stands before the first '-- name:' line")
    statements: dict[str, str] = {}
    for name, block in zip(rest[::2], rest[1::2], strict=True):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{source}: {name!r} is not a name: use lower case and underscores")
        if name in statements:
            raise ValueError(f"{source}: statement {name!r} stands there twice")
        statements[name] = _statement(block, f"{source}: statement {name!r}")
    return MappingProxyType(statements)


def _statement(block: str, label: str) -> str:
    """A block's SQL without its description, which must come first and is not optional."""
    lines = block.strip().splitlines()
    if not lines or not lines[0].startswith("--"):
        raise ValueError(f"{label} has no description: say below its name what it is for")
    while lines and lines[0].startswith("--"):
        lines.pop(0)
    statement = "\n".join(lines).strip().removesuffix(";").rstrip()
    if not statement:
        raise ValueError(f"{label} is empty")
    return statement
