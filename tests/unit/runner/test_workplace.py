"""Working directories, and those that a runner killed outright has left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from penstock.runner.workplace import Workplace

_VICTIM = """
import sys, time
from pathlib import Path
from penstock.runner.workplace import Workplace
place = Workplace(Path(sys.argv[1]), False, print)
(place.make() / "rest").write_text("x")
print("ready", flush=True)
time.sleep(600)
"""


def test_what_a_dead_runner_left_is_removed_and_what_a_living_one_has_is_not(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        said: list[str] = []
        neighbour = Workplace(tmp_path, False, said.append)
        assert said == []
        assert len(list(tmp_path.glob("*/attempt-*/rest"))) == 1
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
    Workplace(tmp_path, False, said.append).close()
    assert len(said) == 1
    assert list(tmp_path.iterdir()) == [neighbour.directory]
    neighbour.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_for_inspection_stays(tmp_path: Path) -> None:
    place = Workplace(tmp_path, True, print)
    kept = place.make()
    (kept / "file").write_text("x")
    place.remove(kept)
    place.close()
    Workplace(tmp_path, False, print).close()
    assert (kept / "file").exists()
    Workplace(tmp_path, True, print).close()
    assert len(list(tmp_path.iterdir())) == 1
