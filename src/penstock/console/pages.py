"""Placeholder until the console stands."""

from typing import Any


class Console:
    """Answers what is not the API's."""

    def __init__(self, context: object, credentials: object) -> None:
        self._context = context

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})
