"""`penstock diff` as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.definitions import ondemand, shell
from tests.support.server import serving

ROOT = Path(__file__).resolve().parents[3]

OLD = {
    "objects": [
        {"id": "Default", "scheduleType": "ondemand", "workerGroup": "w"},
        {"id": "Load", "type": "ShellCommandActivity", "command": "load", "retryDelay": "1 hour"},
        {"id": "Report", "type": "ShellCommandActivity", "command": "report",
         "dependsOn": {"ref": "Load"}},
    ],
    "parameters": [{"id": "*myKey", "default": "hush-hush"}],
}  # fmt: skip
NEW = {
    "objects": [
        {"id": "Default", "scheduleType": "ONDEMAND", "workerGroup": "w"},
        {"id": "Load", "type": "ShellCommandActivity", "command": "load --fast"},
        {"id": "Report", "type": "ShellCommandActivity", "command": "report"},
        {"id": "Clean", "type": "ShellCommandActivity", "command": "clean"},
    ],
    "parameters": [{"id": "*myKey", "default": "hush-other"}],
}


def penstock(*arguments: str | Path, cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "penstock", *map(str, arguments)],
        capture_output=True,
        text=True,
        input=text,
        cwd=cwd,
        env=kept | {"PYTHONPATH": str(ROOT / "src")},
        timeout=60,
        check=False,
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with old.json and new.json."""
    (tmp_path / "old.json").write_text(json.dumps(OLD))
    (tmp_path / "new.json").write_text(json.dumps(NEW))
    return tmp_path


def test_two_files(files: Path) -> None:
    done = penstock("diff", "old.json", "new.json", cwd=files)
    assert done.returncode == 1, done.stderr
    assert done.stdout == (
        "--- old.json\n"
        "+++ new.json\n"
        "~ Load\n"
        '    ~ command: "load" -> "load --fast"\n'
        '    - retryDelay: "1 hour"\n'
        "~ Report\n"
        '    - dependsOn: {"ref": "Load"}\n'
        "        ! references of an object cannot change once the pipeline is activated; put it"
        " back, or add a new object that has the reference\n"
        "+ Clean\n"
        '    + type: "ShellCommandActivity"\n'
        '    + command: "clean"\n'
        "~ parameter *myKey\n"
        '    ~ default: "********" -> "********"\n'
        "2 objects changed, 1 object added, 1 parameter changed;"
        " 1 change marked ! cannot be made once activated.\n"
    )


def test_no_difference(files: Path) -> None:
    done = penstock("diff", "-", "old.json", cwd=files, text=json.dumps(OLD))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "No difference between standard input and old.json.\n"


def test_for_programs(files: Path) -> None:
    done = penstock("diff", "old.json", "new.json", "--format", "json", cwd=files)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["forbidden"] == 1
    assert found["changes"][0] == {
        "part": "object", "id": "Load", "field": "command", "kind": "changed",
        "before": ["load"], "after": ["load --fast"], "forbidden": None,
    }  # fmt: skip
    assert found["changes"][2]["before"] == [{"ref": "Load"}]
    assert "hush" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["old.json", "neu.json"], "'neu.json' is no file, and the id of a pipeline begins with"),
        (["neu.json"], "'neu.json' is no file here; and to compare files takes two"),
        (["old.json"], "'old.json' is a file; give a second one to compare it with"),
        (["broken.json", "old.json"], "broken.json: "),
        (["-", "-"], "standard input can be one of the two only"),
        (["df-NOWHERE", "old.json"], "no access key"),
    ],
)
def test_trouble(files: Path, arguments: list[str], expected: str) -> None:
    (files / "broken.json").write_text("{")
    done = penstock("diff", *arguments, cwd=files)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("penstock: ")
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_draft_against_the_version_in_force(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        client = server.boto()
        key = client.create_pipeline(name="nightly", uniqueId="n")["pipelineId"]
        where = ["--endpoint", server.endpoint, "--data", server.data]

        def put(*objects: dict[str, object]) -> None:
            client.put_pipeline_definition(pipelineId=key, pipelineObjects=list(objects))

        empty = penstock("diff", key, *where, cwd=tmp_path)
        assert (empty.returncode, empty.stderr) == (2, f"penstock: {key} has no definition yet\n")
        put(ondemand("w"), shell("A", command="one"))
        first = penstock("diff", "nightly", *where, cwd=tmp_path)
        assert first.returncode == 1
        assert first.stdout.startswith("--- nothing (not activated)\n")
        client.activate_pipeline(pipelineId=key)
        same = penstock("diff", "nightly", *where, cwd=tmp_path)
        assert (same.returncode, same.stdout) == (
            0,
            f"No difference between {key}, in force and {key}, latest.\n",
        )
        put(ondemand("w"), shell("A", command="two"))
        changed = penstock("diff", "nightly", *where, cwd=tmp_path)
        assert changed.returncode == 1
        assert '~ command: "one" -> "two"' in changed.stdout
        assert "an activated pipeline may have all of it." in changed.stdout
        (tmp_path / "file.json").write_text(json.dumps({"objects": []}))
        against_file = penstock("diff", key, "file.json", *where, cwd=tmp_path)
        assert "! an object cannot be removed once" in against_file.stdout
        unknown = penstock("diff", "weekly", *where, cwd=tmp_path)
        assert unknown.returncode == 2
        assert "no pipeline has the name or id 'weekly'" in unknown.stderr
        client.close()
