"""A server without its socket: pipelines made by the operations, pages asked for by ASGI."""

import asyncio
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from penstock.access.identity import Credential
from penstock.app import App
from penstock.config import Settings
from penstock.console.site import Console
from penstock.language.forms import from_cli
from penstock.model.api import ALL_REQUESTS
from penstock.model.caller import Caller
from penstock.service.server import PenstockService

NOW = 1_715_680_800_000
"""2024-05-14T10:00:00."""

KEY, SECRET = "AKIACONSOLE234567", "a-secret-of-the-first-user"


class Seen(msgspec.Struct):
    """What a visitor got."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def cookie(self) -> str:
        """What the browser would send back."""
        return self.headers["set-cookie"].partition(";")[0]


class Scene:
    """The parts of a server, a clock to be set, and a loop to run them in."""

    def __init__(self, directory: Path) -> None:
        self.now = NOW
        environ = {"PENSTOCK_ACCESS_KEY_ID": KEY, "PENSTOCK_SECRET_ACCESS_KEY": SECRET}
        settings = Settings(data_dir=directory, allow_backfill=True)
        self.app = App.open(settings, lambda: self.now, environ)
        first = self.app.first_credential
        assert first is not None
        self.caller = first.caller
        self.console = Console(self.app.context, self.app.directory.find, b"sign key")
        self._loop = asyncio.new_event_loop()
        self._service = PenstockService(self.app.context)
        self._run(self._service.start())

    def close(self) -> None:
        self._run(self._service.stop())
        self._loop.close()
        self.app.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    def call(self, operation: str, caller: Caller | None = None, **members: Any) -> Any:
        """Run an operation with members in the wire's spelling."""
        request = msgspec.convert(members, ALL_REQUESTS[operation])
        return self._run(self._service.call(operation, caller or self.caller, request, None))

    def pipeline(
        self,
        name: str,
        *objects: dict[str, Any],
        activate: bool = True,
        caller: Caller | None = None,
        **more: Any,
    ) -> str:
        """A pipeline with a definition in the command line's form; its id."""
        created = self.call("CreatePipeline", caller, name=name, uniqueId=name)
        key: str = created.pipeline_id
        definition = msgspec.to_builtins(from_cli({"objects": list(objects), **more}))
        put = self.call("PutPipelineDefinition", caller, pipelineId=key, **definition)
        assert not put.errored, put
        if activate:
            self.call("ActivatePipeline", caller, pipelineId=key)
        return key

    def do_task(self, error: str | None = None) -> str:
        """Take a task of the worker group `wg` and end it; the attempt's id."""
        task = self.call("PollForTask", workerGroup="wg", hostname="host-1").task_object
        self.call("ReportTaskProgress", taskId=task.task_id)
        outcome = {"taskStatus": "FINISHED"}
        if error is not None:
            outcome = {"taskStatus": "FAILED", "errorId": "Bad", "errorMessage": error}
        self.call("SetTaskStatus", taskId=task.task_id, **outcome)
        name: str = task.attempt_id
        return name

    def other_account(self) -> Credential:
        """A key of another account."""
        account = self.app.directory.create_account("another")
        return self.app.directory.create_key(
            self.app.directory.create_user(account.account_id, "eve")
        )

    def ask(
        self, method: str, path: str, body: bytes = b"", client: str = "192.0.2.1", **headers: str
    ) -> Seen:
        """One request; header names are written with underscores."""
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": query.encode(),
            "client": (client, 50_000),
            "headers": [
                (b"host", b"penstock.example:8780"),
                *((k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()),
            ],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        self._run(self.console(scope, receive, send))
        start, content = sent
        got = {name.decode(): value.decode() for name, value in start["headers"]}
        return Seen(start["status"], got, content["body"].decode())

    def sign_in(self, key: str = KEY, secret: str = SECRET, **form: str) -> Seen:
        """Send the form as a browser does."""
        body = urlencode({"key": key, "secret": secret, **form}).encode()
        return self.ask("POST", "/sign-in", body, origin="http://penstock.example:8780")

    def visit(self, path: str, key: str = KEY, secret: str = SECRET) -> Seen:
        """A page as a signed-in visitor sees it."""
        return self.ask("GET", path, cookie=self.sign_in(key, secret).cookie)


def words_of(page: str) -> str:
    """The text of a page, without its tags."""
    main = page[page.index("<main") :]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


DEFAULT = {"id": "Default", "scheduleType": "ondemand", "workerGroup": "wg", "maximumRetries": "0"}
DAYS = {"id": "Days", "type": "Schedule", "period": "1 day", "occurrences": "3"}
DAYS_AGO = "2024-05-11T00:00:00"


def shell(key: str, command: str = "true", /, **more: Any) -> dict[str, Any]:
    return {"id": key, "type": "ShellCommandActivity", "command": command, **more}
