"""The console as an ASGI application: who may see what, and where.

Nobody sees anything without a session, and each page is asked for in its caller's name, so another
account's pipeline is as unknown as one that never was.
"""

import traceback
from typing import Any
from urllib.parse import quote

import structlog

from penstock.console.http import (
    HTML,
    Answer,
    BadRequest,
    Message,
    Receive,
    Request,
    Send,
    cookie_header,
    read_form,
    redirect,
    request_of,
    send_answer,
)
from penstock.console.rendering import assets, render
from penstock.console.sessions import SESSION_MS, FailedSignIns, Sessions
from penstock.console.views import PAGES, Page
from penstock.model.caller import Caller
from penstock.model.errors import PipelineDeleted, PipelineNotFound
from penstock.service.api import CredentialLookup
from penstock.service.context import Context
from penstock.service.watching import NoSuchObject

COOKIE = "penstock-session"
_FOREVER = "public, max-age=31536000, immutable"
_STATIC = "/static/"

_log = structlog.get_logger("penstock.console")


class Console:
    """Answers what is not the API's."""

    def __init__(self, context: Context, credentials: CredentialLookup, sign_key: bytes) -> None:
        """`sign_key` signs sessions: secret, and the same for all servers of a database."""
        self._context = context
        self._sessions = Sessions(credentials, sign_key, context.clock)
        self._failed = FailedSignIns(context.clock)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; anything that is not HTTP is none of ours."""
        if scope["type"] != "http":
            return
        request = request_of(scope)
        try:
            answer = await self._answer(request, receive)
        except BadRequest as error:
            answer = await self._error(None, 400, "That did not work", str(error))
        except Exception:  # noqa: BLE001 - whatever it is, the visitor gets a page
            # As text, because a renderer given the exception itself may show local variables.
            _log.error("page failed", path=request.path, exception=traceback.format_exc())
            answer = Answer(500, b"The console failed on this page; the server's log says why.\n")
        await send_answer(send, answer, with_body=request.method != "HEAD")

    async def _answer(self, request: Request, receive: Receive) -> Answer:
        if request.method == "POST" and request.path in ("/sign-in", "/sign-out"):
            if not request.own_origin:
                text = "This form was not sent by a page of this console, so it was not looked at."
                return await self._error(None, 403, "Refused", text)
            if request.path == "/sign-out":
                return redirect("/sign-in", cookie_header(COOKIE, "", 0, request.secure))
            return await self._sign_in(request, await read_form(receive))
        if request.method not in ("GET", "HEAD"):
            place = f"{request.method} {request.path[:200]}"
            text = f"There is nothing at {place}; calls of the API are POST /."
            return await self._error(None, 404, "Nothing there", text)
        if request.path.startswith(_STATIC):
            return _asset(request.path.removeprefix(_STATIC))
        caller = self._sessions.caller(request.cookie(COOKIE))
        if request.path == "/sign-in":
            return redirect("/") if caller is not None else await self._sign_in_page(request)
        if caller is None:
            return _to_sign_in(request)
        return await self._page(request, caller)

    async def _sign_in(self, request: Request, form: dict[str, str]) -> Answer:
        key, place = form.get("key", "").strip(), _own_place(form.get("next", ""))
        wait = self._failed.wait_seconds(request.address)
        if wait:
            minutes = -(-wait // 60)
            text = f"Too many failed attempts from your address. Try again in {minutes} min."
            page = await self._sign_in_page(request, 429, text, key, place)
            return Answer(429, page.body, headers=(("retry-after", str(wait)),))
        token = self._sessions.open(key, form.get("secret", "").strip())
        if token is None:
            self._failed.add(request.address)
            _log.warning("sign-in failed", address=request.address)
            text = "This access key is not active here, or the secret is not its own."
            return await self._sign_in_page(request, 403, text, key, place)
        return redirect(place, cookie_header(COOKIE, token, SESSION_MS // 1000, request.secure))

    async def _sign_in_page(
        self, request: Request, status: int = 200, problem: str = "", key: str = "", place: str = ""
    ) -> Answer:
        wanted = place or _own_place(request.query.get("next", ""))
        data = {"problem": problem, "key": key, "next": wanted}
        return await self._show(Page("sign-in.html", data, status=status), None)

    async def _page(self, request: Request, caller: Caller) -> Answer:
        for pattern, view in PAGES:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            try:
                page = await view(self._context, caller, request, match.groups())
            except (PipelineNotFound, PipelineDeleted):
                text = "Your account has no such pipeline. It may have been deleted."
                return await self._error(caller, 404, "No such pipeline", text)
            except NoSuchObject:
                text = "The pipeline has no such component or instance."
                return await self._error(caller, 404, "No such object", text)
            return await self._show(page, caller)
        return await self._error(caller, 404, "Nothing here", "There is no page at this address.")

    async def _error(self, caller: Caller | None, status: int, title: str, text: str) -> Answer:
        page = Page("error.html", {"title": title, "text": text}, status=status)
        return await self._show(page, caller)

    async def _show(self, page: Page, caller: Caller | None) -> Answer:
        """Make a page; in a thread, since the first one loads the templates."""
        data: dict[str, Any] = {
            **page.data,
            "caller": caller,
            "now": self._context.clock(),
            "refresh_seconds": page.refresh_seconds,
        }
        body = await self._context.compute(lambda: render(page.template, data))
        return Answer(page.status, body, HTML)


def _asset(name: str) -> Answer:
    found = assets().get(name)
    if found is None:
        return Answer(404, b"There is no such file.\n", "text/plain; charset=utf-8")
    return Answer(200, found.body, found.content_type, cache=_FOREVER)


def _to_sign_in(request: Request) -> Answer:
    place = quote(request.path, safe="/@")
    return redirect("/sign-in" if place == "/" else f"/sign-in?next={quote(place, safe='')}")


def _own_place(place: str) -> str:
    r"""A path of this site, to go to after signing in; `/` for anything that could lead elsewhere.

    Browsers take `//host` and `/\host` for other sites, and drop tabs and line breaks.
    """
    harmless = place.startswith("/") and place[1:2] not in ("/", "\\")
    return place if harmless and place.isascii() and place.isprintable() else "/"
