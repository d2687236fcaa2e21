"""What the service offers to the wire: the face behind which the nineteen operations stand.

`wire` knows only these protocols, so it can be run and tested against any implementation, and the
service never sees HTTP.
"""

import asyncio
from typing import Protocol

from msgspec import Struct

from penstock.model.api import PollForTaskAnswer, Request
from penstock.model.caller import Caller


class Credential(Protocol):
    """An active access key: the secret that signs, and whom it stands for."""

    @property
    def secret(self) -> str:
        """The secret access key, in clear: never logged, never in a text for a caller."""

    @property
    def caller(self) -> Caller:
        """The identity that the key stands for."""


class CredentialLookup(Protocol):
    """Finds the credential of an access key; called for every request, so it must be quick."""

    def __call__(self, access_key_id: str, session_token: str | None) -> Credential | None:
        """The credential, or None when the key is unknown, revoked, or the token is not its own."""


class Service(Protocol):
    """The nineteen operations."""

    async def call(
        self,
        operation: str,
        caller: Caller,
        request: Request,
        gone: asyncio.Future[None] | None,
    ) -> Struct | None:
        """Run one operation; `request` is the struct that `model.api.REQUESTS` names for it.

        None stands for an answer with an empty body (DeletePipeline, SetStatus). `gone` comes with
        PollForTask only; it is done once the client has hung up, or the server stops, and the wait
        is then to end soon with an empty answer. Raises `ApiError`.
        """

    async def undelivered(self, caller: Caller, answer: PollForTaskAnswer) -> None:
        """Take back a task whose answer could not be sent, so that another poll gets it at once."""
