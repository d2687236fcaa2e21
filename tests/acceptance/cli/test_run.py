"""`penstock` as a user types it: real processes, a real server and runner, real files."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "access-log"
NO_KEYS = {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
TIMEOUT_SECONDS = 120


def environ() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | NO_KEYS | {"PYTHONPATH": str(ROOT / "src")}


def penstock(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environ(),
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def definition(path: Path, *objects: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps({"objects": list(objects)}), "utf-8")
    return path


ON_DEMAND = {"id": "Default", "scheduleType": "ondemand", "workerGroup": "here"}


def shell(name: str, command: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "type": "ShellCommandActivity", "command": command, **fields}


def test_a_chain_runs_in_order_and_ends_well(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    file = definition(
        tmp_path / "chain.json",
        ON_DEMAND,
        shell("Second", f"echo second >> {trace}", dependsOn={"ref": "First"}),
        shell("First", f"echo first >> {trace}"),
    )
    ran = penstock("run", file, "--data", tmp_path / "data")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert trace.read_text() == "first\nsecond\n"
    assert "2 of 2 instances finished." in ran.stdout
    assert re.search(r"First \S+ FINISHED", ran.stdout)
    assert "Traceback" not in ran.stderr


def test_a_failure_says_why_and_where_and_is_status_one(tmp_path: Path) -> None:
    file = definition(
        tmp_path / "bad.json",
        ON_DEMAND,
        shell("Bad", "echo the reason >&2; exit 3", retryDelay="1 minute"),
        shell("After", "true", dependsOn={"ref": "Bad"}),
    )
    ran = penstock("run", file, "--no-retry", "--data", tmp_path / "data")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "the reason" in ran.stdout
    logs = re.search(r"^  logs: (.*)$", ran.stdout, re.MULTILINE)
    assert logs, ran.stdout
    assert (Path(logs[1]) / "StdError").read_text() == "the reason\n"
    assert "never ran" in ran.stdout


def test_a_definition_with_errors_is_shown_and_nothing_starts(tmp_path: Path) -> None:
    file = definition(tmp_path / "wrong.json", ON_DEMAND, shell("A", "true", dependOn="x"))
    ran = penstock("run", file, "--data", tmp_path / "data")
    assert ran.returncode == 1
    assert "dependOn" in ran.stderr
    assert not (tmp_path / "data").exists()


def test_past_intervals_run_until_the_date_given(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    file = definition(
        tmp_path / "hourly.json",
        {"id": "Default", "workerGroup": "here", "scheduleType": "cron"},
        {
            "id": "Hours",
            "type": "Schedule",
            "period": "1 hour",
            "startDateTime": "2024-05-14T09:00:00",
        },
        shell("A", f"echo '#{{@scheduledStartTime}}' >> {trace}", schedule={"ref": "Hours"}),
    )
    ran = penstock(
        "run", file, "--until", "2024-05-14T12:00:00", "--data", tmp_path / "data", "--tasks", "1"
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert trace.read_text().split() == [f"2024-05-14T{hour:02}:00:00" for hour in (9, 10, 11)]


def test_an_endless_schedule_is_said_and_ends_cleanly_on_interrupt(tmp_path: Path) -> None:
    file = definition(
        tmp_path / "endless.json",
        {"id": "Default", "workerGroup": "here", "scheduleType": "cron"},
        {
            "id": "Days",
            "type": "Schedule",
            "period": "1 day",
            "startAt": "FIRST_ACTIVATION_DATE_TIME",
        },
        shell("A", "sleep 600", schedule={"ref": "Days"}),
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "run", file, "--data", tmp_path / "data"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ(),
    )
    assert process.stdout is not None
    try:
        # Lines come as things happen, and end when the process does: no wait without an end.
        begun = []
        for line in process.stdout:
            begun.append(line)
            if " RUNNING" in line:
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        process.kill()
    output = "".join(begun) + rest
    assert "Days has no end" in output
    assert " RUNNING" in output
    assert "Traceback" not in output
    assert process.returncode == 0, output


def test_the_example_runs_to_its_report(tmp_path: Path) -> None:
    if not shutil.which("awk"):
        pytest.fail("the example needs awk, which every POSIX system has")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "python").symlink_to(sys.executable)
    (binaries / "penstock").write_text(f'#!/bin/sh\nexec {sys.executable} -m penstock "$@"\n')
    (binaries / "penstock").chmod(0o755)
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [EXAMPLE / "run.sh", tmp_path / "work"],
        capture_output=True,
        text=True,
        env=environ() | {"PATH": path, "ONCE": "1"},
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^09:45 +\d+ +\d+ +\d+ +\d+$", ran.stdout, re.MULTILINE), ran.stdout
    assert re.search(r"^all +85902$", ran.stdout, re.MULTILINE)
    report = tmp_path / "work" / "report" / "2024-05-14-09" / "report.txt"
    assert report.read_text() in ran.stdout
    assert f"  {report.parent.as_uri()}\n" in ran.stdout
    shown = penstock("status", "access-log", "--data", tmp_path / "work" / "penstock")
    assert shown.returncode == 1
    assert shown.stderr.startswith("penstock: ")
