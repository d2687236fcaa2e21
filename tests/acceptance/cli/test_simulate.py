"""`penstock simulate` as a person types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEFINITION = {
    "objects": [
        {"id": "Default", "scheduleType": "cron", "schedule": {"ref": "Hourly"},
         "workerGroup": "etl", "failureAndRerunMode": "CASCADE"},
        {"id": "Hourly", "type": "Schedule", "period": "1 hour",
         "startDateTime": "2026-03-01T00:00:00"},
        {"id": "Fetch", "type": "ShellCommandActivity", "command": "true"},
        {"id": "Load", "type": "ShellCommandActivity", "command": "true",
         "dependsOn": {"ref": "Fetch"}, "maximumRetries": "0"},
    ]
}  # fmt: skip


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    path = tmp_path / "etl.json"
    path.write_text(json.dumps(DEFINITION))
    return path


def simulate(*arguments: object, columns: int = 80) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", "simulate", *map(str, arguments)]
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "COLUMNS": str(columns),
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(command, capture_output=True, text=True, env=environ, encoding="utf-8")


def test_a_few_hours_as_table_chart_and_figures(definition: Path):
    done = simulate(definition, "--until", "2026-03-01T03:00", "--duration", "Load=20m,*=10m")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["component", "interval", "ready", "started", "ended", "tries",
                                "state"]  # fmt: skip
    assert lines[2].split() == ["Load", "2026-03-01", "00:00:00", "00:10:00", "00:10:00",
                                "00:30:00", "1", "FINISHED"]  # fmt: skip
    chart = [line for line in lines if "█" in line]
    assert len(chart) == 7, "six runs and the legend"
    assert all(len(line) <= 80 for line in chart)
    assert "6 runs from 2026-03-01 00:00:00 to 2026-03-01 03:00:00: 6 FINISHED." in done.stdout
    assert "Runners of etl: 4 for 6 tasks" in done.stdout


def test_json_holds_every_run(definition: Path):
    done = simulate(
        definition, "--until", "2026-03-02", "--fail", "Load@2026-03-01T02:00", "--format", "json"
    )
    found = json.loads(done.stdout)
    assert len(found["runs"]) == found["summary"]["runs"] == 48
    failed = [run for run in found["runs"] if run["status"] == "FAILED"]
    assert [run["id"] for run in failed] == ["@Load_2026-03-01T02:00:00"]
    assert found["summary"]["statuses"] == {"FAILED": 1, "FINISHED": 47}


def test_a_picture(definition: Path, tmp_path: Path):
    picture = tmp_path / "chart.svg"
    done = simulate(definition, "--until", "2026-03-02", "--rows", 0, "--svg", picture)
    assert done.returncode == 0, done.stderr
    assert picture.read_text("utf-8").startswith("<svg ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chart.svg", "etl.json"]


def test_a_resource_is_there_at_once_and_its_work_runs_on_it(tmp_path: Path):
    objects = [*DEFINITION["objects"][:3], {
        "id": "Load", "type": "EmrActivity", "runsOn": {"ref": "Cluster"}, "step": "a.jar,b",
    }, {"id": "Cluster", "type": "EmrCluster"}]  # fmt: skip
    path = tmp_path / "emr.json"
    path.write_text(json.dumps({"objects": objects}))
    done = simulate(path, "--until", "2026-03-01T02:00")
    assert done.returncode == 0, done.stderr
    assert "Runners of Cluster (resource): 4 for 2 tasks" in done.stdout
    assert "6 FINISHED" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--until", "soon"], "'soon'"),
        (["--until", "2026-02-01"], "is not after 2026-03-01T00:00:00"),
        (["--until", "2026-03-02", "--fail", "Laod"], "Did you mean 'Load'?"),
        (["--until", "2026-03-02", "--duration", "Load=5"], "'5' is no time"),
        ([], "--until"),
    ],
)
def test_mistakes_are_one_line_and_status_two(definition: Path, arguments: list[str], text: str):
    done = simulate(definition, *arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_invalid_definition_is_said_to_be_so(tmp_path: Path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"objects": [{"id": "A", "type": "ShellCommandActivty"}]}))
    done = simulate(path, "--until", "2026-03-02")
    assert done.returncode == 1
    assert "ShellCommandActivity" in done.stderr
