"""ShellCommandActivity as a definition's author sees it."""

from __future__ import annotations

import gzip
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runner.scripted import House, make_task


def test_success_is_reported_and_logged(house: House) -> None:
    status = house.run(make_task(command="echo out; echo err >&2"))
    assert status == {"taskId": "task-Act", "taskStatus": "FINISHED"}
    assert house.service.calls[0][0] in ("ReportTaskProgress", "ReportTaskRunnerHeartbeat")
    assert house.attempt_file("StdOutput") == "out\n"
    assert house.attempt_file("StdError") == "err\n"
    assert "exit status 0" in house.attempt_file("Activity.log")
    assert list((house.directory / "work").iterdir()) == []


def test_arguments_are_positional_parameters(house: House) -> None:
    house.run(make_task(command='printf "%s|" "$1" "$2" "$#"', scriptArgument=["a b", "$HOME"]))
    assert house.attempt_file("StdOutput") == "a b|$HOME|2|"


def test_failure_names_the_status_and_the_last_lines_of_stderr(house: House) -> None:
    command = "for i in 1 2 3 4 5 6 7; do echo line$i >&2; done; exit 3"
    status = house.run(make_task(command=command))
    assert status["taskStatus"] == "FAILED"
    assert status["errorId"] == "ShellCommandFailed"
    expected = "The command ended with exit status 3: line3\nline4\nline5\nline6\nline7"
    assert status["errorMessage"] == expected
    assert status["errorStackTrace"].startswith("line1\n")


def test_a_flood_on_stderr_stays_bounded(house: House) -> None:
    status = house.run(make_task(command="head -c 300000 /dev/zero | tr '\\0' x >&2; exit 1"))
    assert len(status["errorMessage"]) <= 2_000
    assert len(status["errorStackTrace"]) <= 1_024


def test_a_signal_is_named(house: House) -> None:
    status = house.run(make_task(command="kill -KILL $$"))
    assert status["errorMessage"] == "The command was ended by signal SIGKILL."


def test_a_command_too_long_for_an_argument_runs(house: House) -> None:
    padding = "# " + "x" * 200_000
    status = house.run(make_task(command=f"{padding}\necho $1", scriptArgument=["one"]))
    assert status["taskStatus"] == "FINISHED"
    assert house.attempt_file("StdOutput") == "one\n"


@pytest.mark.parametrize("first_line", ["#!/bin/sh\n", ""])
def test_a_script_is_fetched_and_run_with_arguments(house: House, first_line: str) -> None:
    script = house.directory / "my script.sh"
    script.write_text(f'{first_line}echo "$1 in $(basename "$PWD")"\n')
    house.run(make_task(scriptUri=f"file://{script}", scriptArgument="hello"))
    assert house.attempt_file("StdOutput") == "hello in work\n"


def test_a_missing_script_is_a_staging_failure(house: House) -> None:
    status = house.run(make_task(scriptUri=f"file://{house.directory}/none.sh"))
    assert status["errorId"] == "StagingFailed"
    assert "none.sh" in status["errorMessage"]


def test_unknown_types_are_refused_with_those_known(house: House) -> None:
    status = house.run(make_task(type="NoSuchActivity"))
    assert status["errorId"] == "UnsupportedActivity"
    assert "NoSuchActivity" in status["errorMessage"]
    assert "ShellCommandActivity" in status["errorMessage"]


def staged_task(house: House, command: str, **fields: Any) -> Any:
    source = house.directory / "in"
    (source / "sub").mkdir(parents=True, exist_ok=True)
    (source / "a").write_text("A")
    (source / "sub/b").write_text("B")
    (house.directory / "single.csv").write_text("S")
    fields.setdefault("stage", "true")
    return make_task(
        command=command,
        input=[("ref", "@In_1"), ("ref", "@Table"), ("ref", "@In_2")],
        output=[("ref", "@Out")],
        objects={
            "@In_1": {"directoryPath": f"file://{source}/"},
            "@Table": {"table": "t"},
            "@In_2": {"filePath": f"file://{house.directory}/single.csv"},
            "@Out": {"directoryPath": f"file://{house.directory}/out/x"},
        },
        **fields,
    )


COPY_ALL = (
    'cat "${INPUT1_STAGING_DIR}/a" "$INPUT1_STAGING_DIR/sub/b" "$INPUT3_STAGING_DIR/single.csv"'
    ' > "${OUTPUT1_STAGING_DIR}/all"; mkdir "$OUTPUT1_STAGING_DIR/d";'
    ' echo "${INPUT2_STAGING_DIR-none}" > "$OUTPUT1_STAGING_DIR/d/second"'
)


def test_inputs_are_staged_by_number_and_outputs_pushed(house: House) -> None:
    status = house.run(staged_task(house, COPY_ALL))
    assert status["taskStatus"] == "FINISHED", status
    assert (house.directory / "out/x/all").read_text() == "ABS"
    assert (house.directory / "out/x/d/second").read_text() == "none\n"


def test_nothing_is_pushed_when_the_command_fails(house: House) -> None:
    status = house.run(staged_task(house, COPY_ALL + "; false"))
    assert status["taskStatus"] == "FAILED"
    assert not (house.directory / "out").exists()


def test_nothing_is_staged_unless_stage_is_true(house: House) -> None:
    status = house.run(staged_task(house, 'echo "${INPUT1_STAGING_DIR-unset}"', stage="false"))
    assert status["taskStatus"] == "FINISHED"
    assert house.attempt_file("StdOutput") == "unset\n"


def test_a_missing_input_file_fails_before_the_command(house: House) -> None:
    task = make_task(
        command="echo ran",
        stage="true",
        input=[("ref", "@In")],
        objects={"@In": {"filePath": f"file://{house.directory}/nothing"}},
    )
    status = house.run(task)
    assert status["errorId"] == "StagingFailed"
    assert "@In" in status["errorMessage"]
    assert "nothing" in status["errorMessage"]


@pytest.mark.parametrize(
    ("command", "outcome"), [("true", "FINISHED"), ("ls $OUTPUT1_STAGING_DIR", "FAILED")]
)
def test_an_output_without_directory_matters_only_if_used(
    house: House, command: str, outcome: str
) -> None:
    task = make_task(
        command=command,
        stage="true",
        output=[("ref", "@Out")],
        objects={"@Out": {"filePath": f"file://{house.directory}/o"}},
    )
    assert house.run(task)["taskStatus"] == outcome


def test_streams_are_copied_where_the_fields_say(house: House) -> None:
    house.run(
        make_task(
            command="echo o; echo e >&2; exit 1",
            stdout=f"file://{house.directory}/copies/o.txt",
            stderr=f"file://{house.directory}/copies/e.txt",
        )
    )
    assert (house.directory / "copies/o.txt").read_text() == "o\n"
    assert (house.directory / "copies/e.txt").read_text() == "e\n"


def test_a_stream_that_cannot_be_copied_fails_a_good_command(house: House) -> None:
    status = house.run(make_task(command="true", stdout="ftp://x/y"))
    assert status["errorId"] == "StagingFailed"
    assert "ftp://x/y" in status["errorMessage"]


def test_logs_are_pushed_to_the_pipelines_place_and_removed_here(house: House) -> None:
    uri = f"file://{house.directory}/pushed"
    house.run(make_task(command="echo hello", pipelineLogUri=uri))
    instance = "@Act_2014-05-01T00:00:00"
    place = house.directory / "pushed/df-1/Act" / instance / f"{instance}_Attempt=1"
    assert sorted(path.name for path in place.iterdir()) == [
        "Activity.log.gz",
        "StdError.gz",
        "StdOutput.gz",
    ]
    assert gzip.decompress((place / "StdOutput.gz").read_bytes()) == b"hello\n"
    assert not (house.directory / "logs/df-1").exists()


def test_logs_that_cannot_be_pushed_stay_and_the_task_is_finished(house: House) -> None:
    status = house.run(make_task(command="echo hello", pipelineLogUri="ftp://x"))
    assert status["taskStatus"] == "FINISHED"
    assert house.attempt_file("StdOutput") == "hello\n"


def test_the_runners_keys_are_in_the_commands_environment_but_in_no_log(house: House) -> None:
    house.run(
        make_task(
            command='test "$AWS_SECRET_ACCESS_KEY" = verysecret && test -n "$AWS_DEFAULT_REGION"',
            **{"*password": "hidden"},
        )
    )
    assert house.service.status()["taskStatus"] == "FINISHED"
    for path in (house.directory / "logs").rglob("*"):
        if path.is_file():
            content = path.read_text()
            assert "verysecret" not in content
            assert "hidden" not in content


def test_work_is_kept_when_asked(house: House) -> None:
    house.run(make_task(command="echo kept > file"), keep_work=True)
    (kept,) = (house.directory / "work").glob("*/*/*/file")
    assert kept.read_text() == "kept\n"


def test_a_background_process_does_not_hold_the_task(house: House, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    status = house.run(make_task(command=f"sleep 600 & echo $! > {pid_file}"))
    assert status["taskStatus"] == "FINISHED"
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
