from pathlib import Path

import pytest

from penstock.access.secrets import KEY_FILE, Cipher, SecretsUnreadable, open_cipher

MASTER = bytes(range(32))


def test_what_was_encrypted_opens_again_and_looks_different_each_time() -> None:
    cipher = Cipher(MASTER)
    first, second = cipher.encrypt(b"clear", b"row"), cipher.encrypt(b"clear", b"row")
    assert first != second
    assert b"clear" not in first
    assert cipher.decrypt(first, b"row") == cipher.decrypt(second, b"row") == b"clear"


@pytest.mark.parametrize("spoil", ["context", "key", "text", "short"])
def test_nothing_else_opens(spoil: str) -> None:
    sealed = Cipher(MASTER).encrypt(b"clear", b"row")
    opener = Cipher(bytes(32)) if spoil == "key" else Cipher(MASTER)
    text = {"text": sealed[:-1] + bytes([sealed[-1] ^ 1]), "short": sealed[:5]}.get(spoil, sealed)
    with pytest.raises(SecretsUnreadable, match="put back the key file"):
        opener.decrypt(text, b"other" if spoil == "context" else b"row")


def test_derived_keys_differ_by_purpose_and_stay_the_same() -> None:
    cipher = Cipher(MASTER)
    assert cipher.derive("tasks") == Cipher(MASTER).derive("tasks")
    assert len({cipher.derive("tasks"), cipher.derive("other"), MASTER}) == 3


def test_the_key_file_is_made_once_for_the_owner_only(tmp_path: Path) -> None:
    sealed = open_cipher(tmp_path).encrypt(b"clear")
    path = tmp_path / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_cipher(tmp_path).decrypt(sealed) == b"clear"
    assert [entry.name for entry in tmp_path.iterdir()] == [KEY_FILE]


def test_a_key_file_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    open_cipher(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o604)
    with pytest.raises(SecretsUnreadable, match="chmod 600"):
        open_cipher(tmp_path)


@pytest.mark.parametrize("content", ["", "00ff", "not hex", "é"])
def test_a_damaged_key_file_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / KEY_FILE
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(SecretsUnreadable, match="damaged"):
        open_cipher(tmp_path)
