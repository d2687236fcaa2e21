"""Signature Version 4, once for both halves: the client signs with it, the server verifies.

A request is reduced to a canonical text, the text's hash goes into a string to sign, and that is
signed with a key derived from the secret, the day, the region and the service. Source: "AWS
Signature Version 4 for API requests" in the public IAM user guide. Error codes and texts are
those that the original service answers, because scripts match them.

Verification runs for every call, so what repeats is remembered: the parsed `Authorization` header
but for its signature (the same all day for one client), the parsed second, the derived key. All
three memories are bounded and none is written by the request body.
"""

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

from penstock.model.errors import IncompleteSignature, InvalidSignature, MissingAuthentication
from penstock.model.times import MINUTE_MS, Instant, from_datetime, to_datetime

if TYPE_CHECKING:
    from hashlib import _Hash

SERVICE = "datapipeline"
ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
_MUST_BE_SIGNED = (b"x-amz-target", b"x-amz-date", b"x-amz-security-token")
"""What is asked, when, and by whom; unsigned, anybody on the way could swap them."""

MAX_SKEW_MS = 15 * MINUTE_MS

_STAMP = "%Y%m%dT%H%M%SZ"
_REMEMBERED = 4096
_LONGEST_REMEMBERED_BYTES = 1024
_BLOCK_BYTES = 64
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))
_UNRESERVED_SLASH = "/~"
_NOT_BASIC_FORMAT = (
    "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601"
)


class Credentials(Struct, frozen=True):
    """What a client signs with; its representation never shows the secret."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r}, ...)"


class Scope(Struct, frozen=True):
    """The part of an `Authorization` header that stays the same from call to call."""

    access_key_id: str
    date: str
    region: str
    signed_headers: tuple[bytes, ...]
    signed_headers_line: bytes
    line: bytes
    """`date/region/service/aws4_request`, as it stands in the string to sign."""


class Claim(Struct, frozen=True):
    """Who a request says it is from; not to be believed before `check` has returned."""

    scope: Scope
    stamp: str
    signature: bytes
    session_token: str | None

    @property
    def access_key_id(self) -> str:
        """The access key that the request names."""
        return self.scope.access_key_id


def header_map(pairs: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name; a repeated header's values are joined by commas, in order."""
    headers = dict(pairs)
    if len(headers) != len(pairs):
        headers = {}
        for name, value in pairs:
            headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


def read_claim(headers: Mapping[bytes, bytes], now: Instant) -> Claim:
    """What a request's headers claim, with all that can be said without the secret checked.

    Raises MissingAuthentication, IncompleteSignature (the header cannot be understood) or
    InvalidSignature (wrong service or scope, `host` unsigned, more than 15 minutes off).
    """
    authorization = headers.get(b"authorization")
    if not authorization:
        raise MissingAuthentication("Missing Authentication Token")
    stamp, instant = _request_time(headers, authorization)
    head, mark, signature = authorization.rpartition(b"Signature=")
    if not mark or b"," in signature or len(head) > _LONGEST_REMEMBERED_BYTES:
        scope, signature = _parse(authorization)
    else:
        scope = _remembered_scope(head)
        signature = signature.strip()
    if not stamp.startswith(scope.date):
        raise InvalidSignature(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{scope.date}' != '{stamp[:8]}', from '{stamp}'."
        )
    if not -MAX_SKEW_MS <= now - instant <= MAX_SKEW_MS:
        raise InvalidSignature(_skew_text(stamp, instant, now))
    token = headers.get(b"x-amz-security-token")
    return Claim(scope, stamp, signature, token.decode("latin-1") if token else None)


def check(
    claim: Claim,
    secret: str,
    method: str,
    path: bytes,
    query: bytes,
    headers: Mapping[bytes, bytes],
    body: bytes,
) -> None:
    """Raise InvalidSignature unless the request was signed with `secret` as it arrived.

    `path` and `query` are as sent, still percent-encoded.
    """
    payload_hash = sha256(body).hexdigest().encode()
    declared = headers.get(b"x-amz-content-sha256")
    if declared is not None and declared != payload_hash:
        raise InvalidSignature(
            "The value of X-Amz-Content-SHA256 must be the SHA-256 of the body in hexadecimal; "
            f"an unsigned or streamed payload is not accepted. Got '{_text(declared[:100])}'."
        )
    scope = claim.scope
    for name in _MUST_BE_SIGNED:
        if name in headers and name not in scope.signed_headers:
            raise InvalidSignature(
                f"'{name.decode()}' must be a 'SignedHeader' in the AWS Authorization."
            )
    try:
        lines = [
            b"%b:%b\n" % (name, b" ".join(headers[name].split())) for name in scope.signed_headers
        ]
    except KeyError as error:
        raise InvalidSignature(
            f"'{_text(error.args[0])}' is a 'SignedHeader' in the AWS Authorization, but the "
            "request has no such header."
        ) from None
    canonical = _canonical_request(
        method, path, query, lines, scope.signed_headers_line, payload_hash
    )
    to_sign = _string_to_sign(claim.stamp, scope.line, canonical)
    expected = _signature(_keyed(secret, scope.date, scope.region), to_sign)
    if not hmac.compare_digest(expected.encode(), claim.signature):
        raise InvalidSignature(_mismatch_text(canonical, to_sign))


def sign(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    region: str,
    now: Instant,
) -> dict[str, str]:
    """The headers to send: those given, all of them signed, with the date and the signature.

    `headers` must hold `host`; names are lower case. `path` and `query` are as they will be sent.
    """
    stamp = to_datetime(now).strftime(_STAMP)
    signed = {**headers, "x-amz-date": stamp}
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    names = sorted(signed)
    lines = [f"{name}:{' '.join(signed[name].split())}\n".encode() for name in names]
    names_line = ";".join(names)
    scope = f"{stamp[:8]}/{region}/{SERVICE}/{TERMINATOR}"
    canonical = _canonical_request(
        method,
        path.encode(),
        query.encode(),
        lines,
        names_line.encode(),
        sha256(body).hexdigest().encode(),
    )
    key = _keyed(credentials.secret_access_key, stamp[:8], region)
    signature = _signature(key, _string_to_sign(stamp, scope.encode(), canonical))
    signed["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names_line}, Signature={signature}"
    )
    return signed


def signing_key(secret: str, date: str, region: str) -> bytes:
    """The key for one day (`YYYYMMDD`) and region, derived in four steps."""
    key = ("AWS4" + secret).encode()
    for part in (date, region, SERVICE, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _canonical_request(
    method: str,
    path: bytes,
    query: bytes,
    header_lines: Iterable[bytes],
    signed_headers: bytes,
    payload_hash: bytes,
) -> bytes:
    return b"%b\n%b\n%b\n%b\n%b\n%b" % (
        method.encode(),
        b"/" if path == b"/" else canonical_path(path),
        canonical_query(query) if query else b"",
        b"".join(header_lines),
        signed_headers,
        payload_hash,
    )


def _string_to_sign(stamp: str, scope: bytes, canonical: bytes) -> bytes:
    digest = sha256(canonical).hexdigest()
    return b"AWS4-HMAC-SHA256\n%b\n%b\n%b" % (stamp.encode(), scope, digest.encode())


class _Keyed(NamedTuple):
    """HMAC-SHA-256 with its key already taken in: the two hashes, to be copied for each use.

    A copy costs a third of `hmac.digest`, which sets up OpenSSL anew each time: 1.1 us, not 3.6.
    """

    inner: "_Hash"
    outer: "_Hash"


@lru_cache(_REMEMBERED)
def _keyed(secret: str, date: str, region: str) -> _Keyed:
    key = signing_key(secret, date, region).ljust(_BLOCK_BYTES, b"\0")
    return _Keyed(sha256(key.translate(_INNER_PAD)), sha256(key.translate(_OUTER_PAD)))


def _signature(keyed: _Keyed, to_sign: bytes) -> str:
    inner, outer = keyed.inner.copy(), keyed.outer.copy()
    inner.update(to_sign)
    outer.update(inner.digest())
    return outer.hexdigest()


def canonical_path(path: bytes) -> bytes:
    """A path as signed: dots and doubled slashes resolved, then percent-encoded once more."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    slash = b"/" if kept and path.endswith((b"/", b"/.", b"/..")) else b""
    return quote(b"/" + b"/".join(kept) + slash, safe=_UNRESERVED_SLASH).encode()


def canonical_query(query: bytes) -> bytes:
    """A query as signed: names and values encoded strictly, sorted by name, then by value."""
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_strict(name), _strict(value)))
    return b"&".join(name + b"=" + value for name, value in sorted(pairs))


def _strict(text: bytes) -> bytes:
    """The one spelling of a percent-encoded text: all but the unreserved characters encoded."""
    return quote(unquote_to_bytes(text), safe="~").encode()


def _request_time(headers: Mapping[bytes, bytes], authorization: bytes) -> tuple[str, Instant]:
    """When the request says it was signed, as a stamp and as an instant."""
    value = headers.get(b"x-amz-date") or headers.get(b"date")
    if not value:
        raise IncompleteSignature(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            f"Authorization={_without_signature(authorization)}"
        )
    if len(value) > _LONGEST_REMEMBERED_BYTES:
        raise IncompleteSignature(_NOT_BASIC_FORMAT.format(_text(value[:100])))
    return _remembered_time(value)


@lru_cache(_REMEMBERED)
def _remembered_time(value: bytes) -> tuple[str, Instant]:
    text = _text(value).strip()
    try:
        if re.fullmatch(r"\d{8}T\d{6}Z", text, re.ASCII):
            moment = datetime.strptime(text, _STAMP).replace(tzinfo=UTC)
        else:
            moment = parsedate_to_datetime(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        return moment.strftime(_STAMP), from_datetime(moment)
    except (ValueError, TypeError, OverflowError, IndexError):
        raise IncompleteSignature(_NOT_BASIC_FORMAT.format(text)) from None


@lru_cache(_REMEMBERED)
def _remembered_scope(head: bytes) -> Scope:
    return _parse(head + b"Signature=-")[0]


def _parse(authorization: bytes) -> tuple[Scope, bytes]:
    """Take an `Authorization` header apart, whatever the order of its members."""
    text = _text(authorization)
    algorithm, _, rest = text.partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm[:100]}'.")
    members: dict[str, str] = {}
    for part in filter(None, map(str.strip, rest.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise IncompleteSignature(
                f"'{part[:100]}' not a valid key=value pair (missing equal-sign) in Authorization "
                f"header: '{_without_signature(authorization)}'."
            )
        members[name] = value
    wanted = ("Credential", "Signature", "SignedHeaders")
    missing = [name for name in wanted if not members.get(name)]
    if missing:
        raise IncompleteSignature(
            " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
            + f" Authorization={_without_signature(authorization)}"
        )
    scope = _scope(members["Credential"], members["SignedHeaders"])
    return scope, members["Signature"].encode("latin-1")


def _scope(credential: str, signed_headers: str) -> Scope:
    parts = credential.split("/")
    if len(parts) < 5:
        raise IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{credential[:200]}'"
        )
    access_key_id = "/".join(parts[:-4])
    date, region, service, terminator = parts[-4:]
    wrong = []
    if service != SERVICE:
        wrong.append(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if terminator != TERMINATOR:
        wrong.append(
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', "
            f"not '{terminator[:100]}'."
        )
    if not re.fullmatch(r"\d{8}", date, re.ASCII):
        wrong.append(f"Date in Credential scope must be YYYYMMDD, not '{date[:100]}'.")
    names = sorted({name.strip().lower() for name in signed_headers.split(";")} - {""})
    if "host" not in names:
        wrong.append("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    if wrong:
        raise InvalidSignature(" ".join(wrong))
    encoded = tuple(name.encode("latin-1") for name in names)
    line = f"{date}/{region}/{service}/{terminator}".encode("latin-1")
    return Scope(access_key_id, date, region, encoded, b";".join(encoded), line)


def _skew_text(stamp: str, instant: Instant, now: Instant) -> str:
    current = to_datetime(now).strftime(_STAMP)
    if instant < now:
        limit = to_datetime(now - MAX_SKEW_MS).strftime(_STAMP)
        return f"Signature expired: {stamp} is now earlier than {limit} ({current} - 15 min.)"
    limit = to_datetime(now + MAX_SKEW_MS).strftime(_STAMP)
    return f"Signature not yet current: {stamp} is still later than {limit} ({current} + 15 min.)"


def _mismatch_text(canonical: bytes, to_sign: bytes) -> str:
    """Says what should have been signed: it is the caller's own request, and finds most mistakes.

    A session token in it is blotted out, for error texts end up in logs.
    """
    shown = re.sub(rb"(?m)^(x-amz-security-token:).*$", rb"\1***", canonical)
    return (
        "The request signature we calculated does not match the signature you provided. Check your "
        "AWS Secret Access Key and signing method. Consult the service documentation for details."
        f"\n\nThe Canonical String for this request should have been\n'{_text(shown)}'"
        f"\n\nThe String-to-Sign should have been\n'{_text(to_sign)}'\n"
    )


def _without_signature(authorization: bytes) -> str:
    return re.sub(r"Signature=[^,\s]*", "Signature=***", _text(authorization[:500]))


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")
