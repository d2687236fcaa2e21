"""Task ids: opaque, signed, so that a forged one is refused without a database read."""

import base64
import binascii
import hmac
from hashlib import blake2b

import msgspec

from penstock.model.errors import TaskNotFound
from penstock.model.runtime import TaskKey

_MAC_BYTES = 16
_decoder = msgspec.msgpack.Decoder(TaskKey)


class TaskIds:
    """Writes and reads task ids with the server's signing key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _mac(self, payload: bytes) -> bytes:
        # BLAKE2 takes a key by itself, and costs a quarter of an HMAC over so short a text.
        return blake2b(payload, key=self._key, digest_size=_MAC_BYTES).digest()

    def encode(self, key: TaskKey) -> str:
        """The id that a runner holds."""
        payload = msgspec.msgpack.encode(key)
        return base64.urlsafe_b64encode(self._mac(payload) + payload).decode("ascii")

    def decode(self, text: str, account_id: str) -> TaskKey:
        """What an id stands for; raises `TaskNotFound` unless we wrote it for this account."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii"))
        except (UnicodeEncodeError, binascii.Error):
            raise TaskNotFound(
                "the task id is malformed; give it back as PollForTask gave it"
            ) from None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise TaskNotFound("the task id is not one of this server's")
        key = _decoder.decode(payload)
        if key.account_id != account_id:
            raise TaskNotFound("the task belongs to another account")
        return key
