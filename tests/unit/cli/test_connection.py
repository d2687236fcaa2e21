"""Which keys and which server a client command uses."""

from pathlib import Path

import click
import pytest

from penstock.cli import connection
from penstock.cli.status import find_pipeline
from penstock.wire.client import Client
from tests.unit.cli.scripted import ScriptedClient

SECTION = "[{}]\naws_access_key_id = {}\naws_secret_access_key = secret\n"


class Made:
    """Stands in for the client's class and remembers how it was made."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.key = ""

    def __call__(self, endpoint: str, keys: object, **_: object) -> None:
        self.endpoint = endpoint
        self.key = getattr(keys, "access_key_id", "")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    made = Made()
    monkeypatch.setattr("penstock.wire.client.Client", made)
    return made


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(SECTION.format("work", "AKIAWORK"))
    return {"HOME": str(tmp_path)}


def local(tmp_path: Path, more: str = "") -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "credentials").write_text(SECTION.format("penstock", "AKIALOCAL") + more)
    return data


def test_the_local_server_s_key_goes_before_the_environment(
    made: Made, home: dict[str, str], tmp_path: Path
) -> None:
    environ = home | {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s"}
    connection.connect(None, None, local(tmp_path), environ)
    assert made.key == "AKIALOCAL"
    assert made.endpoint == "http://127.0.0.1:8780"
    connection.connect(None, None, tmp_path / "elsewhere", environ)
    assert made.key == "AKIAENV"


def test_a_profile_that_is_named_goes_before_everything(
    made: Made, home: dict[str, str], tmp_path: Path
) -> None:
    environ = home | {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s"}
    connection.connect(None, "work", local(tmp_path), environ)
    assert made.key == "AKIAWORK"


def test_endpoint_option_profile_and_environment(
    made: Made, home: dict[str, str], tmp_path: Path
) -> None:
    data = local(tmp_path, "endpoint_url = http://localhost:1\n")
    connection.connect(None, None, data, home)
    assert made.endpoint == "http://localhost:1"
    connection.connect("http://localhost:2", None, data, home)
    assert made.endpoint == "http://localhost:2"
    environ = home | {"AWS_ENDPOINT_URL_DATA_PIPELINE": "http://localhost:3"}
    connection.connect(None, "work", data, environ)
    assert made.endpoint == "http://localhost:3"


def test_no_key_says_where_it_looked(home: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"no access key.*--data"):
        connection.connect(None, None, tmp_path / "none", home)


def test_a_real_client_comes_back(home: dict[str, str], tmp_path: Path) -> None:
    client = connection.connect(None, None, local(tmp_path), home)
    assert isinstance(client, Client)
    client.close()


def test_a_pipeline_is_found_by_id_or_name(capsys: pytest.CaptureFixture[str]) -> None:
    client = ScriptedClient()
    client.pipelines = [("df-A", "one"), ("df-B", "two"), ("df-C", "two")]
    assert find_pipeline(client, "df-X") == "df-X"
    assert find_pipeline(client, "one") == "df-A"
    assert find_pipeline(client, "two") == "df-C"
    assert "older: df-B" in capsys.readouterr().err
    with pytest.raises(click.ClickException, match="no pipeline has the name or id 'three'"):
        find_pipeline(client, "three")
