"""Accounts, users and access keys: made, listed, revoked, and found for each call.

Secrets are kept encrypted. They must be kept, not hashed: Signature Version 4 proves that the
caller has the secret by a computation that the server repeats.
"""

import base64
import random
import re
from collections.abc import Callable

from msgspec import Struct

from penstock.access.secrets import Cipher
from penstock.model.caller import Caller
from penstock.model.times import SECOND_MS, Instant
from penstock.store.identity import AccountRecord, IdentityStore, KeyRecord, UserRecord

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ID_ALPHABET = _LETTERS + "234567"
_SECRET_ALPHABET = _LETTERS + _LETTERS.lower() + "0123456789+/"
_CHECK_EVERY_MS = SECOND_MS


class Credential(Struct, frozen=True):
    """An active access key; its representation never shows the secret."""

    access_key_id: str
    secret: str
    caller: Caller

    def __repr__(self) -> str:
        return f"Credential({self.access_key_id!r}, ...)"

    def as_profile(self, name: str) -> str:
        """A section of an AWS credentials file."""
        return (
            f"[{name}]\n"
            f"aws_access_key_id = {self.access_key_id}\n"
            f"aws_secret_access_key = {self.secret}"
        )


class Directory:
    """Who is who. `find` runs for every call: it answers from memory.

    What another process changes (a key revoked by a command while the server runs) is noticed
    within a second, by a version number in the store. A distant store is never asked by `find`,
    which would hold up all other calls: somebody has to call `refresh` each second instead, and a
    new key is known only then.
    """

    def __init__(
        self,
        store: IdentityStore,
        cipher: Cipher,
        clock: Callable[[], Instant],
        randomness: random.Random | None = None,
        distant: bool = False,
    ) -> None:
        """`randomness` makes ids and secrets; by default it is the system's."""
        self._distant = distant
        self._store = store
        self._cipher = cipher
        self._clock = clock
        self._random = randomness or random.SystemRandom()
        self._found: dict[str, Credential] = {}
        self._version = -1
        self._checked_at = 0

    def find(self, access_key_id: str, session_token: str | None) -> Credential | None:
        """The credential of an active key; None for any other.

        There are no temporary credentials yet, so whoever sends a session token is unknown.
        """
        if self._distant:
            return self._found.get(access_key_id) if session_token is None else None
        now = self._clock()
        if abs(now - self._checked_at) >= _CHECK_EVERY_MS:  # Clocks are set back, too.
            self.refresh()
            self._checked_at = now
        if session_token is not None:
            return None
        return self._found.get(access_key_id) or self._load(access_key_id)

    def refresh(self) -> None:
        """Look for what has changed; raises what the store raises, and then nothing is forgotten.

        May be called from any thread.
        """
        version = self._store.version()
        if version == self._version:
            return
        if self._distant:
            every = self._store.keys()
            self._found = {each.access_key_id: self._open(each) for each in every if each.active}
        else:
            self._found.clear()
        self._version = version

    def create_account(self, name: str) -> AccountRecord:
        """A new account with a random id of twelve digits."""
        account_id = self._random.choice("123456789") + self._draw("0123456789", 11)
        account = AccountRecord(account_id, name, self._clock())
        self._store.add_account(account)
        return account

    def create_user(self, account_id: str, name: str) -> UserRecord:
        """A new user of an account; raises AlreadyExists if the account has one of that name."""
        user = UserRecord("AIDA" + self._draw(_ID_ALPHABET, 17), account_id, name, self._clock())
        self._store.add_user(user)
        return user

    def create_key(
        self, user: UserRecord, access_key_id: str | None = None, secret: str | None = None
    ) -> Credential:
        """A new access key, random unless given; the only time that its secret is told.

        Raises ValueError for a given id or secret of the wrong form, AlreadyExists for a taken id.
        """
        key_id = access_key_id or "AKIA" + self._draw(_ID_ALPHABET, 16)
        clear = secret or self._draw(_SECRET_ALPHABET, 40)
        if not re.fullmatch(r"\w{16,128}", key_id, re.ASCII):
            raise ValueError("an access key id has 16 to 128 letters, digits or underscores")
        if not re.fullmatch(r"[!-~]{8,128}", clear):
            raise ValueError(
                "a secret access key has 8 to 128 printable ASCII characters, no blank"
            )
        sealed = self._cipher.encrypt(clear.encode(), key_id.encode())
        self._store.add_key(
            KeyRecord(
                key_id,
                base64.b64encode(sealed).decode(),
                self._clock(),
                None,
                user.user_id,
                user.user_name,
                user.account_id,
            )
        )
        self.refresh()
        return Credential(key_id, clear, _caller(key_id, user))

    def revoke_key(self, access_key_id: str) -> bool:
        """End a key for good, at once here; False if there is no such active key."""
        revoked = self._store.revoke_key(access_key_id, self._clock())
        self.refresh()
        return revoked

    def remove_key(self, access_key_id: str) -> bool:
        """End a key and forget it, at once here; False if there is none, active or not."""
        removed = self._store.remove_key(access_key_id)
        self.refresh()
        return removed

    def lookup(self, access_key_id: str) -> Credential | None:
        """The credential of an active key as the store has it now, which may be distant."""
        record = self._store.find_key(access_key_id)
        return self._open(record) if record is not None and record.active else None

    def keys(self) -> list[KeyRecord]:
        """All keys, oldest first, the revoked ones too."""
        return self._store.keys()

    def accounts(self) -> list[AccountRecord]:
        """All accounts, oldest first."""
        return self._store.accounts()

    def users(self) -> list[UserRecord]:
        """All users, oldest first."""
        return self._store.users()

    def _load(self, access_key_id: str) -> Credential | None:
        record = self._store.find_key(access_key_id)
        if record is None or not record.active:
            return None
        credential = self._found[access_key_id] = self._open(record)
        return credential

    def _open(self, record: KeyRecord) -> Credential:
        sealed = base64.b64decode(record.encrypted_secret)
        key_id = record.access_key_id
        secret = self._cipher.decrypt(sealed, key_id.encode()).decode()
        return Credential(key_id, secret, _caller(key_id, record))

    def _draw(self, alphabet: str, length: int) -> str:
        return "".join(self._random.choice(alphabet) for _ in range(length))


def _caller(access_key_id: str, user: UserRecord | KeyRecord) -> Caller:
    return Caller(user.account_id, user.user_id, user.user_name, access_key_id)
