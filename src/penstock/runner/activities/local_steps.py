"""Steps as EMR takes them, run on this host: what its runner jars would run, is run.

`command-runner.jar,PROGRAM,…` and `script-runner.jar,SCRIPT,…` need no Hadoop. Any other jar is
the business of the host's `hadoop jar`.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.runner.activities.commands import fetch, need_program, run_program, run_script
from penstock.runner.activities.context import Context
from penstock.runner.activities.dynamodb_steps import INVALID_STEP
from penstock.runner.activities.spark import submit
from penstock.runner.errors import TaskFailed


def run_local_step(context: Context, jar: str, arguments: Sequence[str], what: str) -> None:
    """Run a step; raises `TaskFailed` or `Stopped`. `what` begins sentences about it."""
    name = jar.rpartition("/")[2]
    if name in ("command-runner.jar", "script-runner.jar") and not arguments:
        raise TaskFailed(INVALID_STEP, f"{what} has nothing after {name} that could be run.")
    if name == "command-runner.jar":
        _run_command(context, arguments, what)
    elif name == "script-runner.jar":
        run_script(context, arguments[0], arguments[1:], what)
    else:
        run_jar(context, jar, arguments, what)


def run_jar(context: Context, jar: str, arguments: Sequence[str], what: str) -> None:
    """Run a jar by the host's Hadoop, fetched first if it is elsewhere."""
    hadoop = need_program(context, "hadoop", f"{what} runs {jar.rpartition('/')[2]}, which")
    path = str(fetch(context, jar, what)) if "://" in jar else jar
    run_program(context, [hadoop, "jar", path, *arguments], what)


def _run_command(context: Context, arguments: Sequence[str], what: str) -> None:
    program = arguments[0]
    if program == "spark-submit":
        submit(context, arguments[1:], what)
        return
    path = program if "/" in program else need_program(context, program, what)
    run_program(context, [path, *arguments[1:]], what)
