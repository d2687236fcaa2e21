"""A runner that is killed in the middle: the next try finds no trace of the first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.runner.copying.conftest import ORDERS, Shop, copy_task, finish, in_file, in_table

_RUNNER = """
import json, sys
from pathlib import Path
from tests.unit.runner.scripted import House
House(Path(sys.argv[1])).run(json.load(sys.stdin))
"""
START_SECONDS = 30


def kill_when(begun: Callable[[], bool], directory: Path, task: Any) -> None:
    """Run a task in a process of its own, and kill that once the task is in its middle."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", _RUNNER, str(directory)], stdin=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(task).encode())
        process.stdin.close()
        deadline = time.monotonic() + START_SECONDS
        while not begun():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)


def test_a_load_that_was_killed_is_tried_again_without_duplicates(
    shop: Shop, tmp_path: Path
) -> None:
    shop.run(ORDERS.replace(" PRIMARY KEY", ""))
    pipe = tmp_path / "in.csv"
    lines = "".join(f"{number},x,1\n" for number in range(100_000))
    pipe.write_text(lines)
    shop.run(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF new.id = 90000 THEN PERFORM pg_sleep(60); END IF; RETURN new; END $$;"
        " CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION linger()"
    )
    task = copy_task(in_file(pipe), in_table("orders"), Db=shop.node)
    lingering = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    kill_when(lambda: bool(shop.run(lingering)), tmp_path / "dead", task)
    # The server notices a dead client when it next speaks to it; this is quicker.
    shop.run(f"SELECT pg_terminate_backend(pid) FROM ({lingering}) l")
    shop.run("DROP TRIGGER t ON orders")
    assert shop.run("SELECT count(*) FROM orders") == [(0,)]
    finish(tmp_path, task)
    assert shop.run("SELECT count(*) FROM orders") == [(100_000,)]


def test_an_export_that_was_killed_leaves_no_half_file(shop: Shop, tmp_path: Path) -> None:
    slow = "SELECT i, CASE WHEN i > 200000 THEN pg_sleep(1)::text END"
    slow += " FROM generate_series(1, 200001) i"
    out = tmp_path / "out" / "all.csv"
    task = copy_task(in_table("t", selectQuery=slow), in_file(out), Db=shop.node)
    kill_when(lambda: out.parent.exists(), tmp_path / "dead", task)
    assert not out.exists()
    finish(tmp_path, task)
    assert len(out.read_text().splitlines()) == 200_001
