"""The files that docs/deploying.md shows: options that exist, units that systemd understands."""

from __future__ import annotations

import plistlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from penstock.cli.serve import command as serve
from penstock.runner.options import parse

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "deploying.md").read_text("utf-8")
UNITS = re.findall(r"^```ini\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def command_lines() -> list[list[str]]:
    """The words after `penstock` of every line that starts something."""
    joined = PAGE.replace("\\\n", " ")
    starts = r"^(?:ExecStart=\S*penstock|    docker run.* IMAGE) (.*)$"
    lines = re.findall(starts, joined, re.MULTILINE)
    (plist,) = re.findall(r"^```xml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    program = plistlib.loads(plist.encode())["ProgramArguments"]
    return [*map(shlex.split, lines), program[1:]]


@pytest.mark.parametrize("words", command_lines(), ids=lambda words: " ".join(words)[:40])
def test_the_commands_understand_their_options(words: list[str], tmp_path: Path) -> None:
    name, *options = words
    if name == "serve":
        serve.make_context(name, options)
        return
    assert name == "runner"
    config = tmp_path / "runner.json"
    config.write_text('{"access-id": "a", "private-key": "b"}')
    options = [re.sub(r"/\S*runner\.json", str(config), word) for word in options]
    assert parse(options).worker_groups


def test_there_is_something_to_check() -> None:
    assert [words[0] for words in command_lines()] == [
        "serve",
        "runner",
        "serve",
        "runner",
        "runner",
    ]


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed here")
    for name, unit in zip(("penstock.service", "penstock-runner@.service"), UNITS, strict=True):
        path = tmp_path / name
        # The program and its user are not installed where the tests run.
        told = unit.replace("/opt/penstock/bin/penstock", "/bin/true").replace(
            "User=penstock\n", ""
        )
        path.write_text(told)
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        ours = [line for line in checked.stderr.splitlines() if name in line]
        assert ours == [], checked.stderr
