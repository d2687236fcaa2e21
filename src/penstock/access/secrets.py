"""The server's master key and what is made from it: encryption at rest, and signing keys.

One random master, in a file beside the database, from which a key for each purpose is derived. So a
copy of the database without that file tells no secret, and no task id can be forged from it.
"""

import hmac
import os
from collections.abc import Callable
from pathlib import Path

KEY_FILE = "secret.key"
_MASTER_BYTES = 32
_NONCE_BYTES = 12
_FINGERPRINT_DIGITS = 32

RandomBytes = Callable[[int], bytes]


class SecretsUnreadable(Exception):
    """What is encrypted does not open with this master key, or the key file is unusable."""


class Cipher:
    """Encrypts with AES-256-GCM, and derives keys for other purposes, all from one master key."""

    def __init__(self, master: bytes, random_bytes: RandomBytes = os.urandom) -> None:
        self._master = master
        self._random_bytes = random_bytes
        self._encryption_key = self.derive("encryption at rest")

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, always the same; from it no other can be found.

        It is the first block of HKDF-Expand (RFC 5869); the master is random already, so there is
        nothing to extract.
        """
        return hmac.digest(self._master, b"penstock " + purpose.encode() + b"\x01", "sha256")

    @property
    def fingerprint(self) -> str:
        """Tells master keys apart, and nothing about them."""
        return self.derive("fingerprint").hex()[:_FINGERPRINT_DIGITS]

    def encrypt(self, clear: bytes, context: bytes = b"") -> bytes:
        """Nonce and cipher text; it opens only with the same `context`, so rows cannot be swapped.

        Nonces are random: fine for far more secrets than a server will ever keep.
        """
        # Imported here: it takes a tenth of the start-up time, and most commands never need it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self._random_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._encryption_key).encrypt(nonce, clear, context)

    def decrypt(self, sealed: bytes, context: bytes = b"") -> bytes:
        """What was encrypted; raises SecretsUnreadable if key, context or text are not the same."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self._encryption_key).decrypt(nonce, rest, context)
        except (InvalidTag, ValueError):
            raise SecretsUnreadable(
                f"a secret in the database does not open with this {KEY_FILE}; "
                "put back the key file that belongs to the database"
            ) from None


def open_cipher(data_dir: Path, random_bytes: RandomBytes = os.urandom) -> Cipher:
    """The cipher of a data directory; its key file, for the owner only, is made if missing.

    Raises SecretsUnreadable when the file is damaged or open to everybody.
    """
    return open_key_file(data_dir / KEY_FILE, random_bytes)


def open_key_file(
    path: Path, random_bytes: RandomBytes = os.urandom, may_make: bool = True
) -> Cipher:
    """The cipher of a key file, which is made if it is missing and may be.

    Raises SecretsUnreadable when it is missing, damaged, or open to everybody.
    """
    if not path.exists():
        if not may_make:
            raise SecretsUnreadable(
                f"{path} is missing, and with it the key to the secrets in the database; put it "
                "back, or copy it from a server that uses the same database (--key-file names it)"
            )
        _make_key_file(path, random_bytes)
    # Others, not the group: volumes of containers are often given to a group.
    if path.stat().st_mode & 0o007:
        raise SecretsUnreadable(f"{path} can be read by everybody; run: chmod 600 {path}")
    try:
        master = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        master = b""
    if len(master) != _MASTER_BYTES:
        raise SecretsUnreadable(f"{path} is damaged: it must hold {_MASTER_BYTES * 2} hex digits")
    return Cipher(master, random_bytes)


def _make_key_file(path: Path, random_bytes: RandomBytes) -> None:
    """Write a new key, whole or not at all; of two processes at once, the first one's stays."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(random_bytes(_MASTER_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
