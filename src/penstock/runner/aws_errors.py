"""What AWS says when it refuses, as the failure of a task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.runner.errors import TaskFailed

_NUMBERS = {"403": "AccessDenied", "404": "NotFound", "400": "BadRequest"}
"""Answers without a body tell only their HTTP status."""


@contextmanager
def aws_failures(subject: str) -> Iterator[None]:
    """Turn errors of botocore into `TaskFailed`: errorId is AWS's own word for what was wrong.

    `subject` begins the sentence, such as `s3://bucket/key`.
    """
    from botocore.exceptions import (  # type: ignore[import-untyped]
        BotoCoreError,
        ClientError,
    )

    try:
        yield
    except ClientError as error:
        code = error_code(error)
        text = error.response.get("Error", {}).get("Message") or "refused"
        raise TaskFailed(code, f"{subject}: {code}: {text}") from error
    except BotoCoreError as error:
        raise TaskFailed(type(error).__name__, f"{subject}: {error}") from error


def error_code(error: Exception) -> str:
    """AWS's word for an error; for one of the network, the name of its class."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return type(error).__name__
    code = str(response.get("Error", {}).get("Code") or "Unknown")
    return _NUMBERS.get(code, code)
