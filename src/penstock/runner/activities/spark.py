"""Apache Spark for activities: the host's own installation, or the one that pip has installed.

`SPARK_MASTER` in the runner's environment says where Spark runs (`local[4]`, `spark://…`, `yarn`,
`k8s://…`); without it Spark decides by its own configuration, which means this host at first.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.runner.activities.commands import MISSING_PROGRAM, fetch, find_program, run_program
from penstock.runner.activities.context import Context
from penstock.runner.errors import TaskFailed

MASTER_VARIABLE = "SPARK_MASTER"
"""Variable of the runner's environment with the master's URL."""

_FLAGS = frozenset({"--verbose", "-v", "--supervise", "--version", "--help", "-h"})
_FILE_OPTIONS = frozenset({"--jars", "--py-files", "--files", "--archives"})
_STORED = ("s3://", "s3a://", "s3n://")


def submit(context: Context, arguments: Sequence[str], what: str) -> None:
    """Run `spark-submit` with its arguments, on the master that this host is set to use."""
    environment = spark_environment(context)
    argv = [find_spark(context, what), *adapt(context, arguments, environment, what)]
    run_program(context, argv, what, environment)


def find_spark(context: Context, what: str) -> str:
    """The path of `spark-submit`; raises `TaskFailed` if Spark or Java is not there."""
    environment = context.shell.environment()
    home = environment.get("SPARK_HOME")
    places = [Path(home) / "bin/spark-submit"] if home else []
    if found := find_program(context, "spark-submit"):
        places.append(Path(found))
    installed = importlib.util.find_spec("pyspark")
    if installed is not None and installed.origin:
        places.append(Path(installed.origin).parent / "bin/spark-submit")
    place = next((each for each in places if each.exists()), None)
    if place is None:
        message = (
            f"{what} needs Apache Spark: `pip install 'penstock[spark]'` where the runner is, or"
            " a spark-submit on its PATH."
        )
        raise TaskFailed("MissingLibrary", message)
    if not environment.get("JAVA_HOME") and find_program(context, "java") is None:
        message = f"{what} needs Java for Apache Spark: no `java` on the PATH and no JAVA_HOME."
        raise TaskFailed(MISSING_PROGRAM, message)
    return str(place.resolve())


def spark_environment(context: Context) -> dict[str, str]:
    """The environment for Spark: its Python is the runner's own, unless it is set."""
    environment = context.shell.environment()
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    return environment


def master_options(environment: Mapping[str, str]) -> list[str]:
    """The options that choose the master; none leave it to Spark's configuration."""
    master = environment.get(MASTER_VARIABLE)
    if not master:
        return []
    # With a driver elsewhere nobody would see its output, or could stop it.
    return ["--master", master, "--deploy-mode", "client"]


def adapt(
    context: Context, arguments: Sequence[str], environment: Mapping[str, str], what: str
) -> list[str]:
    """Arguments for EMR's spark-submit as they suit this host.

    A cluster's `--master yarn` gives way to the host's own, if that is set or if no Hadoop
    configuration says where YARN would be. Programs and libraries in S3 are fetched, as Spark by
    itself does not know S3.
    """
    own = master_options(environment)
    keeps = not own and any(environment.get(f"{each}_CONF_DIR") for each in ("HADOOP", "YARN"))
    options, program = _split(arguments)
    kept = list(own)
    for name, value in options:
        if name in ("--master", "--deploy-mode") and not keeps:
            continue
        kept.append(name)
        if value is not None:
            kept.append(_fetched(context, value, what) if name in _FILE_OPTIONS else value)
    if program:
        program = [_fetched(context, program[0], what), *program[1:]]
    return kept + program


def _fetched(context: Context, files: str, what: str) -> str:
    """A list of files with those in S3 fetched."""
    return ",".join(
        str(fetch(context, uri, what)) if uri.startswith(_STORED) else uri
        for uri in files.split(",")
    )


def _split(arguments: Sequence[str]) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Options with their values, and the program with its own arguments."""
    options: list[tuple[str, str | None]] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        name, equals, value = rest.pop(0).partition("=")
        if equals:
            options.append((name, value))
        elif name in _FLAGS or not rest:
            options.append((name, None))
        else:
            options.append((name, rest.pop(0)))
    return options, rest
