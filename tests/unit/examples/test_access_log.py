"""The example: its log is always the same, and its commands count what is in it."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "access-log"
COMBINED = re.compile(
    r'\d+\.\d+\.\d+\.\d+ - \S+ \[14/May/2024:09:\d\d:\d\d \+0000\] "([A-Z]+) \S+ HTTP/[12]\.[01]"'
    r' \d{3} (?:\d+|-) "[^"]+" "[^"]+"'
)
SHA256 = "01c4276f88cd9b33388c0683ab94463a1f5aaae0fd484175f4c87845f9e1b5a2"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("access-log") / "logs"
    subprocess.run([sys.executable, EXAMPLE / "generate.py", directory], check=True)
    return directory


def lines(directory: Path) -> list[str]:
    files = sorted(directory.rglob("*.log"))
    return [line for file in files for line in file.read_text("utf-8").splitlines()]


def commands() -> dict[str, str]:
    definition = json.loads((EXAMPLE / "pipeline.json").read_text("utf-8"))
    return {each["id"]: each["command"] for each in definition["objects"] if "command" in each}


def gets(directory: Path) -> int:
    return sum(
        (match := COMBINED.match(line)) is not None and match[1] == "GET"
        for line in lines(directory)
    )


def test_the_log_is_whole_varied_and_always_the_same(logs: Path) -> None:
    written = lines(logs)
    assert len(written) == 100_000
    matches = [COMBINED.fullmatch(line) for line in written]
    assert all(matches)
    methods = {match[1] for match in matches if match}
    assert {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"} == methods
    assert len(list(logs.iterdir())) == 4
    assert hashlib.sha256("\n".join(written).encode()).hexdigest() == SHA256


def test_a_second_run_writes_nothing(logs: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in logs.rglob("*")}
    subprocess.run([sys.executable, EXAMPLE / "generate.py", logs], check=True)
    assert {file: file.stat().st_mtime_ns for file in logs.rglob("*")} == before


def test_the_commands_count_and_merge(logs: Path, tmp_path: Path) -> None:
    environ = dict(os.environ)
    quarters = sorted(logs.iterdir())
    for number, quarter in enumerate(quarters, 1):
        counts = tmp_path / str(number)
        counts.mkdir()
        start = quarter.name[-5:].replace("-", ":")
        command = re.sub(r"#\{[^}]*\}", start, commands()["CountRequests"])
        staged = {"INPUT1_STAGING_DIR": str(quarter), "OUTPUT1_STAGING_DIR": str(counts)}
        subprocess.run(["sh", "-c", command], env=environ | staged, check=True)
        environ[f"INPUT{number}_STAGING_DIR"] = str(counts)
    merge = commands()["WriteReport"]
    environ["OUTPUT1_STAGING_DIR"] = str(tmp_path)
    # INPUT1 is set in `environ` by the loop, after the staged one.
    subprocess.run(["sh", "-c", merge, "sh", "2024-05-14 09:00"], env=environ, check=True)
    rows = [line.split() for line in (tmp_path / "report.txt").read_text().splitlines()[3:]]
    assert [row[0] for row in rows] == ["09:00", "09:15", "09:30", "09:45", "all"]
    assert [int(row[-1]) for row in rows[:4]] == [gets(quarter) for quarter in quarters]
    assert int(rows[4][1]) == gets(logs)
    # Some lines say GET without being one: a plain search for the word would count too many.
    assert gets(logs) < sum("GET" in line for line in lines(logs))
