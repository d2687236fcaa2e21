import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.access.identity import Credential, Directory
from penstock.access.secrets import Cipher, SecretsUnreadable
from penstock.store.identity import AlreadyExists, SqliteIdentityStore
from penstock.store.migrate import migrate

NOW = 1_351_468_800_000


class Desk:
    """A directory over a database file, with a clock to be set; several may share the file."""

    def __init__(self, path: Path, master: bytes = bytes(32), seed: int = 1) -> None:
        self.now = NOW
        self.path = path
        self.store = SqliteIdentityStore(self._connect)
        self.directory = Directory(
            self.store, Cipher(master), lambda: self.now, random.Random(seed)
        )

    def new_key(self, **given: str) -> Credential:
        account = self.directory.create_account("an account")
        user = self.directory.create_user(account.account_id, "somebody")
        return self.directory.create_key(user, **given)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "penstock.db"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, NOW)
    connection.close()
    return path


@pytest.fixture
def desk(path: Path) -> Iterator[Desk]:
    desk = Desk(path)
    yield desk
    desk.store.close()


@pytest.fixture
def other_process(path: Path) -> Iterator[Desk]:
    desk = Desk(path, seed=2)
    yield desk
    desk.store.close()


def test_a_new_key_has_the_forms_that_clients_know(desk: Desk) -> None:
    credential = desk.new_key()
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", credential.access_key_id)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", credential.secret)
    assert re.fullmatch(r"[1-9]\d{11}", credential.caller.account_id)
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", credential.caller.user_id)
    assert credential.caller.arn == f"arn:aws:iam::{credential.caller.account_id}:user/somebody"


def test_a_key_is_found_with_its_secret_and_its_user(desk: Desk) -> None:
    credential = desk.new_key()
    assert desk.directory.find(credential.access_key_id, None) == credential
    assert desk.directory.find(credential.access_key_id.lower(), None) is None
    assert desk.directory.find("AKIAUNKNOWNUNKNOWN22", None) is None


def test_a_session_token_belongs_to_nobody(desk: Desk) -> None:
    credential = desk.new_key()
    assert desk.directory.find(credential.access_key_id, "token") is None


def test_the_secret_stands_nowhere_in_clear(desk: Desk, path: Path) -> None:
    credential = desk.new_key()
    assert credential.secret not in repr(credential)
    assert credential.secret not in repr(desk.directory.keys())
    for file in path.parent.iterdir():
        assert credential.secret.encode() not in file.read_bytes()


def test_the_first_key_may_be_given(desk: Desk) -> None:
    credential = desk.new_key(access_key_id="MY_OWN_ACCESS_KEY", secret="my-own-secret")
    found = desk.directory.find("MY_OWN_ACCESS_KEY", None)
    assert found is not None
    assert found.secret == credential.secret == "my-own-secret"


@pytest.mark.parametrize(
    "given",
    [
        {"access_key_id": "short"},
        {"access_key_id": "has a blank in it"},
        {"secret": "short"},
        {"secret": "with a blank"},
    ],
)
def test_a_given_key_of_the_wrong_form_is_refused(desk: Desk, given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="has"):
        desk.new_key(**given)
    assert desk.directory.keys() == []


def test_names_are_unique_where_they_must_be(desk: Desk) -> None:
    credential = desk.new_key(access_key_id="MY_OWN_ACCESS_KEY")
    (user,) = desk.directory.users()
    with pytest.raises(AlreadyExists, match="'somebody'"):
        desk.directory.create_user(user.account_id, "somebody")
    with pytest.raises(AlreadyExists, match="'MY_OWN_ACCESS_KEY'"):
        desk.directory.create_key(user, access_key_id="MY_OWN_ACCESS_KEY")
    assert desk.directory.find("MY_OWN_ACCESS_KEY", None) == credential


def test_a_revoked_key_opens_nothing_and_stays_listed(desk: Desk) -> None:
    credential = desk.new_key()
    desk.directory.find(credential.access_key_id, None)
    assert desk.directory.revoke_key(credential.access_key_id)
    assert desk.directory.find(credential.access_key_id, None) is None
    (listed,) = desk.directory.keys()
    assert listed.revoked_at == NOW
    assert not desk.directory.revoke_key(credential.access_key_id)
    assert not desk.directory.revoke_key("AKIAUNKNOWNUNKNOWN22")


def test_another_process_revoking_is_noticed_within_a_second(
    desk: Desk, other_process: Desk
) -> None:
    credential = desk.new_key()
    assert desk.directory.find(credential.access_key_id, None) is not None
    other_process.directory.revoke_key(credential.access_key_id)
    desk.now += 1_000
    assert desk.directory.find(credential.access_key_id, None) is None


def test_a_clock_set_back_does_not_keep_a_revoked_key_alive(
    desk: Desk, other_process: Desk
) -> None:
    credential = desk.new_key()
    assert desk.directory.find(credential.access_key_id, None) is not None
    other_process.directory.revoke_key(credential.access_key_id)
    desk.now -= 3_600_000
    assert desk.directory.find(credential.access_key_id, None) is None


def test_a_key_made_by_another_process_is_found_at_once(desk: Desk, other_process: Desk) -> None:
    credential = other_process.new_key()
    assert desk.directory.find(credential.access_key_id, None) == credential


def test_a_change_that_fails_changes_no_version(desk: Desk) -> None:
    desk.new_key(access_key_id="MY_OWN_ACCESS_KEY")
    (user,) = desk.directory.users()
    before = desk.store.version()
    with pytest.raises(AlreadyExists):
        desk.directory.create_key(user, access_key_id="MY_OWN_ACCESS_KEY")
    assert desk.store.version() == before


def test_the_wrong_master_key_is_told(desk: Desk, path: Path) -> None:
    credential = desk.new_key()
    stranger = Desk(path, master=b"x" * 32)
    with pytest.raises(SecretsUnreadable):
        stranger.directory.find(credential.access_key_id, None)
    stranger.store.close()
