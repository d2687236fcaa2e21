"""The frame of all commands: help, errors as one line, nothing heavy loaded."""

import os
import subprocess
import sys

import click
import pytest

from penstock.cli.main import COMMANDS, explain, group, main
from penstock.model.errors import DefinitionError


def exit_status(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status([name, "--help"]) == 0
    assert f"penstock {name}" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    heavy = {"rich", "uvicorn", "uvloop", "structlog", "obstore", "cryptography", "sqlite3", "ssl"}
    code = (
        "import sys\nfrom penstock.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print(sorted(sys.modules.keys() & {heavy!r}))"
    )
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_unknown_command_is_one_line_and_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status(["srve"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("penstock: No such command 'srve'")
    assert "penstock --help" in shown
    assert shown.count("\n") == 1


def test_missing_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status(["run", "no-such-file.json"]) == 2
    assert "no-such-file.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (click.ClickException("say which"), "say which"),
        (DefinitionError("objects[0]:\n  no id"), "objects[0]: no id"),
        (FileNotFoundError(2, "No such file or directory", "a.json"), "a.json: No such file"),
        (ZeroDivisionError("division by zero"), "unexpected ZeroDivisionError: division by zero"),
    ],
)
def test_errors_are_one_line(error: Exception, line: str) -> None:
    assert explain(error).startswith(line)
    assert "\n" not in explain(error)


def broken() -> None:
    raise ZeroDivisionError("division by zero")


def test_debug_keeps_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "main", lambda *_, **__: broken())
    monkeypatch.setenv("PENSTOCK_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main([])
    monkeypatch.delenv("PENSTOCK_DEBUG")
    assert exit_status([]) == 1


def test_a_command_s_number_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "main", lambda *_, **__: 1)
    assert exit_status([]) == 1
