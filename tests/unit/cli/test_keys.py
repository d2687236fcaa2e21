"""Access keys as the command shows, makes and revokes them."""

import configparser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.access.identity import Directory
from penstock.access.secrets import Cipher
from penstock.cli import keys
from penstock.store.identity import AccountRecord, KeyRecord, UserRecord

NOW = 1_715_677_200_000
OWNER = UserRecord("AIDAEXAMPLE", "123456789012", "owner", NOW)


class Memory:
    """Identities in lists; the store's own tests are elsewhere."""

    def __init__(self) -> None:
        self.all_users = [OWNER]
        self.all_accounts = [AccountRecord(OWNER.account_id, "first", NOW)]
        self.all_keys: dict[str, KeyRecord] = {}

    def add_account(self, account: AccountRecord) -> None:
        self.all_accounts.append(account)

    def add_user(self, user: UserRecord) -> None:
        self.all_users.append(user)

    def add_key(self, key: KeyRecord) -> None:
        self.all_keys[key.access_key_id] = key

    def revoke_key(self, access_key_id: str, now: int) -> bool:
        return self.all_keys.pop(access_key_id, None) is not None

    def find_key(self, access_key_id: str) -> KeyRecord | None:
        return self.all_keys.get(access_key_id)

    def keys(self) -> list[KeyRecord]:
        return list(self.all_keys.values())

    def accounts(self) -> list[AccountRecord]:
        return self.all_accounts

    def users(self) -> list[UserRecord]:
        return self.all_users

    def version(self) -> int:
        return len(self.all_keys)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    memory = Memory()

    @contextmanager
    def opened(_data: Path) -> Iterator[Directory]:
        yield Directory(memory, Cipher(bytes(32)), lambda: NOW)

    monkeypatch.setattr(keys, "directory", opened)
    return memory


def run(*arguments: str) -> str:
    ran = CliRunner().invoke(keys.command, arguments, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_a_key_is_made_shown_once_and_revoked(memory: Memory) -> None:
    made = configparser.RawConfigParser()
    made.read_string(run("create"))
    key, secret = (
        made["penstock"][f"aws_{part}"] for part in ("access_key_id", "secret_access_key")
    )
    assert len(secret) == 40
    shown = run("list")
    assert secret not in shown
    assert shown.splitlines()[1].split() == [
        key,
        "owner",
        "123456789012",
        "2024-05-14T09:00:00",
        "active",
    ]
    assert run("revoke", key) == f"Revoked {key}.\n"
    assert key not in memory.all_keys


def test_a_key_for_a_new_user_makes_the_user_once(memory: Memory) -> None:
    run("create", "--user", "deploy")
    run("create", "--user", "deploy")
    assert [user.user_name for user in memory.all_users] == ["owner", "deploy"]
    assert [key.user_name for key in memory.all_keys.values()] == ["deploy", "deploy"]


def test_a_key_for_a_new_account_makes_the_account_and_its_first_user_once(memory: Memory) -> None:
    run("create", "--account", "guests")
    run("create", "--account", "guests")
    run("create", "--account", "guests", "--user", "deploy")
    assert [account.name for account in memory.all_accounts] == ["first", "guests"]
    assert [user.user_name for user in memory.all_users] == ["owner", "admin", "deploy"]
    first, second, third = (key.account_id for key in memory.all_keys.values())
    assert first == second == third == memory.all_accounts[1].account_id != OWNER.account_id


def test_revoking_what_is_not_there_says_how_to_look(memory: Memory) -> None:
    ran = CliRunner().invoke(keys.command, ["revoke", "AKIANONE"])
    assert ran.exit_code == 1
    assert "no active key 'AKIANONE'; `penstock keys list`" in ran.output


def test_a_directory_without_a_server_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("penstock.app")
    ran = CliRunner().invoke(keys.command, ["list", "--data", str(tmp_path / "none")])
    assert ran.exit_code == 1
    assert "no server has used" in ran.output
