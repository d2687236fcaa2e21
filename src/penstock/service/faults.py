"""Defects in the log: the trace as text, whatever renderer the process has set up.

A renderer that is given the exception itself may show local variables: secrets among them, and
whole tables of rows.
"""

import traceback
from typing import Any

import structlog

_log = structlog.get_logger("penstock.service")


def log_fault(what: str, **facts: Any) -> None:
    """Log the exception that is being handled."""
    _log.error(what, exception=traceback.format_exc(), **facts)


def log_outage(reason: str, **facts: Any) -> None:
    """Log that the database did not do what was asked; that is no defect, so there is no trace."""
    _log.error("database unavailable", reason=reason, **facts)
