"""The SQL of RedshiftCopyActivity: text in, text out; nothing here talks to a database.

Source of the rules: developer guide, "RedshiftCopyActivity" and "RedshiftDataNode"; Amazon
Redshift's guide, "Updating and inserting new data" for the merge by way of a staging table.

Everything between BEGIN and COMMIT is one transaction: `TRUNCATE` would commit it in Redshift, so
all rows are deleted instead. Identifiers are folded as the database folds them, and then quoted.
"""
# ruff: noqa: S608 - making SQL is what this is for; every identifier and text in it is quoted

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

InsertMode = Literal["KEEP_EXISTING", "OVERWRITE_EXISTING", "TRUNCATE", "APPEND"]
"""What happens to rows of the table that the input has, too."""

Dialect = Literal["redshift", "postgresql"]
"""Which of the two: PostgreSQL knows the order of rows in a staging table, Redshift does not."""

STAGING = '"staging"'
"""The table that `transformSql` selects from; a temporary one, so it hides any other."""

_TRANSFORMED = '"staging_transformed"'
_MASK = "****"
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\(\s*\w+\s*(,\s*\w+\s*)?\))?[A-Za-z ]*")

_HIVE_TYPES = {
    "STRING": "VARCHAR(65535)",
    "DOUBLE": "DOUBLE PRECISION",
    "TINYINT": "SMALLINT",
    "DATETIME": "TIMESTAMP",
}


class Statement(Struct, frozen=True):
    """A statement, and what of it may be shown: `secrets` are masked in logs and messages."""

    text: str
    secrets: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The text without its secrets."""
        return mask(self.text, self.secrets)


class Target(Struct, frozen=True):
    """A table as the database's catalog names it: exact case, columns in their order.

    `sql` is its name with its schema, quoted. `key` are the columns that rows are matched by; empty
    if nothing says which.
    """

    sql: str
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()


class Keys(Struct, frozen=True):
    """Access keys that Redshift reads and writes S3 or DynamoDB with."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(filter(None, (self.secret_access_key, self.session_token)))


def mask(text: str, secrets: tuple[str, ...]) -> str:
    """The text with each secret replaced."""
    for secret in secrets:
        text = text.replace(secret, _MASK).replace(literal(secret)[1:-1], _MASK)
    return text


def quote(identifier: str) -> str:
    """An identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def fold(identifier: str) -> str:
    """An identifier of a definition as the database knows it: lower case unless in quotes."""
    text = identifier.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return text.lower()


def create_staging(table: Target, columns: tuple[tuple[str, str], ...] = ()) -> str:
    """The staging table: as the target, or of columns (name, SQL type) of its own.

    The latter serves a `transformSql` whose input looks unlike its output.
    """
    if columns:
        listed = ", ".join(f"{quote(name)} {kind}" for name, kind in columns)
        return f"CREATE TEMP TABLE {STAGING} ({listed})"
    return f"CREATE TEMP TABLE {STAGING} (LIKE {table.sql} INCLUDING DEFAULTS)"


def sql_type(kind: str) -> str | None:
    """A data format's type in SQL, with Hive's names translated; None for what is no type."""
    if not _TYPE.fullmatch(kind):
        return None
    return _HIVE_TYPES.get(kind.strip().upper(), kind)


def lock(table: Target, mode: InsertMode, dialect: Dialect) -> str | None:
    """Hold off others who would merge into the table at the same time; appending harms nobody."""
    if mode == "APPEND":
        return None
    if dialect == "redshift":
        return f"LOCK {table.sql}"
    return f"LOCK TABLE {table.sql} IN SHARE ROW EXCLUSIVE MODE"


def merge(
    table: Target, mode: InsertMode, transform_sql: str | None, dialect: Dialect
) -> list[str]:
    """Move what was loaded into `staging` on to the table, as the insert mode says.

    Where rows are matched by a key, one row for each key is taken from the input: PostgreSQL keeps
    the last when existing rows are overwritten and the first when they are kept; Redshift loads in
    parallel, so there it is any. A row without a value in a key column matches none.
    """
    statements = []
    source = STAGING
    if transform_sql:
        source = _TRANSFORMED
        query = transform_sql.strip().rstrip(";")
        statements.append(f"CREATE TEMP TABLE {source} (LIKE {table.sql} INCLUDING DEFAULTS)")
        statements.append(f"INSERT INTO {source} {query}")
    columns = ", ".join(map(quote, table.columns))
    plain = f"INSERT INTO {table.sql} ({columns}) SELECT {columns} FROM {source}"
    if mode == "APPEND":
        return [*statements, plain]
    if mode == "TRUNCATE":
        return [*statements, f"DELETE FROM {table.sql}", plain]
    if mode == "OVERWRITE_EXISTING":
        statements.append(_delete(table.sql, source, table.key))
    else:
        statements.append(_delete(source, table.sql, table.key))
    return [*statements, _insert_one_each(table, source, columns, mode, dialect)]


def _delete(victim: str, other: str, key: tuple[str, ...]) -> str:
    same = " AND ".join(f"{victim}.{quote(k)} = {other}.{quote(k)}" for k in key)
    return f"DELETE FROM {victim} USING {other} WHERE {same}"


def _insert_one_each(
    table: Target, source: str, columns: str, mode: InsertMode, dialect: Dialect
) -> str:
    key = ", ".join(map(quote, table.key))
    if dialect == "redshift":
        order = key
    else:
        order = "ctid DESC" if mode == "OVERWRITE_EXISTING" else "ctid"
    missing = "".join(f" OR {quote(k)} IS NULL" for k in table.key)
    return (
        f"INSERT INTO {table.sql} ({columns}) SELECT {columns} FROM (SELECT {columns},"
        f" ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {order}) AS penstock_row"
        f" FROM {source}) AS ranked WHERE penstock_row = 1{missing}"
    )


def copy_from(
    source: str, columns: tuple[str, ...], keys: Keys | None, options: tuple[str, ...]
) -> Statement:
    """Redshift's COPY into `staging` from an `s3://` or `dynamodb://` source."""
    listed = f" ({', '.join(map(quote, columns))})" if columns else ""
    words = [f"COPY {STAGING}{listed} FROM {literal(source)}"]
    return _authorized(words, keys, options)


def unload(query: str, target: str, keys: Keys | None, options: tuple[str, ...]) -> Statement:
    """Redshift's UNLOAD of a query to an `s3://` prefix.

    It may write over the files of an earlier attempt, so that a retry does not fail on them.
    """
    words = [f"UNLOAD ({literal(query)}) TO {literal(target)}"]
    if not _names(options, ("ALLOWOVERWRITE", "CLEANPATH")):
        options = (*options, "ALLOWOVERWRITE")
    return _authorized(words, keys, options)


def select_all(table: Target) -> str:
    """All rows of a table."""
    columns = ", ".join(map(quote, table.columns)) or "*"
    return f"SELECT {columns} FROM {table.sql}"


def primary_key(table: str) -> str:
    """The query for the columns of a table's primary key."""
    return (
        "SELECT a.attname FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_attribute a"
        " ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)"
        f" WHERE c.contype = 'p' AND c.conrelid = {literal(table)}::regclass ORDER BY a.attnum"
    )


def distribution_and_sort_keys(table: str) -> str:
    """The query for the columns that Redshift distributes or sorts a table by."""
    return (
        "SELECT attname FROM pg_catalog.pg_attribute WHERE attnum > 0"
        f" AND attrelid = {literal(table)}::regclass"
        " AND (attisdistkey OR attsortkeyord <> 0) ORDER BY attnum"
    )


def query_group(queue: str) -> str:
    """Redshift's setting that `queue` stands for; it ends with the connection."""
    return f"SET query_group TO {literal(queue)}"


AUTHORIZATION = ("IAM_ROLE", "CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
"""Options of COPY and UNLOAD that say with which rights; ours are left out if one is given."""


def _authorized(words: list[str], keys: Keys | None, options: tuple[str, ...]) -> Statement:
    secrets = quoted_after(options, AUTHORIZATION[1:])
    if keys is not None and not _names(options, AUTHORIZATION):
        parts = [
            f"aws_access_key_id={keys.access_key_id}",
            f"aws_secret_access_key={keys.secret_access_key}",
        ]
        if keys.session_token:
            parts.append(f"token={keys.session_token}")
        words.append(f"CREDENTIALS {literal(';'.join(parts))}")
        secrets = (*secrets, *keys.secrets)
    return Statement(" ".join([*words, *options]), secrets)


def _names(options: tuple[str, ...], names: tuple[str, ...]) -> bool:
    text = re.sub(r"'(?:[^']|'')*'", "''", " ".join(options)).upper()
    return any(re.search(rf"\b{name}\b", text) for name in names)


def quoted_after(options: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """The quoted values of such options, which a user may have written into `commandOptions`."""
    pattern = rf"\b(?:{'|'.join(names)})\s+(?:AS\s+)?'((?:[^']|'')*)'"
    return tuple(re.findall(pattern, " ".join(options), re.IGNORECASE))
