"""Keys of runners on resources: one for a try, and nothing left of it afterwards."""

import random
from pathlib import Path

import pytest

from penstock.access.identity import Directory
from penstock.access.runner_keys import RunnerKeys, key_id_of
from penstock.access.secrets import open_key_file
from penstock.app import open_identity, open_store
from penstock.clock import CorrectedClock
from penstock.config import Settings, parse_database_url

TOKEN = "df-1_@Host_2024-05-14T09:00:00_Attempt=1"


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path)
    url = parse_database_url(request.getfixturevalue("database"))
    return Settings(data_dir=tmp_path, database=url)


def test_a_try_has_one_key_until_its_end_whichever_server_asks(settings: Settings) -> None:
    open_store(settings, CorrectedClock(lambda: 0)).close()
    cipher = open_key_file(settings.data_dir / "key", may_make=True)
    identity = open_identity(settings)
    distant = settings.database is not None
    here, there = (
        Directory(identity, cipher, lambda: 0, random.Random(seed), distant) for seed in (1, 2)
    )
    account = here.create_account("a").account_id
    key = RunnerKeys(here).grant(account, TOKEN)
    assert key.access_key_id == key_id_of(TOKEN)
    assert RunnerKeys(there).grant(account, TOKEN).secret == key.secret
    other = RunnerKeys(there).grant(account, TOKEN.replace("=1", "=2"))
    assert other.access_key_id != key.access_key_id
    assert key.secret not in repr(key)
    assert [user.user_name for user in here.users()] == ["resources"]
    here.refresh()
    found = here.find(key.access_key_id, None)
    assert found is not None
    assert found.caller.account_id == account
    RunnerKeys(there).revoke(TOKEN)
    RunnerKeys(there).revoke(TOKEN)
    here.refresh()
    assert here.find(key.access_key_id, None) is None
    left = here.keys()
    assert [each.access_key_id for each in left] == [other.access_key_id]
    identity.close()
