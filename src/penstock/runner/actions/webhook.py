"""Alarms to a webhook: a signed POST of JSON.

Whoever writes a definition chooses the URL, and the server calls it: so that nobody reaches by it
what only the server can (its neighbours, the metadata service of a cloud), a host must have public
addresses only, unless the operator has named it. The address that was judged is the one that is
called, and a redirect is not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

from penstock.runner.errors import TaskFailed

TIMEOUT_SECONDS = 30.0
SIGNATURE_HEADER = "X-Penstock-Signature"

Resolve = Callable[[str, int], list[str]]
"""The addresses of a host."""


class Webhooks:
    """Calls webhooks. `hosts` are those that may have any address, and be called by `http://`.

    With a `secret` the body's HMAC (SHA-256) goes with it, so that the receiver knows the sender.
    """

    def __init__(
        self,
        hosts: frozenset[str] = frozenset(),
        secret: str | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._hosts = hosts
        self._secret = secret
        self._resolve = resolve or addresses

    def post(self, url: str, alarm_id: str, content: Mapping[str, str]) -> None:
        """Post once; raises `TaskFailed` unless it is answered with a status of 200 to 299."""
        parts = _split(url)
        host = parts.hostname or ""
        named = host in self._hosts
        if parts.scheme != "https" and not named:
            raise TaskFailed("WebhookRefused", f"{_shown(parts)}: a webhook is called by https://")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = self._address(parts, host, port, named)
        body = json.dumps(content).encode()
        status = self._call(parts, address, port, body, self._headers(parts, alarm_id, body))
        if not 200 <= status < 300:
            raise TaskFailed("WebhookFailed", f"{_shown(parts)} answered with status {status}")

    def _address(self, parts: SplitResult, host: str, port: int, named: bool) -> str:
        try:
            found = self._resolve(host, port)
        except OSError as error:
            raise TaskFailed("WebhookFailed", f"{_shown(parts)}: {error.strerror}") from error
        inner = [each for each in found if not ipaddress.ip_address(each).is_global]
        if inner and not named:
            message = (
                f"{_shown(parts)} is at {inner[0]}, which is not public; the server's operator can"
                f" allow it with --webhook-host {host}"
            )
            raise TaskFailed("WebhookRefused", message)
        return found[0]

    def _headers(self, parts: SplitResult, alarm_id: str, body: bytes) -> dict[str, str]:
        headers = {
            "Host": parts.netloc.rpartition("@")[2],
            "Content-Type": "application/json",
            "Idempotency-Key": alarm_id,
        }
        if self._secret:
            digest = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
            headers[SIGNATURE_HEADER] = f"sha256={digest}"
        return headers

    def _call(
        self, parts: SplitResult, address: str, port: int, body: bytes, headers: Mapping[str, str]
    ) -> int:
        connection: http.client.HTTPConnection = http.client.HTTPConnection(
            address, port, timeout=TIMEOUT_SECONDS
        )
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            if parts.scheme == "https":
                connection.sock = _secured(address, port, parts.hostname or "")
            connection.request("POST", target, body, dict(headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise TaskFailed("WebhookFailed", f"{_shown(parts)}: {reason}") from error
        finally:
            connection.close()


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system resolves it; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _secured(address: str, port: int, host: str) -> ssl.SSLSocket:
    plain = socket.create_connection((address, port), TIMEOUT_SECONDS)
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise TaskFailed("InvalidTopic", f"topicArn is no URL: {error}") from error
    if not parts.hostname:
        raise TaskFailed("InvalidTopic", "topicArn names no host")
    return parts


def _shown(parts: SplitResult) -> str:
    """The host alone: path and query of a webhook are often its secret."""
    return f"{parts.scheme}://{parts.hostname}"
