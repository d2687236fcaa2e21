"""SQL Server through python-tds and Oracle through oracledb, both without libraries of the system.

These two were written against the drivers' documentation and are tested against stand-ins of the
drivers only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.connectors.address import Address
from penstock.runner.connectors.dbapi import DbapiConnection, Driver, sentence
from penstock.runner.connectors.protocol import UNREACHABLE, DatabaseFault
from penstock.runner.libraries import library

CONNECT_SECONDS = 30
"""How long a server may take to answer."""


def open_sql_server(address: Address, _node: PipelineObject, _context: Context) -> DbapiConnection:
    """Connect to SQL Server; raises `TaskFailed`."""
    pytds = library("pytds", "sqlserver", "A SQL Server database")
    options: dict[str, Any] = {}
    if address.properties.get("encrypt", "").lower() in ("true", "strict"):
        options["cafile"] = address.properties.get("cafile") or _authorities()
        trusting = address.properties.get("trustservercertificate", "").lower() == "true"
        options["validate_host"] = not trusting
    instance = address.properties.get("instancename")

    def connect() -> Any:
        return pytds.connect(
            dsn=f"{address.host}\\{instance}" if instance else address.host,
            port=None if instance else address.port,
            database=address.database,
            user=address.user,
            password=address.password,
            login_timeout=CONNECT_SECONDS,
            autocommit=False,
            **options,
        )

    raw = _reached(connect, address, pytds.Error)
    driver = Driver("sqlserver", pytds.Error, marks="[]")
    # The driver has no call for another thread; closing the socket ends what runs.
    return DbapiConnection(raw, driver, raw.close)


def open_oracle(address: Address, _node: PipelineObject, _context: Context) -> DbapiConnection:
    """Connect to Oracle; raises `TaskFailed`."""
    oracledb = library("oracledb", "oracle", "An Oracle database")
    dsn = address.properties.get("dsn") or oracledb.makedsn(
        address.host,
        address.port,
        sid=address.properties.get("sid"),
        service_name=address.database or None,
    )

    def connect() -> Any:
        return oracledb.connect(user=address.user, password=address.password, dsn=dsn)

    raw = _reached(connect, address, oracledb.Error)
    return DbapiConnection(raw, Driver("oracle", oracledb.Error, "numeric"), raw.cancel)


def _reached(connect: Callable[[], Any], address: Address, error: Any) -> Any:
    try:
        return connect()
    except (error, OSError) as raised:
        text = str(raised)
        text = text.replace(address.password, "***") if address.password else text
        message = f"{address.shown} cannot be reached: {sentence(text)}"
        raise DatabaseFault(UNREACHABLE, message) from None


def _authorities() -> str | None:
    import ssl

    return ssl.get_default_verify_paths().cafile
