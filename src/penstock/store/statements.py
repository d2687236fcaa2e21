"""Loads SQL from `.sql` files of named, described statements, so that no SQL stands in code.

A file is a row of blocks:

    -- name: insert_key
    -- Adds an access key; its secret arrives encrypted.
    INSERT INTO access_key (access_key_id, secret) VALUES (:access_key_id, :secret);

Parameters are named (`:name`). What stands above the first block is a comment on the whole file.
Statements are written so that both databases understand them; where they cannot be, the block has
a text for each, below lines that say `-- sqlite:` and `-- postgres:`.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

Dialect = Literal["sqlite", "postgres"]

_HEADING = re.compile(r"^--[ ]*name:[ ]*(?P<name>\S*)[ ]*$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VARIANT = re.compile(r"^--[ ]*(sqlite|postgres):[ ]*$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z][a-z0-9_]*)")


def load(file_name: str, dialect: Dialect = "sqlite") -> Mapping[str, str]:
    """The statements of one file of the store's, by name; raises ValueError if malformed.

    For PostgreSQL, parameters are written as its driver wants them.
    """
    text = files("penstock.store").joinpath("sql", file_name).read_text(encoding="utf-8")
    statements = parse(text, file_name, dialect)
    if dialect == "sqlite":
        return statements
    return MappingProxyType({name: to_psycopg(each) for name, each in statements.items()})


def parse(text: str, source: str, dialect: Dialect = "sqlite") -> Mapping[str, str]:
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
        statements[name] = _statement(block, f"{source}: statement {name!r}", dialect)
    return MappingProxyType(statements)


def to_psycopg(statement: str) -> str:
    """A statement with its `:name` parameters written `%(name)s`."""
    return _PARAMETER.sub(r"%(\1)s", statement.replace("%", "%%"))


def _statement(block: str, label: str, dialect: Dialect) -> str:
    """A block's SQL without its description, which must come first and is not optional."""
    description, *variants = _VARIANT.split(block)
    lines = description.strip().splitlines()
    if not lines or not lines[0].startswith("--"):
        raise ValueError(f"{label} has no description: say below its name what it is for")
    while lines and lines[0].startswith("--"):
        lines.pop(0)
    statement = "\n".join(lines)
    if variants:
        if lines:
            raise ValueError(f"{label} has SQL that stands above its variants")
        texts = dict(zip(variants[::2], variants[1::2], strict=True))
        if dialect not in texts:
            raise ValueError(f"{label} has no text for {dialect}")
        statement = texts[dialect]
    statement = statement.strip().removesuffix(";").rstrip()
    if not statement:
        raise ValueError(f"{label} is empty")
    return statement
