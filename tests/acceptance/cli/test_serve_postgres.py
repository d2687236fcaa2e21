"""`penstock serve` and `penstock keys` with a database URL, as a person types them."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from penstock.app import App
from penstock.cli.main import explain, group
from penstock.config import Settings, parse_database_url


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(group, [str(word) for word in words])


def test_keys_of_a_database(database: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database=parse_database_url(database))
    App.open(settings).close()
    url = ("--data", tmp_path, "--database-url", database)
    made = typed("keys", "create", *url, "--user", "deploy")
    assert made.exit_code == 0, made.output
    key_id = made.output.split("aws_access_key_id = ")[1].split()[0]
    listed = typed("keys", "list", *url).output
    assert key_id in listed
    assert "deploy" in listed
    assert typed("keys", "revoke", *url, key_id).output == f"Revoked {key_id}.\n"
    assert "revoked 2" in typed("keys", "list", *url).output


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("keys", "list")])
@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (("--database-url", "mysql://h/db"), "has the form postgresql://USER@HOST:PORT/DATABASE"),
        (("--database-url", "postgresql://h/?a=b=c"), "%40 %3A"),
        (("--database-url", "postgresql://127.0.0.1:1/db"), "127.0.0.1"),
        (("--database-url", "postgresql://h/db", "--database-url-file", "url"), "not both"),
        (("--database-url-file", "open"), "chmod 600"),
        (("--database-url-file", "nowhere"), "does not exist"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    more: tuple[str, ...],
    wanted: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    # It sets up logging for the whole process, which here is that of all other tests too.
    monkeypatch.setattr("penstock.log.configure_log", lambda: None)
    for name, mode in (("url", 0o600), ("open", 0o644)):
        (tmp_path / name).write_text("postgresql://u:secret@h/db")
        (tmp_path / name).chmod(mode)
    done = typed(*command, *more)
    assert done.exit_code != 0
    shown = done.output + (explain(done.exception) if isinstance(done.exception, Exception) else "")
    assert wanted in shown
    assert "secret" not in shown
