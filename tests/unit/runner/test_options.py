"""Options in every spelling, and where keys and endpoint come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.runner.credentials import endpoint_url, resolve_credentials, storage_keys
from penstock.runner.errors import NoCredentials, OptionsError
from penstock.runner.options import OPTIONS, RunnerOptions, help_text, parse


@pytest.mark.parametrize(
    "argv",
    [
        ["--workerGroup", "wg", "--accessId", "A", "--secretKey", "S", "--tasks", "5"],
        ["--worker-group=wg", "--access-id=A", "--secret-key=S", "--tasks=5"],
        ["--workergroup=wg", "--accessID=A", "--SecretKey", "S", "--tasks", "5"],
    ],
)
def test_spellings(argv: list[str]) -> None:
    options = parse(argv)
    assert options.worker_groups == ("wg",)
    assert (options.access_id, options.secret_key, options.tasks) == ("A", "S", 5)


def test_defaults_are_the_originals() -> None:
    options = parse(["--workerGroup=wg"])
    assert (options.tasks, options.region) == (2, "us-east-1")


def test_a_value_may_hold_equals_signs_and_groups_may_be_several() -> None:
    options = parse(["--workerGroup=a=b", "--workerGroup", "c", "--keepWork"])
    assert options.worker_groups == ("a=b", "c")
    assert options.keep_work


def test_the_configuration_file_lies_beneath_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "credentials.json"
    content = {
        "access-id": "A",
        "private-key": "P",
        "region": "eu-west-1",
        "log-uri": "s3://b/l",
        "tasks": 7,
        "keypair": "x",
    }
    config.write_text(json.dumps(content))
    options = parse([f"--config={config}", "--workerGroup=wg", "--region=us-west-2"])
    assert (options.access_id, options.secret_key) == ("A", "P")
    assert (options.region, options.log_uri, options.tasks) == ("us-west-2", "s3://b/l", 7)
    assert options.ignored == ("keypair",)


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], "--workerGroup"),
        (["--workerGroup"], "--workerGroup"),
        (["--workerGroup="], "--workerGroup"),
        (["wg"], "'wg'"),
        (["--workerGroup=wg", "--task=3"], "--task"),
        (["--workerGroup=wg", "--tasks=many"], "--tasks 'many'"),
        (["--workerGroup=wg", "--tasks=0"], "--tasks 0"),
        (["--workerGroup=wg", "--grace=-1"], "--grace"),
        (["--workerGroup=wg", "--grace=nan"], "--grace"),
        (["--workerGroup=wg", "--accessId=A"], "--secretKey"),
        (["--workerGroup=wg", "--config=/no/such/file"], "/no/such/file"),
    ],
)
def test_errors_name_the_option(argv: list[str], word: str) -> None:
    with pytest.raises(OptionsError) as caught:
        parse(argv)
    assert word in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_configuration_file_is_named(tmp_path: Path, content: str) -> None:
    config = tmp_path / "c.json"
    config.write_text(content)
    with pytest.raises(OptionsError, match=r"c\.json"):
        parse([f"--config={config}", "--workerGroup=wg"])


def test_help_has_every_option() -> None:
    text = help_text()
    assert all(f"--{option.spelling}" in text for option in OPTIONS)
    members = {option.member for option in OPTIONS} | {"ignored"}
    assert members == set(RunnerOptions.__struct_fields__)


def profile(tmp_path: Path, name: str, text: str) -> dict[str, str]:
    (tmp_path / "credentials").write_text(text)
    return {
        "HOME": str(tmp_path),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_PROFILE": name,
    }


KEYS = "[penstock]\naws_access_key_id = PROFILE\naws_secret_access_key = a%b\n"


def test_keys_come_from_options_then_environment_then_profile(tmp_path: Path) -> None:
    options = parse(["--workerGroup=wg", "--accessId=OPTION", "--secretKey=s"])
    bare = parse(["--workerGroup=wg"])
    environ = profile(tmp_path, "penstock", KEYS)
    assert resolve_credentials(bare, environ).access_key_id == "PROFILE"
    assert resolve_credentials(bare, environ).secret_access_key == "a%b"
    environ |= {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "s"}
    assert resolve_credentials(bare, environ).access_key_id == "ENV"
    assert resolve_credentials(options, environ).access_key_id == "OPTION"


def test_without_keys_the_error_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.runner.credentials.botocore_credentials", lambda: None)
    environ = profile(tmp_path, "other", KEYS)
    with pytest.raises(NoCredentials) as caught:
        resolve_credentials(parse(["--workerGroup=wg"]), environ)
    for place in ("--accessId", "AWS_ACCESS_KEY_ID", "'other'", str(tmp_path / "credentials")):
        assert place in str(caught.value)


def test_a_broken_profile_file_does_not_show_its_content(tmp_path: Path) -> None:
    environ = profile(tmp_path, "penstock", "aws_secret_access_key = hidden\n")
    with pytest.raises(NoCredentials) as caught:
        resolve_credentials(parse(["--workerGroup=wg"]), environ)
    assert "hidden" not in str(caught.value)


def test_keys_for_storage_prefer_the_usual_configuration(tmp_path: Path) -> None:
    argv = ["--workerGroup=wg", "--accessId=OPTION", "--secretKey=s"]
    options, separate = parse(argv), parse([*argv, "--separateKeys"])
    nothing = profile(tmp_path, "none", KEYS)
    found = storage_keys(options, nothing)
    assert found is not None
    assert found.access_key_id == "OPTION"
    assert storage_keys(separate, nothing) is None
    assert storage_keys(options, nothing | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}) is None
    found = storage_keys(options, profile(tmp_path, "penstock", KEYS))
    assert found is not None
    assert found.access_key_id == "PROFILE"


def test_the_endpoints_order() -> None:
    bare = parse(["--workerGroup=wg"])
    environ = {"AWS_ENDPOINT_URL": "http://all"}
    assert endpoint_url(bare, {}) == "http://127.0.0.1:8780"
    assert endpoint_url(bare, environ) == "http://all"
    environ["AWS_ENDPOINT_URL_DATA_PIPELINE"] = "http://own"
    assert endpoint_url(bare, environ) == "http://own"
    assert endpoint_url(parse(["--workerGroup=wg", "--endpoint=http://o"]), environ) == "http://o"


def test_a_proxys_user_is_escaped() -> None:
    argv = "--workerGroup=g --proxyHost=p --proxyPort=3128 --proxyUsername=u --proxyPassword=a@b"
    assert parse(argv.split()).proxy_url() == "http://u:a%40b@p:3128"
