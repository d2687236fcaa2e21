"""MySQL and MariaDB, through PyMySQL.

Rows are read as the text that the server sends, without a detour over Python's types, and are
loaded by LOAD DATA LOCAL where the server allows it. It turns what it cannot store into warnings,
so a load with warnings is undone and fails.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.connectors.address import Address
from penstock.runner.connectors.dbapi import DbapiConnection, Driver, sentence
from penstock.runner.connectors.names import split_name
from penstock.runner.connectors.protocol import (
    CONNECTION_LOST,
    STATEMENT_FAILED,
    UNREACHABLE,
    DatabaseFault,
    Reading,
    Table,
)
from penstock.runner.libraries import library
from penstock.runner.records.batches import Batch, Rows, as_bytes
from penstock.runner.records.formats import TSV, Column
from penstock.runner.records.malformed import malformed

CONNECT_SECONDS = 30
"""How long a server may take to answer."""

_LOST_CODES = (0, 2006, 2013, 2014, 2055, 4031, 1927)
_SHOWN_WARNINGS = 3
_PACKET_BYTES = 64 * 1024
_ROW = re.compile(r"at row (\d+)$")

_TABLE = """
SELECT t.table_schema, t.table_name, t.engine, c.column_name, c.column_type
FROM information_schema.columns c JOIN information_schema.tables t
ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = COALESCE(%s, DATABASE()) AND c.table_name = %s
ORDER BY c.ordinal_position
"""


def open_mysql(address: Address, _node: PipelineObject, _context: Context) -> MysqlConnection:
    """Connect; raises `TaskFailed`."""
    pymysql = library("pymysql", "mysql", "A MySQL database")
    options: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "password": address.password,
        "database": address.database or None,
        "charset": "utf8mb4",
        "connect_timeout": CONNECT_SECONDS,
        # Values come as the text that the server sent.
        "conv": dict(pymysql.converters.encoders),
        "ssl": _encryption(address.properties),
    }
    if address.host.startswith("/"):
        options["unix_socket"] = address.host
    try:
        raw = _loading(pymysql)(local_infile=True, **options)
    except (pymysql.Error, OSError) as error:
        message = f"{address.shown} cannot be reached: {sentence(_text(error))}"
        raise DatabaseFault(UNREACHABLE, message) from None
    return MysqlConnection(raw, pymysql, options)


def _encryption(properties: dict[str, str]) -> ssl.SSLContext | None:
    """What the JDBC driver's properties say of encryption: none unless it is asked for."""
    mode = properties.get("sslMode", properties.get("sslmode", "")).upper().replace("-", "_")
    asked = any(
        properties.get(key, "").lower() == "true" for key in ("useSSL", "requireSSL", "useSsl")
    )
    if mode in ("", "DISABLED", "DISABLE", "PREFERRED") and not asked:
        return None
    context = ssl.create_default_context(cafile=properties.get("serverSslCert"))
    verified = properties.get("verifyServerCertificate", "").lower() == "true"
    if mode in ("VERIFY_IDENTITY", "VERIFY_FULL"):
        return context
    context.check_hostname = False
    if mode != "VERIFY_CA" and not verified:
        context.verify_mode = ssl.CERT_NONE
    return context


def _loading(pymysql: Any) -> Any:
    """The driver's connection, except that LOAD DATA LOCAL gets rows of ours.

    As the driver has it, a server may ask for any file of the client's. This one never opens a
    file: the server gets what `load` has laid ready, or nothing.
    """
    connections = pymysql.connections

    class Result(connections.MySQLResult):  # type: ignore[misc, name-defined]
        def _read_load_local_packet(self, first_packet: Any) -> None:
            connection = self.connection
            content, connection.laid_ready = connection.laid_ready, iter(())
            try:
                for piece in content:
                    connection.write_packet(piece)
            except BaseException:
                # Half a load must not look like a whole one.
                connection._force_close()
                raise
            connection.write_packet(b"")
            packet = connection._read_packet()
            self._read_ok_packet(packet)

    class Loading(connections.Connection):  # type: ignore[misc, name-defined]
        laid_ready: Iterator[bytes] = iter(())

        def _read_query_result(self, unbuffered: bool = False) -> int:
            if unbuffered:
                return int(super()._read_query_result(True))
            self._result = None
            result = Result(self)
            result.read()
            self._result = result
            if result.server_status is not None:
                self.server_status = result.server_status
            return int(result.affected_rows)

    return Loading


class MysqlConnection(DbapiConnection):
    """A connection to MySQL or MariaDB."""

    def __init__(self, raw: Any, pymysql: Any, options: dict[str, Any]) -> None:
        driver = Driver("mysql", (pymysql.Error, OSError), marks="``")
        super().__init__(raw, driver, self._kill)
        self._pymysql = pymysql
        self._options = options
        self._thread = raw.thread_id()
        with self._errors(), self._cursor() as cursor:
            # A value that does not fit is an error, not the nearest that does.
            cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")

    def _kill(self) -> None:
        with self._pymysql.connect(**self._options) as other, other.cursor() as cursor:
            cursor.execute(f"KILL QUERY {int(self._thread)}")

    def commit_each(self) -> None:
        """As `DbapiConnection.commit_each`."""
        with self._errors():
            self._raw.autocommit(True)

    def table(self, name: str, schema: str | None) -> Table | None:
        """As `Connection.table`."""
        wanted, table = split_name(name, schema)
        with self._errors(), self._cursor() as cursor:
            cursor.execute(_TABLE, (wanted, table))
            rows = cursor.fetchall()
        if not rows:
            return None
        columns = tuple(Column(row[3], row[4].upper()) for row in rows)
        transactional = rows[0][2] in (None, "InnoDB", "RocksDB", "ndbcluster", "SEQUENCE")
        return Table(".".join(map(self.quote, rows[0][:2])), columns, transactional)

    def read(self, query: str, form: str) -> Reading:
        """As `Connection.read`; rows are not kept by the driver."""
        cursor = self._raw.cursor(self._pymysql.cursors.SSCursor)
        with self._errors():
            cursor.execute(query)
        names = self._pymysql.constants.FIELD_TYPE
        kinds = {getattr(names, name): name for name in dir(names) if name.isupper()}
        columns = tuple(
            Column(each[0], _KINDS.get(kinds.get(each[1], ""), "")) for each in cursor.description
        )
        return Reading(columns, self._fetched(cursor))

    def load(self, table: Table, columns: Sequence[Column], batches: Iterable[Batch]) -> int:
        """As `Connection.load`, by LOAD DATA LOCAL if the server allows it."""
        with self._errors(), self._cursor() as cursor:
            cursor.execute("SELECT @@local_infile")
            allowed = cursor.fetchone()[0] not in ("0", "OFF", 0)
        if not allowed:
            return super().load(table, columns, batches)
        noted: list[tuple[int, str, int]] = []
        self._raw.laid_ready = _packets(batches, len(columns), noted)
        names = ", ".join(self.quote(column.name) for column in columns)
        statement = (
            f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {table.name} CHARACTER SET utf8mb4"
            r" FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'"
            f" ({names})"
        )
        with self._errors(), self._cursor() as cursor:
            cursor.execute(statement)
            count = int(cursor.rowcount)
        self._refuse_warnings(noted)
        return count

    def _refuse_warnings(self, noted: list[tuple[int, str, int]]) -> None:
        """Fail if the server has changed or left out a row; it says so only by warnings."""
        with self._errors(), self._cursor() as cursor:
            cursor.execute("SHOW WARNINGS")
            found = [row for row in cursor.fetchall() if row[0] != "Note"]
        if not found:
            return
        message = sentence("; ".join(str(row[2]) for row in found[:_SHOWN_WARNINGS]))
        place = _ROW.search(str(found[0][2]))
        before = [each for each in noted if place and each[0] < int(place[1])]
        if place and before and before[-1][1]:
            start, file, line = before[-1]
            raise malformed(file, line + int(place[1]) - start - 1, None, message)
        raise DatabaseFault(STATEMENT_FAILED, message, str(found[0][1]))

    def _fault(self, error: Exception) -> DatabaseFault:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else -1
        lost = code in _LOST_CODES or isinstance(error, OSError)
        error_id = CONNECTION_LOST if lost else STATEMENT_FAILED
        return DatabaseFault(error_id, sentence(_text(error)), str(code))


_KINDS = {
    "TINY": "INT",
    "SHORT": "INT",
    "LONG": "INT",
    "LONGLONG": "BIGINT",
    "INT24": "INT",
    "YEAR": "INT",
    "FLOAT": "DOUBLE",
    "DOUBLE": "DOUBLE",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP",
}


def _packets(
    batches: Iterable[Batch], width: int, noted: list[tuple[int, str, int]]
) -> Iterator[bytes]:
    """The rows as LOAD DATA reads them; where each file's rows begin goes to `noted`."""
    count = 0
    for batch in batches:
        content = _as_loaded(batch, width)
        noted.append((count, batch.file, batch.line))
        count += content.count(b"\n")
        for start in range(0, len(content), _PACKET_BYTES):
            yield content[start : start + _PACKET_BYTES]


def _as_loaded(batch: Batch, width: int) -> bytes:
    if isinstance(batch, Rows):
        batch = Rows([[_number(value) for value in row] for row in batch.values])
    return as_bytes(batch, TSV, width)


def _number(value: Any) -> Any:
    """A truth as MySQL stores it."""
    return int(value) if isinstance(value, bool) else value


def _text(error: Exception) -> str:
    return str(error.args[1]) if len(error.args) > 1 else str(error)
