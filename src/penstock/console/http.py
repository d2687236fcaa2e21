"""As much of HTTP as the console needs: a request's parts, and answers that give nothing away."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MOST_FORM_BYTES = 8 * 1024
_MOST_FORM_FIELDS = 10

HTML = "text/html; charset=utf-8"

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# Referrers within the site stay: without them a browser names no origin when it posts a form.
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class BadRequest(Exception):
    """A form that no page of ours sends."""


class Request(Struct, frozen=True):
    """What a page looks at; `path` is decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    address: str
    secure: bool

    def cookie(self, name: str) -> str:
        """A cookie's value, or nothing."""
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(self.headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            return ""
        morsel = jar.get(name)
        return morsel.value if morsel is not None else ""

    @property
    def own_origin(self) -> bool:
        """Whether a page of this very site sent it, as far as the browser tells.

        Only the host is compared: a proxy may speak TLS for the server.
        """
        host = self.headers.get(b"host", b"").decode("latin-1").lower()
        origin = self.headers.get(b"origin")
        if origin is not None:
            return bool(host) and urlsplit(origin.decode("latin-1").lower()).netloc == host
        return self.headers.get(b"sec-fetch-site") == b"same-origin"


class Answer(Struct, frozen=True):
    """An answer; `headers` are those beyond the ones that every answer has."""

    status: int
    body: bytes = b""
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    cache: str = "no-store"


def request_of(scope: Message) -> Request:
    """The request that an ASGI scope describes."""
    client = scope.get("client") or ("",)
    query = scope["query_string"].decode("latin-1")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in scope["headers"]},
        address=str(client[0]),
        secure=scope.get("scheme") == "https",
    )


def redirect(place: str, *headers: tuple[str, str]) -> Answer:
    """Go there with GET."""
    return Answer(303, headers=(("location", place), *headers))


def cookie_header(name: str, value: str, seconds: int, secure: bool) -> tuple[str, str]:
    """A header that sets a cookie which no script and no other site can use."""
    flags = "; Secure" if secure else ""
    return (
        "set-cookie",
        f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{flags}",
    )


async def read_form(receive: Receive) -> dict[str, str]:
    """The fields of a small form; raises `BadRequest` for anything else."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if len(body) > _MOST_FORM_BYTES:
            raise BadRequest("the form is too long")
        if not message.get("more_body"):
            break
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FORM_FIELDS
        )
    except ValueError:
        raise BadRequest("the body is no form") from None
    return dict(fields)


async def send_answer(send: Send, answer: Answer, with_body: bool) -> None:
    """Send an answer with the headers that all have; the body not for HEAD."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
        (b"cache-control", answer.cache.encode()),
        *SECURITY_HEADERS,
        *((name.encode(), value.encode("ascii")) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})
