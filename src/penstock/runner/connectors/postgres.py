"""PostgreSQL, and Redshift as far as it is PostgreSQL, through psycopg.

Rows travel by COPY in both directions. What comes out is passed on as the server wrote it, and
what goes in is what the file holds, wherever both sides mean the same by it. Redshift has no COPY
from or to its client: there rows are fetched by a cursor, and inserted.
"""

from __future__ import annotations

import io
import re
import select
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.connectors.address import Address
from penstock.runner.connectors.dbapi import FETCHED_ROWS, DbapiConnection, Driver, sentence
from penstock.runner.connectors.lexing import put_placeholders
from penstock.runner.connectors.names import split_name
from penstock.runner.connectors.protocol import (
    CONNECTION_LOST,
    STATEMENT_FAILED,
    UNREACHABLE,
    DatabaseFault,
    Reading,
    Table,
)
from penstock.runner.errors import TaskFailed
from penstock.runner.libraries import library
from penstock.runner.records.batches import Batch, as_bytes
from penstock.runner.records.blocks import BLOCK_BYTES, PLAIN, QUOTED, Block, grammar
from penstock.runner.records.formats import PURE_CSV, TSV, Column, Format
from penstock.runner.records.malformed import malformed

CONNECT_SECONDS = 30
"""How long a server may take to answer."""

_PASSED_ON = ("sslmode", "sslrootcert", "sslcert", "sslkey", "options", "gssencmode")
_DIFFERENT_ESCAPES = re.compile(rb"\\[0-7x.]")
_PLACE = re.compile(r"^COPY .*?, line (\d+)(?:, column ([^:]+))?")

_TABLE = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND a.attnum > 0 AND NOT a.attisdropped
AND lower(c.relname) = lower(%(table)s)
AND CASE WHEN %(schema)s::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
    ELSE lower(n.nspname) = lower(%(schema)s) END
ORDER BY c.relname = %(table)s DESC, c.relname = lower(%(table)s) DESC, c.oid, a.attnum
"""


def open_postgres(address: Address, _node: PipelineObject, _context: Context) -> PostgresConnection:
    """Connect; raises `TaskFailed`."""
    what = "A Redshift database" if address.kind == "redshift" else "A PostgreSQL database"
    psycopg = library("psycopg", "postgres", what)
    options = {key: value for key, value in address.properties.items() if key in _PASSED_ON}
    options |= _translated(address.properties)
    try:
        raw = psycopg.connect(
            host=address.host,
            port=address.port,
            dbname=address.database or address.user,
            user=address.user or None,
            password=address.password or None,
            client_encoding="utf8",
            connect_timeout=CONNECT_SECONDS,
            application_name=address.properties.get("ApplicationName", "penstock"),
            prepare_threshold=None,
            **options,
        )
    except psycopg.Error as error:
        message = f"{address.shown} cannot be reached: {sentence(_secretless(error, address))}"
        raise DatabaseFault(UNREACHABLE, message) from None
    return PostgresConnection(raw, psycopg, address.kind)


def _translated(properties: dict[str, str]) -> dict[str, str]:
    """Properties of the JDBC driver in libpq's words.

    `ssl=true` means a verified certificate there, unless the factory that verifies none is named.
    """
    options: dict[str, str] = {}
    if properties.get("ssl", "false").lower() in ("true", "") and "sslmode" not in properties:
        trusting = properties.get("sslfactory", "").endswith("NonValidatingFactory")
        options["sslmode"] = "require" if trusting else "verify-full"
        if not trusting and "sslrootcert" not in properties:
            options["sslrootcert"] = "system"
    if schema := properties.get("currentSchema"):
        path = schema.replace("\\", "\\\\").replace(" ", "\\ ")
        options["options"] = f"{properties.get('options', '')} -c search_path={path}".strip()
    return options


def _secretless(error: Exception, address: Address) -> str:
    text = str(error)
    return text.replace(address.password, "***") if address.password else text


class PostgresConnection(DbapiConnection):
    """A connection to PostgreSQL or Redshift."""

    def __init__(self, raw: Any, psycopg: Any, kind: str) -> None:
        driver = Driver(kind, psycopg.Error)
        super().__init__(raw, driver, lambda: raw.cancel_safe(timeout=CONNECT_SECONDS))
        self._psycopg = psycopg

    @property
    def copies(self) -> bool:
        """Whether the server copies from and to its client."""
        return self.kind == "postgresql"

    def execute(self, statement: str, arguments: Sequence[str] = ()) -> int:
        """As `Connection.execute`.

        Arguments are put in here: statements that define something take none at the server.
        """
        text: str | bytes = statement.encode()
        if arguments:
            text = put_placeholders(statement, self.kind, "format")
        with self._errors(), self._psycopg.ClientCursor(self._raw) as cursor:
            cursor.execute(text, tuple(arguments) or None)
            return int(cursor.rowcount)

    def table(self, name: str, schema: str | None) -> Table | None:
        """As `Connection.table`."""
        wanted, table = split_name(name, schema)
        with self._errors():
            rows = self._raw.execute(_TABLE, {"schema": wanted, "table": table}).fetchall()
        if not rows:
            return None
        first = rows[0][:2]
        columns = tuple(Column(row[2], row[3].upper()) for row in rows if row[:2] == first)
        return Table(".".join(map(self.quote, first)), columns)

    def read(self, query: str, form: str) -> Reading:
        """As `Connection.read`."""
        columns = self._describe(query)
        if self.copies and form:
            return Reading(columns, self._copy_out(query, form))
        cursor = self._raw.cursor(name="penstock")
        cursor.itersize = FETCHED_ROWS
        with self._errors():
            cursor.execute(query.encode())
        return Reading(columns, self._fetched(cursor))

    def _describe(self, query: str) -> tuple[Column, ...]:
        """The columns of a query's result, without running it."""
        pgconn = self._raw.pgconn
        with self._errors():
            # Outside of the driver's own cursors no transaction is begun.
            self._raw.execute("SELECT 1")
        self._checked(pgconn.prepare(b"", query.encode()))
        found = self._checked(pgconn.describe_prepared(b""))
        types = self._raw.adapters.types
        columns = []
        for index in range(found.nfields):
            known = types.get(found.ftype(index))
            name = (found.fname(index) or b"").decode()
            columns.append(Column(name, known.name.upper() if known else "TEXT"))
        return tuple(columns)

    def _checked(self, result: Any) -> Any:
        pq = self._psycopg.pq
        if result.status not in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
            return result
        field = pq.DiagnosticField
        message = (result.error_field(field.MESSAGE_PRIMARY) or result.error_message).decode()
        code = (result.error_field(field.SQLSTATE) or b"").decode()
        raise self._described_fault(message, code)

    def _copy_out(self, query: str, form: str) -> Iterator[Batch]:
        """The rows of a query as the server writes them.

        Each message is a row; a loop of our own over libpq takes a third of the time of the
        driver's, which sets up a generator for each.
        """
        ours, options = (PURE_CSV, "FORMAT csv") if form == "CSV" else (TSV, "FORMAT text")
        statement = f"COPY ({query.strip().rstrip(';')}\n) TO STDOUT ({options})"
        pgconn, status = self._raw.pgconn, self._psycopg.pq.ExecStatus
        pgconn.send_query(statement.encode())
        if self._checked(self._result()).status != status.COPY_OUT:
            raise DatabaseFault(STATEMENT_FAILED, "The query gives no rows to copy.")
        for content in self._messages():
            marked = b'"' in content or b"\r" in content if form == "CSV" else b"\\" in content
            yield Block(content, ours, QUOTED if marked else PLAIN)
        self._checked(self._result())
        while self._result() is not None:
            pass

    def _messages(self) -> Iterator[bytes]:
        """What the server sends, some hundred kilobytes at a time."""
        take, broken = self._raw.pgconn.get_copy_data, self._psycopg.Error
        held, size = io.BytesIO(), 0
        while True:
            try:
                count, data = take(1)
            except broken as error:
                raise self._fault(error) from error
            if count > 0:
                held.write(data)
                size += count
                if size < BLOCK_BYTES:
                    continue
            elif count == 0:
                self._wait()
                continue
            if size:
                yield held.getvalue()
                held, size = io.BytesIO(), 0
            if count < 0:
                return

    def _result(self) -> Any:
        pgconn = self._raw.pgconn
        while pgconn.is_busy():
            self._wait()
        return pgconn.get_result()

    def _wait(self) -> None:
        try:
            select.select([self._raw.pgconn.socket], [], [])
            self._raw.pgconn.consume_input()
        except self._psycopg.Error as error:
            raise self._fault(error) from error

    def load(self, table: Table, columns: Sequence[Column], batches: Iterable[Batch]) -> int:
        """As `Connection.load`, by COPY."""
        if not self.copies:
            return super().load(table, columns, batches)
        batches = iter(batches)
        first = next(batches, None)
        if first is None:
            return 0
        form = _accepted(first)
        names = ", ".join(self.quote(column.name) for column in columns)
        statement = f"COPY {table.name} ({names}) FROM STDIN ({_options(form)})"
        places = _Places()
        width = len(columns)
        with self._errors(places), self._cursor() as cursor:
            with cursor.copy(statement.encode()) as copy:
                while first is not None:
                    content = _as_copied(first, form, width)
                    places.note(first, content)
                    copy.write(content)
                    first = next(batches, None)
            return int(cursor.rowcount)

    def _errors(self, places: _Places | None = None) -> Any:
        return _Errors(self, places)

    def translate(self, error: Exception, places: _Places | None) -> NoReturn:
        """Raise the failure for an error of the driver's."""
        place = places.find(error) if places else None
        if place is None:
            raise self._fault(error) from error
        file, line, column = place
        raise malformed(file, line, column, sentence(_message(error))) from error

    def _fault(self, error: Exception) -> DatabaseFault:
        return self._described_fault(_message(error), getattr(error, "sqlstate", None) or "")

    def _described_fault(self, message: str, code: str) -> DatabaseFault:
        lost = self._raw.pgconn.status != self._psycopg.pq.ConnStatus.OK or code in (
            "57P01",
            "57P02",
            "08006",
        )
        return DatabaseFault(CONNECTION_LOST if lost else STATEMENT_FAILED, sentence(message), code)


class _Errors:
    """Translates the driver's errors within a block."""

    def __init__(self, connection: PostgresConnection, places: _Places | None) -> None:
        self._connection = connection
        self._places = places

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, self._connection._psycopg.Error):
            self._connection.translate(error, self._places)


class _Places:
    """Which line of which file a line of the stream was."""

    def __init__(self) -> None:
        self._noted: list[tuple[int, str, int]] = []
        self._lines = 0
        self._uncounted = 0

    def note(self, batch: Batch, content: bytes) -> None:
        """Remember where the next content comes from."""
        if not self._lines and isinstance(batch, Block) and batch.format.quoted:
            # The server does not count line feeds within the first record: it has not yet seen
            # how lines end.
            first = grammar(PURE_CSV).record.match(content)
            self._uncounted = first[0].count(b"\n") - 1 if first else 0
        if batch.file:
            self._noted.append((self._lines, batch.file, batch.line))
        self._lines += content.count(b"\n")

    def find(self, error: Any) -> tuple[str, int, str | None] | None:
        """File, line and column that an error of the server's is about."""
        match = _PLACE.match(getattr(error.diag, "context", None) or "")
        if match is None:
            return None
        number = int(match[1]) - 1
        number += self._uncounted if number else 0
        before = [noted for noted in self._noted if noted[0] <= number]
        if not before:
            return None
        start, file, line = before[-1]
        return file, line + number - start, match[2]


def _message(error: Any) -> str:
    diagnosis = getattr(error, "diag", None)
    if diagnosis is None or not diagnosis.message_primary:
        return str(error)
    return ". ".join(filter(None, (diagnosis.message_primary, diagnosis.message_detail)))


def _accepted(batch: Batch) -> Format:
    """The format to speak to the server: that which the batch is in already, if it can be."""
    if not isinstance(batch, Block) or batch.format.quoted:
        return PURE_CSV
    separator = batch.format.separator
    simple = len(separator) == 1 and separator.isascii() and not separator.isalnum()
    return Format("TSV", separator=separator) if simple and separator not in "\\.\r\n" else TSV


def _options(form: Format) -> str:
    if form.quoted:
        return "FORMAT csv"
    delimiter = form.separator.replace("'", "''")
    return f"FORMAT text, DELIMITER '{delimiter}'"


def _as_copied(batch: Batch, form: Format, width: int) -> bytes:
    if isinstance(batch, Block) and _is_understood(batch, form):
        return batch.content
    return as_bytes(batch, form, width)


def _is_understood(block: Block, form: Format) -> bool:
    """Whether the server reads a block as we would."""
    source, content = block.format, block.content
    if (source.separator, source.quoted, source.record_separator) != (
        form.separator,
        form.quoted,
        "\n",
    ):
        return False
    if b"\r" in content:
        return False
    if form.quoted:
        return block.care == PLAIN or (
            block.care == QUOTED and (not source.escape or b"\\" not in content)
            and (not source.escape or source.escape.encode() not in content)
        )  # fmt: skip
    return source.escape == "\\" and not _DIFFERENT_ESCAPES.search(content)


def check_kind(connection: Any) -> PostgresConnection:
    """The connection, if it is one to PostgreSQL or Redshift; raises `TaskFailed`."""
    if isinstance(connection, PostgresConnection):
        return connection
    raise TaskFailed(
        "InvalidDatabase", f"This needs PostgreSQL or Redshift, not {connection.kind}."
    )
