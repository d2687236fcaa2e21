"""Seeded chaos over the real service and store, held to a reference model; a failure prints its
seed, and `python -m penstock.simulation.chaos --seed N --trace` replays it.
"""

import os
import subprocess
import sys

import pytest

from penstock.simulation.chaos.history import run_seed
from penstock.simulation.chaos.postgres import on_postgres

SEEDS = 300
CHUNK = 15


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_nothing_that_goes_wrong_breaks_a_rule(first):
    for seed in range(first, first + CHUNK):
        run_seed(seed)


@pytest.mark.parametrize("seed", range(5))
def test_nor_on_postgresql(database, seed):
    run_seed(seed, on_postgres(database))


def test_a_seed_is_a_history():
    assert run_seed(4) == run_seed(4)
    assert run_seed(4).digest != run_seed(5).digest


def test_a_seed_is_the_same_history_in_every_process():
    """The order of sets and hashes differs from process to process, and has no say in it."""
    found = {
        subprocess.run(
            [sys.executable, "-m", "penstock.simulation.chaos", "--first", "0", "--seeds", "4",
             "--digests"],
            env=os.environ | {"PYTHONHASHSEED": str(salt)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for salt in (1, 2)
    }  # fmt: skip
    assert len(found) == 1
