"""Waiting for a condition: never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE_SECONDS = 60
"""When to give up: only a failing test ever waits so long."""


def eventually(question: Callable[[], Found], what: str) -> Found:
    """The first true answer to a question that is asked again and again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while True:
        if answer := question():
            return answer
        assert time.monotonic() < deadline, f"in vain: {what}"
        pause.wait(0.01)
