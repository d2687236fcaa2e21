"""The machine that was measured on, in a few lines."""

import os
import platform
import sqlite3
import time
from pathlib import Path
from statistics import median

from bench.ground import file_system

_SYNCS = 200


def describe(directory: Path) -> dict[str, str]:
    """Processor, memory, system, versions, and the disk with its time for one fsync."""
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "disk": f"{file_system(directory)}, fsync of 4 KiB {_sync_ms(directory):.2f} ms",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _sync_ms(directory: Path) -> float:
    """The median time to append a page to a file and have it on disk."""
    path = directory / "sync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return median(times) * 1000
