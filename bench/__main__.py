"""python -m bench [--quick] [--only a,b,...] [--json FILE] [--directory DIR]"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.copying import measure_copying
from bench.felt import measure_felt
from bench.figures import Figure, show
from bench.ground import Ground, file_system
from bench.handover import measure_handover, measure_idle
from bench.history import measure_history
from bench.language import measure_language
from bench.machine import describe
from bench.postgres import measure_postgres
from bench.schedules import measure_backfill, measure_schedules
from bench.throughput import measure_throughput

PARTS: dict[str, Callable[[Ground], list[Figure]]] = {
    "a": measure_throughput,
    "b": measure_throughput,
    "c": measure_handover,
    "d": measure_idle,
    "e": measure_history,
    "f": measure_felt,
    "g": measure_language,
    "h": measure_postgres,
    "i": measure_backfill,
    "j": measure_schedules,
    "k": measure_copying,
}
"""`a` and `b` are measured by turns, so asking for one asks for both."""


def main() -> None:
    """Measure, print, and keep the figures if asked to."""
    options = parse()
    options.directory.mkdir(parents=True, exist_ok=True)
    if file_system(options.directory) in {"tmpfs", "ramfs"}:
        sys.exit(f"{options.directory} lies in memory; durability needs a disk: --directory DIR")
    place = Path(tempfile.mkdtemp(prefix="bench-", dir=options.directory)).absolute()
    try:
        machine = describe(place)
        for name, text in machine.items():
            print(f"{name:12} {text}")
        figures = measure_all(Ground(place, options.quick), options.only)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print()
    show(figures)
    if options.json:
        told = {"machine": machine, "quick": options.quick, "figures": list(figures)}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")


def measure_all(ground: Ground, parts: list[str]) -> list[Figure]:
    """Each part in a directory of its own, one after the other."""
    figures: list[Figure] = []
    for measure in dict.fromkeys(PARTS[part] for part in parts):
        name = measure.__name__
        began = time.monotonic()
        directory = ground.directory / name
        directory.mkdir()
        figures += measure(Ground(directory, ground.quick))
        # The next part must not wait for this one's pages to be written.
        shutil.rmtree(directory, ignore_errors=True)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return figures


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some three minutes, smaller numbers")
    parser.add_argument(
        "--only", default=list(PARTS), type=to_parts, metavar="a,b,...", help="some of a to k"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("build"),
        help="where to put data, on the disk to measure (default: build)",
    )
    return parser.parse_args()


def to_parts(text: str) -> list[str]:
    """Letters from a list with commas."""
    parts = text.split(",")
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
    return parts


if __name__ == "__main__":
    main()
