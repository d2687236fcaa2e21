r"""EmrActivity: steps, one after the other, on a cluster of EMR or on this host.

Source of the rules: developer guide, "EmrActivity". A step is a jar and its arguments between
commas; `\,` or `\\,` is a comma within an argument, and of other characters the first `\` is
dropped. On a cluster they are its steps. Without one, exports and imports of DynamoDB are done
natively and the rest as `activities/local_steps.py` tells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from penstock.runner.activities.commands import run_shell
from penstock.runner.activities.context import Context
from penstock.runner.activities.dynamodb_export import run_export
from penstock.runner.activities.dynamodb_import import run_import
from penstock.runner.activities.dynamodb_steps import INVALID_STEP, Export, recognise
from penstock.runner.activities.dynamodb_work import Crew
from penstock.runner.activities.local_steps import run_local_step
from penstock.runner.connectors.emr import EmrCluster, Step
from penstock.runner.errors import TaskFailed

CLUSTER_VARIABLE = "PENSTOCK_EMR_CLUSTER"
"""Variable of the runner's environment that names the cluster it belongs to."""

JOB_FLOW_FILE = Path("/mnt/var/lib/info/job-flow.json")
"""Where EMR tells the nodes of a cluster its id."""

_STEP_NAME_CHARACTERS = 256


def run_emr(context: Context) -> None:
    """Run `preStepCommand`s, steps, `postStepCommand`s; the first that fails ends it all."""
    attempt = context.task.attempt
    texts = attempt.strings("step")
    steps = [split_step(text) for text in texts]
    _run_commands(context, "preStepCommand")
    cluster = open_cluster(context) if steps else None
    if cluster is None and context.task.flag("resizeClusterBeforeRunning"):
        context.logs.write("resizeClusterBeforeRunning: there is no cluster to resize")
    for number, (text, words) in enumerate(zip(texts, steps, strict=True), 1):
        context.stop.check()
        what = f"Step {number} of {len(steps)}"
        # Arguments may hold secrets, a jar's place does not.
        context.logs.write(f"{what} begins: {words[0]}")
        context.progress.put("attemptStatus", what)
        if cluster is not None:
            run_on(context, cluster, words[0], tuple(words[1:]), what)
        elif not _run_natively(context, text):
            run_local_step(context, words[0], words[1:], what)
        context.progress.put("percentComplete", str(min(99, number * 100 // len(steps))))
    _run_commands(context, "postStepCommand")


def split_step(text: str) -> list[str]:
    """The jar and the arguments of a step; raises `TaskFailed`."""
    parts = re.split(r"(?<!\\),", text)
    words = [re.sub(r"\\\\?,|\\(.)", lambda m: m[1] or ",", part).strip() for part in parts]
    if not words[0]:
        raise TaskFailed(INVALID_STEP, "A step begins with a jar; one of the activity's has none.")
    return words


def find_cluster(context: Context) -> str | None:
    """The id (`j-…`) of the cluster that a task is to run on, or None if there is none.

    It is that of its resource; else the one that this runner stands on.
    """
    for resource in context.task.referenced("runsOn"):
        for key in ("@resourceId", "@clusterId"):
            if (found := resource.string(key) or "").startswith("j-"):
                return found
    named = context.shell.environment().get(CLUSTER_VARIABLE)
    if named:
        return named
    with suppress(OSError, ValueError):
        return str(json.loads(JOB_FLOW_FILE.read_bytes())["jobFlowId"])
    return None


def open_cluster(context: Context) -> EmrCluster | None:
    """The cluster that the task is to run on, rid of what earlier attempts have left on it."""
    cluster_id = find_cluster(context)
    if cluster_id is None:
        return None
    resource = next(iter(context.task.referenced("runsOn")), None)
    region = (resource.string("region") or "") if resource else ""
    pause = Crew(context.stop).pause
    cluster = EmrCluster(context.aws, cluster_id, region.lower().replace("_", "-") or None, pause)
    cluster.clear(f"{context.task.pipeline_id}/{context.task.instance_id}_Attempt=")
    return cluster


def run_on(
    context: Context,
    cluster: EmrCluster,
    jar: str,
    arguments: tuple[str, ...],
    what: str,
    main_class: str | None = None,
) -> None:
    """Run one step on a cluster, with its state as the attempt's progress."""
    name = f"{context.task.pipeline_id}/{context.task.attempt_id} {what}"[:_STEP_NAME_CHARACTERS]
    step = Step(name, jar, arguments, main_class)
    cluster.run(step, _teller(context, cluster, what))


def _teller(context: Context, cluster: EmrCluster, what: str) -> Callable[[str, str], None]:
    def tell(step_id: str, state: str) -> None:
        place = cluster.log_place(step_id)
        context.progress.put("attemptStatus", f"{what} ({step_id}) is {state}")
        if place:
            context.progress.put("emrStepLog", place)
        at = f"; its log: {place}" if place else ""
        context.logs.write(f"{what} ({step_id} on {cluster.id}) is {state}{at}")

    return tell


def _run_natively(context: Context, text: str) -> bool:
    """Do an export or import of DynamoDB; False if the step is none."""
    found = recognise(text)
    if found is None:
        return False
    if isinstance(found, Export):
        run_export(context, found)
    else:
        run_import(context, found)
    return True


def _run_commands(context: Context, key: str) -> None:
    commands = context.task.attempt.strings(key)
    for number, command in enumerate(commands, 1):
        context.stop.check()
        run_shell(context, command, f"{key} {number} of {len(commands)}")
