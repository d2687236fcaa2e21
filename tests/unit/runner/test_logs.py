"""The runner's hourly files, and where an attempt's logs go."""

from __future__ import annotations

import gzip
from pathlib import Path

from penstock.model.times import HOUR_MS
from penstock.runner.locations import Locations
from penstock.runner.logs import RunnerLog, attempt_path
from penstock.runner.options import RunnerOptions
from penstock.runner.task import Task, read_task
from tests.unit.runner.scripted import make_task

NOON = 1_398_945_600_000  # 2014-05-01T12:00:00


class Watch:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


def test_each_hour_has_a_file_and_old_ones_are_compressed(tmp_path: Path) -> None:
    watch = Watch()
    log = RunnerLog(tmp_path, watch)
    for hour in range(10):
        watch.now = NOON + hour * HOUR_MS
        log.write(f"hour {hour}")
    log.compress_old()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[0] == "TaskRunner.log.2014-05-01-12.gz"
    assert names[1] == "TaskRunner.log.2014-05-01-13.gz"
    assert names[2] == "TaskRunner.log.2014-05-01-14"
    assert len(names) == 10
    assert b"hour 0" in gzip.decompress((tmp_path / names[0]).read_bytes())
    log.close()


def test_a_line_is_one_line(tmp_path: Path) -> None:
    log = RunnerLog(tmp_path, Watch())
    log.write("one\ntwo")
    log.close()
    text = (tmp_path / "TaskRunner.log.2014-05-01-12").read_text()
    assert text == "2014-05-01T12:00:00.000Z [MainThread] one two\n"


def test_what_was_written_since_the_last_push_is_pushed(tmp_path: Path) -> None:
    watch = Watch()
    log = RunnerLog(tmp_path / "logs", watch)
    places = Locations(RunnerOptions(worker_groups=("g",)), {})
    target = tmp_path / "pushed"

    def pushed(hours: range) -> list[str]:
        for hour in hours:
            watch.now = NOON + hour * HOUR_MS
            log.write(f"hour {hour}")
        log.push(places, f"file://{target}")
        names = sorted(path.name[-5:] for path in target.iterdir())
        for path in target.iterdir():
            path.unlink()
        return names

    assert pushed(range(2)) == ["01-12", "01-13"]
    # The hour that was not over at the first push comes again, the one before does not.
    assert pushed(range(2, 3)) == ["01-13", "01-14"]
    log.compress_old()
    log.close()


def test_an_attempts_path_is_the_originals() -> None:
    found = read_task({"taskObject": make_task("Act")})
    assert found is not None
    instance = "@Act_2014-05-01T00:00:00"
    assert attempt_path(found) == f"df-1/Act/{instance}/{instance}_Attempt=1"


def test_ids_never_lead_out_of_the_directory() -> None:
    attempt = make_task("../../x")
    task = read_task({"taskObject": attempt})
    assert task is not None
    parts = attempt_path(Task("t", "..", task.attempt, task.objects)).split("/")
    assert len(parts) == 4
    assert not {"", ".", ".."} & set(parts)
