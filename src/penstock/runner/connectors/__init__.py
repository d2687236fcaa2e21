"""Databases, behind one small protocol: `connect` opens the one that a definition describes."""

from penstock.runner.connectors.opening import connect
from penstock.runner.connectors.protocol import (
    Connection,
    DatabaseFault,
    Reading,
    Table,
)

__all__ = ["Connection", "DatabaseFault", "Reading", "Table", "connect"]
