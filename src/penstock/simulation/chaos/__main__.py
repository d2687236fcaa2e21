"""`python -m penstock.simulation.chaos`: many seeds, or one again."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable

from penstock.simulation.chaos.database import Database, Fuse, SqliteDatabase
from penstock.simulation.chaos.history import Failed, run_seed
from penstock.simulation.chaos.postgres import on_postgres
from penstock.store.protocol import StoreUnavailable, UnsuitableDatabase

MOST_FAILURES = 20
"""After so many the rest is not worth running."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m penstock.simulation.chaos",
        description="Run random histories in which everything goes wrong that can, and hold each"
        " to what docs/engine.md says. A seed is a history: the same seed, the same history.",
    )
    parser.add_argument("--seed", type=int, help="run this one, and say what became of it")
    parser.add_argument("--seeds", type=int, default=100, help="how many to run (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (%(default)s)")
    parser.add_argument("--trace", action="store_true", help="show every step of what fails")
    parser.add_argument(
        "--database-url", help="a PostgreSQL database to run on; all that is in it is removed"
    )
    parser.add_argument("--digests", action="store_true", help="show each history's digest")
    return parser.parse_args()


def main() -> int:
    """Run seeds; the exit status says whether all went well."""
    options = _options()
    one = options.seed is not None
    seeds = [options.seed] if one else range(options.first, options.first + options.seeds)
    began = time.perf_counter()
    url = options.database_url
    database = on_postgres(url) if url else SqliteDatabase
    try:
        ran, failed = _run(seeds, database, options.trace, one or options.digests)
    except (StoreUnavailable, UnsuitableDatabase) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not options.digests:
        rate = ran / (time.perf_counter() - began)
        sys.stdout.write(f"{ran} seeds, {failed} failed; {rate:.1f} seeds a second\n")
    return 1 if failed else 0


def _run(
    seeds: Iterable[int], database: Callable[[Fuse], Database], trace: bool, shown: bool
) -> tuple[int, int]:
    """How many ran, and how many of them failed."""
    ran = failed = 0
    for seed in seeds:
        ran += 1
        try:
            history = run_seed(seed, database, trace)
        except Failed as found:
            failed += 1
            sys.stdout.write(f"{found}\n\n")
            sys.stdout.flush()
            if failed == MOST_FAILURES:
                sys.stdout.write("no more are run\n")
                break
        else:
            if shown:
                sys.stdout.write(
                    f"seed {history.seed}: {history.steps} batches, {history.statements}"
                    f" statements, {history.crashes} crashes, digest {history.digest}\n"
                )
    return ran, failed


if __name__ == "__main__":
    sys.exit(main())
