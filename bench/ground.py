"""Where and how thoroughly to measure."""

import os
from pathlib import Path

from msgspec import Struct

from bench.jobs import Job, Told
from bench.processes import Server, cpu_seconds, run_job


class Ground(Struct, frozen=True):
    """A directory on a real disk, and whether a quick look will do."""

    directory: Path
    quick: bool

    def pick(self, full: int, quick: int) -> int:
        """How many: of a full run, or of a quick one."""
        return quick if self.quick else full

    def data(self, name: str) -> Path:
        """A fresh data directory's path."""
        return self.directory / name


class Measured(Struct, frozen=True):
    """What a job came to, and the share of a core that the server used meanwhile."""

    told: Told
    server_cpu_share: float

    @property
    def server_cpu_us(self) -> float:
        """The server's processor time for one."""
        return self.server_cpu_share * self.told.seconds / self.told.count * 1e6


def measure(server: Server, job: Job) -> Measured:
    """Run a job against a server."""
    before = cpu_seconds(server.process.pid)
    told = run_job(job)
    used = cpu_seconds(server.process.pid) - before
    return Measured(told, used / told.seconds)


def file_system(path: Path) -> str:
    """The type of the file system that a path lies on, as the system's mount table names it."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        inside = os.path.commonpath((mount, path.resolve())) == mount
        if inside and len(mount) >= len(best):
            best, kind = mount, found
    return kind
