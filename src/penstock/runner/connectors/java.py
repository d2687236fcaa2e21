"""Any other database, through its JDBC driver and a Java machine in this process (JPype).

The machine is started once for a runner's life, and each driver's JAR gets a class loader of its
own, so two drivers do not see each other.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.connectors.address import INVALID_DATABASE, Address
from penstock.runner.connectors.dbapi import DbapiConnection, Driver, sentence
from penstock.runner.connectors.protocol import (
    CONNECTION_LOST,
    STATEMENT_FAILED,
    UNREACHABLE,
    DatabaseFault,
)
from penstock.runner.errors import LocationError, TaskFailed
from penstock.runner.libraries import library

_starting = threading.Lock()
_CHECK_SECONDS = 5


def open_jdbc(address: Address, node: PipelineObject, context: Context) -> DbapiConnection:
    """Connect through the JAR at `jdbcDriverJarUri`; raises `TaskFailed`."""
    java = _machine()
    uri, name = node.string("jdbcDriverJarUri"), node.string("jdbcDriverClass")
    if not uri or not name:
        message = f"{address.shown} needs jdbcDriverJarUri and jdbcDriverClass for its JDBC driver."
        raise TaskFailed(INVALID_DATABASE, message)
    jar = context.directory / f"driver-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.jar"
    try:
        context.mover.download(uri, jar)
    except LocationError as error:
        raise TaskFailed(INVALID_DATABASE, f"The JDBC driver's JAR: {error}") from error
    properties = java.JClass("java.util.Properties")()
    for key, value in address.properties.items():
        properties.setProperty(key, value)
    if address.user:
        properties.setProperty("user", address.user)
        properties.setProperty("password", address.password)
    try:
        driver = _driver(java, jar, name)
        raw = driver.connect(address.url, properties)
    except java.JException as error:
        text = str(error).replace(address.password, "***") if address.password else str(error)
        message = f"{address.shown} cannot be reached: {sentence(text)}"
        raise DatabaseFault(UNREACHABLE, message) from None
    if raw is None:
        raise TaskFailed(INVALID_DATABASE, f"{name} does not understand {address.shown}.")
    return JdbcConnection(raw, java)


def _machine() -> Any:
    java = library("jpype", "jdbc", "A database without a driver of ours")
    with _starting:
        if not java.isJVMStarted():
            try:
                java.startJVM("-Xrs", convertStrings=True)
            except (java.JVMNotFoundException, OSError) as error:
                message = f"JDBC drivers need Java, and none was found: {error}"
                raise TaskFailed("MissingLibrary", sentence(message)) from error
    return java


def _driver(java: Any, jar: Path, name: str) -> Any:
    location = java.JClass("java.io.File")(str(jar)).toURI().toURL()
    urls = java.JArray(java.JClass("java.net.URL"))([location])
    loader = java.JClass("java.net.URLClassLoader")(urls)
    try:
        kind = java.JClass("java.lang.Class").forName(name, True, loader)
    except java.JException as error:
        message = f"The JAR at jdbcDriverJarUri has no class {name}."
        raise TaskFailed(INVALID_DATABASE, message) from error
    return kind.getDeclaredConstructor().newInstance()


class _Cursor:
    """As much of a cursor of Python's database API as is used, over JDBC statements."""

    def __init__(self, connection: JdbcConnection, java: Any) -> None:
        self._connection = connection
        self._java = java
        self._statement: Any = None
        self._results: Any = None
        self.description: list[tuple[str]] | None = None
        self.rowcount = -1

    def execute(self, text: str, arguments: Sequence[Any] = ()) -> None:
        """Run a statement."""
        self._statement = self._prepared(text)
        self._statement.setFetchSize(1_000)
        self._put(arguments)
        if self._statement.execute():
            self._results = self._statement.getResultSet()
            data = self._results.getMetaData()
            self._width = data.getColumnCount()
            self.description = [(str(data.getColumnLabel(i + 1)),) for i in range(self._width)]
        else:
            self.rowcount = int(self._statement.getUpdateCount())

    def executemany(self, text: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row, in one batch."""
        self._statement = self._prepared(text)
        for row in rows:
            self._put(row)
            self._statement.addBatch()
        self._statement.executeBatch()

    def fetchmany(self, count: int) -> list[tuple[str | None, ...]]:
        """The next rows; all values are text."""
        rows: list[tuple[str | None, ...]] = []
        take, width = self._results.getString, range(1, self._width + 1)
        while len(rows) < count and self._results.next():
            rows.append(tuple(None if (v := take(i)) is None else str(v) for i in width))
        return rows

    def close(self) -> None:
        """Close the statement."""
        self._connection.running = None
        if self._statement is not None:
            self._statement.close()

    def _prepared(self, text: str) -> Any:
        statement = self._connection.java_connection.prepareStatement(text)
        self._connection.running = statement
        return statement

    def _put(self, arguments: Sequence[Any]) -> None:
        for index, value in enumerate(arguments, 1):
            if value is None:
                self._statement.setObject(index, None)
            else:
                self._statement.setString(index, str(value))


class _Raw:
    """A JDBC connection in the shape of Python's database API."""

    def __init__(self, connection: Any, java: Any, owner: JdbcConnection) -> None:
        self._connection = connection
        self._java = java
        self._owner = owner
        self.commit = connection.commit
        self.rollback = connection.rollback
        self.close = connection.close

    def cursor(self) -> _Cursor:
        return _Cursor(self._owner, self._java)


class JdbcConnection(DbapiConnection):
    """A connection through a JDBC driver. All values are text on their way."""

    def __init__(self, raw: Any, java: Any) -> None:
        raw.setAutoCommit(False)
        self.java_connection = raw
        self.running: Any = None
        self._java = java
        driver = Driver("jdbc", java.JException, "qmark")
        super().__init__(_Raw(raw, java, self), driver, self._cancel_statement)

    def commit_each(self) -> None:
        """As `DbapiConnection.commit_each`."""
        self.java_connection.setAutoCommit(True)

    def quote(self, name: str) -> str:
        """As `Connection.quote`, with the mark that the database says it has."""
        mark = str(self.java_connection.getMetaData().getIdentifierQuoteString()).strip()
        return mark + name.replace(mark, mark * 2) + mark if mark else name

    def _cancel_statement(self) -> None:
        if self.running is not None:
            self.running.cancel()

    def _fault(self, error: Any) -> DatabaseFault:
        code, lost = "", False
        with suppress(Exception):
            code = str(error.getSQLState() or "")
            lost = code.startswith("08") or not self.java_connection.isValid(_CHECK_SECONDS)
        message = sentence(str(error.getMessage() or error))
        return DatabaseFault(CONNECTION_LOST if lost else STATEMENT_FAILED, message, code)
