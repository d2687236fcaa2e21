"""What moves large files holds little of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SIZE = 300 * 1000 * 1000
MOST_MEGABYTES = 200

_MOVE = """
import sys
from pathlib import Path
from penstock.runner.locations import Locations
from penstock.runner.options import RunnerOptions

size, directory = int(sys.argv[1]), Path(sys.argv[2])
keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "HOME": "/nonexistent"}
places = Locations(
    RunnerOptions(worker_groups=("g",)), keys | {"AWS_ENDPOINT_URL_S3": sys.argv[3]}
)
with (directory / "up").open("wb") as file:
    file.truncate(size)
places.upload(directory / "up", "s3://bucket/up")
places.download("s3://bucket/down", directory / "down")
assert (directory / "down").stat().st_size == size
with places.open_write("s3://bucket/copy") as writer:
    for chunk in places.chunks("s3://bucket/down"):
        writer.write(chunk)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def test_a_large_file_is_moved_with_bounded_memory(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells a process's largest memory there")
    script = ROOT / "tests/support/endless_store.py"
    with subprocess.Popen(
        [sys.executable, str(script), str(SIZE)], stdout=subprocess.PIPE, text=True
    ) as store:
        assert store.stdout is not None
        endpoint = f"http://127.0.0.1:{store.stdout.readline().strip()}"
        try:
            moved = subprocess.run(
                [sys.executable, "-c", _MOVE, str(SIZE), str(tmp_path), endpoint],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                check=True,
            )
        finally:
            store.kill()
    assert int(moved.stdout) / 1024 < MOST_MEGABYTES
