"""One seed: a history of chaos, then calm, and everything in its place at the end."""

import json
from collections.abc import Callable, MutableMapping
from hashlib import blake2b
from random import Random
from typing import Any

import structlog
from msgspec import Struct

from penstock.model.api import GetPipelineDefinitionRequest
from penstock.model.caller import Caller
from penstock.model.runtime import Pipeline
from penstock.simulation.chaos.actors import (
    ACCOUNTS,
    Editions,
    liar,
    own_runner,
    person,
    runner,
)
from penstock.simulation.chaos.auditor import ReferenceAuditor, Violated
from penstock.simulation.chaos.calm import everything_is_explained, put_in_order, settle
from penstock.simulation.chaos.database import Database, Fuse, SqliteDatabase
from penstock.simulation.chaos.life import Life

START = 1_700_006_400_000
"""2023-11-15T00:00:00, a Wednesday."""

STEPS = 100
"""Batches of chaos before the calm."""

LAST_STEPS = 12


class Failed(AssertionError):
    """A seed has found something; the text is a report for people."""


class History(Struct, frozen=True):
    """What became of a seed; `digest` is the same whenever nothing hidden had a say in it."""

    seed: int
    digest: str
    steps: int
    crashes: int
    statements: int


def run_seed(
    seed: int, database: Callable[[Fuse], Database] = SqliteDatabase, trace: bool = False
) -> History:
    """Run a seed. Raises `Failed`, with all that is needed to see what happened."""
    random = Random(f"chaos {seed}")  # noqa: S311 - it is to be guessed
    world = _World(random, database(Fuse()))
    try:
        with structlog.testing.capture_logs() as lines:
            world.run(lines)
    except Exception as error:
        raise Failed(_report(seed, world, error, trace)) from error
    finally:
        world.database.close()
    life = world.life
    digest = blake2b("\n".join(life.log).encode(), digest_size=12).hexdigest()
    return History(seed, digest, life.steps, life.crashes, world.database.fuse.statements)


def _report(seed: int, world: "_World", error: Exception, trace: bool) -> str:
    life = world.life
    lines, options = life.log[-LAST_STEPS:], world.database.options
    if trace:
        put = [json.dumps({"objects": each.objects()}) for each in world.editions.values()]
        lines = [*put, *life.log]
    broken = str(error) if isinstance(error, Violated) else f"{type(error).__name__}: {error}"
    return "\n".join(
        [
            *lines,
            "",
            f"seed {seed}, step {life.steps}:",
            *(f"  {line}" for line in broken.splitlines()),
            "",
            f"again: python -m penstock.simulation.chaos --seed {seed}{options} --trace",
        ]
    )


class _World:
    """Everything that a seed draws."""

    def __init__(self, random: Random, database: Database) -> None:
        self.random = random
        self.database = database
        self.editions: Editions = {}
        self.auditor = ReferenceAuditor(self.editions, self._in_force)
        self.life = Life(random, database, self.auditor, START)

    def _in_force(self, row: Pipeline) -> str:
        """The name in the Default object of the active definition."""
        caller = Caller(row.account_id, row.user_id, "auditor", "")
        request = GetPipelineDefinitionRequest(row.id, "active")
        fuse = self.database.fuse
        trouble, fuse.trouble = fuse.trouble, None
        outcome = self.life.server.call("GetPipelineDefinition", caller, request).outcome
        fuse.trouble = trouble
        assert outcome is not None
        if outcome.error is not None:
            raise outcome.error
        default = next(each for each in outcome.answer.pipeline_objects if each.id == "Default")
        return str(default.name)

    def run(self, lines: list[MutableMapping[str, Any]]) -> None:
        """Chaos; what the server logs goes to `lines`."""
        life, random = self.life, self.random
        for caller in ACCOUNTS[: random.choice((1, 1, 2))]:
            life.enter(person(life, caller, self.editions))
            for group in ("workers", "workers", "others", "g0", "g20", "g40"):
                life.enter(runner(life, caller, group, f"runner of {group}"))
        life.enter(own_runner(life))
        life.enter(liar(life))
        for _ in range(STEPS):
            if not life.step():
                break
            _no_defect(lines)
        callers = {caller.account_id: caller for caller in ACCOUNTS}
        settle(life, callers)
        everything_is_explained(life, self.auditor.scenes(life.rows, life.now), callers)
        put_in_order(life, callers)
        _no_defect(lines)


def _no_defect(lines: list[MutableMapping[str, Any]]) -> None:
    """The server must not have met a defect of its own, and carried on."""
    for line in lines:
        if line["event"] != "database unavailable":
            raise Violated(f"the server has logged: {line['event']}\n{line.get('exception')}")
    lines.clear()
