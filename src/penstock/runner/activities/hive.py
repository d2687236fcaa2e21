"""HiveActivity: a script in Hive's SQL, run by Apache Spark, with data nodes staged as tables.

Source of the rules: developer guide, "HiveActivity" and "Staging Data and Tables with Pipeline
Activities". Unless `stage` is false, inputs are the tables `${input1}`, `${input2}` and so on, with
the columns of their dataFormat or query, and what the script inserts into `${output1}` is written
to the output in its format when the whole script has succeeded.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.model.definition import PipelineObject
from penstock.runner.activities import copy, spark_sql
from penstock.runner.activities.commands import (
    describe,
    fetch,
    last_lines,
    run_config,
    run_program,
    tail,
)
from penstock.runner.activities.context import Context
from penstock.runner.activities.spark import find_spark, master_options, spark_environment
from penstock.runner.connectors import connect
from penstock.runner.connectors.scripts import split_script
from penstock.runner.errors import CommandFailed, LocationError, TaskFailed
from penstock.runner.locations import join_uri
from penstock.runner.records.batches import Batch
from penstock.runner.records.files import FileForm, write_file
from penstock.runner.records.formats import Column, Format
from penstock.runner.records.parquet import read_parquet
from penstock.runner.records.typed import family
from penstock.runner.staging import STAGING_FAILED

HIVE_FAILED = "HiveFailed"
"""errorId when a statement failed."""

_VARIABLE = re.compile(r"\$\{(?:hivevar:|hiveconf:)?(\w+)\}")
_SPARK_TYPES = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def run_hive(context: Context) -> None:
    """Stage inputs, run the script, write outputs; those only if all of it succeeded."""
    task = context.task
    staged = (task.attempt.string("stage") or "true").lower() != "false"
    inputs = task.referenced("input") if staged else ()
    outputs = task.referenced("output") if staged else ()
    script = _script(context, len(inputs), len(outputs))
    spark = find_spark(context, "HiveActivity")
    run_config(context, "preActivityTaskConfig")
    try:
        with copy.stopping(context):
            job = _job(context, inputs, outputs, script)
            result = _run(context, spark, job)
            for node, table in zip(outputs, job["outputs"], strict=True):
                if made := result.get(table["name"]):
                    _write(context, node, Path(table["path"]), made)
    except (LocationError, OSError) as error:
        raise TaskFailed(STAGING_FAILED, f"HiveActivity: {error}") from error
    run_config(context, "postActivityTaskConfig")


def substitute(script: str, variables: Mapping[str, str]) -> str:
    """The script with `${NAME}`, `${hivevar:NAME}` and `${hiveconf:NAME}` replaced; what has no
    value stays as it is, as in Hive.
    """
    return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), script)


def _script(context: Context, inputs: int, outputs: int) -> str:
    attempt = context.task.attempt
    script, uri = attempt.string("hiveScript"), attempt.string("scriptUri")
    if not script and uri:
        try:
            script = fetch(context, uri, "HiveActivity").read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise TaskFailed(copy.INVALID, f"{uri} is no text in UTF-8.") from error
    if not script:
        raise TaskFailed(copy.INVALID, "The activity has neither hiveScript nor scriptUri.")
    variables = {}
    for text in attempt.strings("scriptVariable"):
        name, equals, value = text.partition("=")
        if not equals:
            message = "scriptVariable must be of the form NAME=value; one of them has no '='."
            raise TaskFailed(copy.INVALID, message)
        variables[name.strip()] = value
    for kind, count in (("input", inputs), ("output", outputs)):
        for number in range(1, count + 1):
            variables[f"{kind}{number}"] = variables[f"{kind.upper()}{number}"] = f"{kind}{number}"
    return substitute(script, variables)


def _job(
    context: Context,
    inputs: tuple[PipelineObject, ...],
    outputs: tuple[PipelineObject, ...],
    script: str,
) -> dict[str, Any]:
    """The job as `spark_sql` takes it, the inputs staged."""
    place = context.directory / "tables"
    place.mkdir()
    statements = [{"text": s.text, "line": s.line} for s in split_script(script, "hive")]
    return {
        "inputs": [
            _stage(context, node, f"input{number}", place) for number, node in enumerate(inputs, 1)
        ],
        "outputs": [
            {
                "name": f"output{number}",
                "path": str(place / f"output{number}"),
                "columns": _declared(context, node),
            }
            for number, node in enumerate(outputs, 1)
        ],
        "statements": statements,
        "warehouse": str(place / "warehouse"),
        "result": str(place / "result.json"),
    }


def _declared(context: Context, node: PipelineObject) -> list[list[str]]:
    columns = copy.file_form(context, node).format.columns
    return [[column.name, _spark_type(column)] for column in columns]


def _spark_type(column: Column) -> str:
    kind = family(column.type)
    if kind == "decimal":
        return column.type if "(" in column.type else "DECIMAL(38,10)"
    return _SPARK_TYPES.get(kind, "STRING")


def _stage(context: Context, node: PipelineObject, name: str, place: Path) -> dict[str, Any]:
    """A data node's rows in a Parquet file, which keeps their types."""
    target = place / f"{name}.parquet"
    if copy.is_file(node):
        form = copy.file_form(context, node)
        stream = copy.read_files(context, copy.files_of(context, node), form)
        columns = _stage_rows(context, stream, target)
    elif node.string("type") == "DynamoDBDataNode":
        message = (
            f"{node.name!r} is a table of DynamoDB, which HiveActivity does not stage; export it to"
            " S3 by a HiveCopyActivity before."
        )
        raise TaskFailed(copy.INVALID, message)
    else:
        connection = connect(copy.database_of(context, node), context)
        try:
            query = node.string("selectQuery") or copy.select_all(connection, node)
            reading = connection.read(query, "")
            stream = copy.Stream(reading.columns, len(reading.columns), reading.batches)
            columns = _stage_rows(context, stream, target)
        finally:
            connection.rollback()
            connection.close()
    context.logs.write(f"{node.name} is staged as the table {name}")
    shown = [[column.name, _spark_type(column)] for column in columns]
    return {"name": name, "path": str(target), "columns": shown}


def _stage_rows(context: Context, stream: copy.Stream, target: Path) -> tuple[Column, ...]:
    width = stream.width or 1
    columns = stream.columns or tuple(Column(f"_c{index}") for index in range(width))
    scratch = context.directory / "staged.parquet"
    pieces = write_file(stream.batches, FileForm(Format("Parquet")), columns, width, scratch)
    with target.open("wb") as file:
        for piece in pieces:
            context.stop.check()
            file.write(piece)
    return columns


def _run(context: Context, spark: str, job: dict[str, Any]) -> dict[str, Any]:
    """Run the job; of each output that the script has written to, what Spark says of it."""
    path = context.directory / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    environment = spark_environment(context)
    queue = context.task.attempt.string("hadoopQueue")
    options = master_options(environment) + (
        ["--conf", f"spark.yarn.queue={queue}"] if queue else []
    )
    # Beside its siblings their names would hide modules of Python's own.
    program = shutil.copy(spark_sql.__file__, path.with_name("penstock_spark_sql.py"))
    argv = [spark, *options, str(program), str(path)]
    try:
        run_program(context, argv, "The Hive script", environment)
    except CommandFailed as failure:
        raise _diagnosed(context, failure, Path(job["result"])) from failure
    outputs: dict[str, Any] = json.loads(Path(job["result"]).read_bytes())["outputs"]
    return outputs


def _diagnosed(context: Context, failure: CommandFailed, result: Path) -> TaskFailed:
    """The failure of the statement; if Spark itself failed, with what it said last."""
    if not result.exists():
        # Spark hands on the output of its Python, errors too, as its own stdout.
        said = last_lines(tail(context.logs.stdout_path)) or str(failure)
        message = f"Spark {describe(failure.status)} before the script did: {said}"
        return TaskFailed(HIVE_FAILED, message, failure.stack_trace)
    error = json.loads(result.read_bytes())["error"]
    message = f"Statement {error['number']} (line {error['line']}) failed: {error['message']}"
    return TaskFailed(HIVE_FAILED, message, failure.stack_trace)


def _write(context: Context, node: PipelineObject, place: Path, made: dict[str, Any]) -> None:
    """Write a table that Spark has filled to its data node."""
    columns = tuple(Column(name, kind.upper()) for name, kind in made["columns"])
    files = sorted(place.glob("*.parquet"))

    def rows() -> Iterator[Batch]:
        for file in files:
            context.stop.check()
            yield from read_parquet(file, file.name)

    def read() -> copy.Stream:
        return copy.Stream(columns, len(columns), rows())

    if not copy.is_file(node):
        copy.load_table(context, node, read)
        return
    form = copy.file_form(context, node)
    # A retry writes the same file again, so nothing is there twice.
    mark = hashlib.sha256(context.task.instance_id.encode()).hexdigest()[:12]
    name = f"part-00000-{mark}{form.suffix}"
    uri = node.string("filePath") or copy.inside(node, name)
    copy.write_stream(context, read(), form, uri, node)
    directory = node.string("directoryPath")
    if made["overwrite"] and directory:
        for entry in list(context.mover.entries(directory)):
            if entry.name != name:
                context.mover.delete(join_uri(directory, entry.name))
