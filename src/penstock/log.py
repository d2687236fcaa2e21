"""How the server's log is written: one line an event, to standard error, traces without values."""

import logging
import sys

import structlog


def configure_log(level: int = logging.INFO) -> None:
    """Set up structlog; `level` is one of `logging`'s.

    Traces are plain text: a renderer that shows local variables would show secrets with them.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
