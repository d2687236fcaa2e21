"""Settings given as text."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli.serve import command
from penstock.config import Settings, parse_age, parse_database_url, with_profile, with_setting


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("acknowledge_timeout", "500ms", "acknowledge_timeout_ms", 500),
        ("poll_wait", "30s", "poll_wait_ms", 30_000),
        ("report_timeout", " 2m ", "report_timeout_ms", 120_000),
        ("backfill_grace", "12h", "backfill_grace_ms", 43_200_000),
        ("backfill_grace", "3d", "backfill_grace_ms", 259_200_000),
        ("max_body_bytes", "1000", "max_body_bytes", 1_000),
        ("max_body_bytes", "2 MiB", "max_body_bytes", 2_097_152),
        ("allow_backfill", "true", "allow_backfill", True),
        ("revive_finished", "false", "revive_finished", False),
        ("retention", "30d", "retention_ms", 2_592_000_000),
        ("retention", "none", "retention_ms", None),
    ],
)
def test_a_setting_as_text(name: str, text: str, field: str, value: object) -> None:
    changed = with_setting(Settings(), name, text)
    assert getattr(changed, field) == value
    assert changed != Settings()


def test_a_limit_as_text_leaves_the_others_alone() -> None:
    published = with_profile(Settings(), "aws")
    assert with_setting(published, "limits.maximum_retries", "none").limits.maximum_retries is None
    changed = with_setting(published, "limits.minimum_period", "1s").limits
    assert (changed.minimum_period_ms, changed.objects_per_pipeline) == (1_000, 100)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("poll_wait_ms", "90", "there is no setting 'poll_wait_ms'; there are poll_wait, "),
        ("host", "::", "there is no setting 'host'"),
        ("limits", "aws", "there is no setting 'limits'"),
        ("limits.host", "1", "there is no setting 'limits.host'"),
        ("poll_wait", "90", "poll_wait is '90'; use a time such as 500ms, 90s"),
        ("poll_wait", "-1s", "use a time"),
        ("poll_wait", "none", "use a time"),
        ("poll_wait", "9" * 16 + "s", "use a time"),
        ("max_body_bytes", "25MB", "use a whole number; KiB, MiB or GiB may follow"),
        ("max_body_bytes", "\u0661", "use a whole number"),
        ("allow_backfill", "yes", "use true or false"),
        ("limits.parameters", "some", "use a whole number"),
    ],
)
def test_a_wrong_setting_says_what_would_be_right(name: str, text: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted.replace(".", r"\.")):
        with_setting(Settings(), name, text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("poll_wait=soon", "poll_wait is 'soon'; use a time"), ("poll_wait", "NAME=VALUE")],
)
def test_the_command_refuses_before_it_makes_anything(
    tmp_path: Path, text: str, wanted: str
) -> None:
    directory = tmp_path / "data"
    ran = CliRunner().invoke(command, ["--data", str(directory), "--set", text])
    assert ran.exit_code == 2
    assert wanted in ran.output
    assert not directory.exists()


def test_a_wrong_retention_is_refused_likewise(tmp_path: Path) -> None:
    ran = CliRunner().invoke(command, ["--data", str(tmp_path / "data"), "--retention", "soon"])
    assert ran.exit_code == 2
    assert "write 12 hours, 90 days or 8 weeks; never forgets nothing" in ran.output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:secret@h:5433/db?sslmode=require", "postgresql://u@h:5433/db"),
        ("postgres://u@/db?host=/run/postgresql&password=secret", "postgres://u@/db"),
        ("postgresql://u:secret@a:1,b:2/db", "postgresql://u@a:1,b:2/db"),
        ("postgresql:///db", "postgresql:///db"),
    ],
)
def test_a_database_url_is_shown_without_what_is_secret(text: str, shown: str) -> None:
    url = parse_database_url(text)
    assert url.text == text
    assert url.shown == shown
    assert "secret" not in repr([url])


@pytest.mark.parametrize("text", ["", "db", "mysql://u:secret@h/db", "host=h password=secret"])
def test_what_is_no_database_url_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="postgresql://") as caught:
        parse_database_url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("90 days", 2_160), ("1 day", 24), ("12h", 12), (" 8 weeks ", 1_344), ("120 minutes", 2)],
)
def test_an_age_as_text(text: str, hours: int) -> None:
    assert parse_age(text) == hours * 3_600_000


@pytest.mark.parametrize(
    "text", ["", "soon", "90", "-1 day", "1.5 days", "3 months", "days", "1 dayss"]
)
def test_a_wrong_age_says_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="write 12 hours, 90 days or 8 weeks"):
        parse_age(text)
