"""Who has signed in: sessions that prove themselves, and a brake on guessing.

A session is a signed text in a cookie, so a server remembers none and any number of servers share
them. It names an access key, which is looked up at each request: a revoked key ends its sessions.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable

from penstock.model.caller import Caller
from penstock.model.times import HOUR_MS, MINUTE_MS, Instant
from penstock.service.api import CredentialLookup

SESSION_MS = 12 * HOUR_MS
MOST_FAILURES = 10
FAILURES_FORGOTTEN_MS = 15 * MINUTE_MS
ADDRESSES_REMEMBERED = 4096


class Sessions:
    """Opens sessions for those who know a key's secret, and recognizes them again."""

    def __init__(
        self, credentials: CredentialLookup, sign_key: bytes, clock: Callable[[], Instant]
    ) -> None:
        """`sign_key` must be secret, and used for nothing else."""
        self._credentials = credentials
        self._sign_key = sign_key
        self._clock = clock

    def open(self, access_key_id: str, secret: str) -> str | None:
        """A session's token, or None if the key is not active or the secret not its own."""
        credential = self._credentials(access_key_id, None)
        # An unknown key takes as long as a wrong secret.
        expected = credential.secret if credential is not None else ""
        right = hmac.compare_digest(expected.encode(), secret.encode())
        if credential is None or not right:
            return None
        claim = f"{access_key_id}.{self._clock() + SESSION_MS}"
        return f"{claim}.{self._sign(claim)}"

    def caller(self, token: str) -> Caller | None:
        """Whom a token stands for; None if it is forged, expired, or its key is revoked."""
        claim, _, signature = token.rpartition(".")
        # Compared as bytes: what comes from outside may hold any character.
        if not hmac.compare_digest(self._sign(claim).encode(), signature.encode()):
            return None
        access_key_id, _, expires_at = claim.rpartition(".")
        if int(expires_at) <= self._clock():
            return None
        credential = self._credentials(access_key_id, None)
        return credential.caller if credential is not None else None

    def _sign(self, claim: str) -> str:
        return hmac.digest(self._sign_key, claim.encode("utf-8", "replace"), "sha256").hex()


class FailedSignIns:
    """Failed sign-ins by client address; an address with too many is turned away for a while.

    It is bounded, the longest unseen address being forgotten first: a secret has 40 random
    characters, so the brake keeps logs quiet and a processor free rather than secrets safe.
    """

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, Instant]] = OrderedDict()

    def wait_seconds(self, address: str) -> int:
        """How long the address has to wait before it may try again; 0 for not at all."""
        count, since = self._failures.get(address, (0, 0))
        left = since + FAILURES_FORGOTTEN_MS - self._clock()
        return -(-left // 1000) if count >= MOST_FAILURES and left > 0 else 0

    def add(self, address: str) -> None:
        """Count a failure; the time runs from an address's first."""
        now = self._clock()
        count, since = self._failures.pop(address, (0, now))
        if since + FAILURES_FORGOTTEN_MS <= now:
            count, since = 0, now
        self._failures[address] = (count + 1, since)
        if len(self._failures) > ADDRESSES_REMEMBERED:
            self._failures.popitem(last=False)
