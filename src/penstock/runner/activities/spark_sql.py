"""Statements of SQL on Spark: a program of its own, which `spark-submit` runs.

It imports nothing of Penstock, since Spark may bring a Python of its own. Its argument is the path
of a job in JSON, as `activities/hive.py` writes it: `inputs` and `outputs` (name, path, columns
as pairs of name and type), `statements` (text, line), `result`. To the path `result` it writes what
became of it: `outputs` that were written (columns, overwrite), or the `error` (number, line,
message).
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.storeAssignmentPolicy": "LEGACY",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.legacy.createHiveTableByDefault": "false",
}
"""What makes Spark convert values as Hive does, and keep times as they are written."""

_HIVE_ONLY = re.compile(
    r"\b(row\s+format|stored\s+(as|by)|serde|temporary\s+(function|macro)|transform\s*\()",
    re.IGNORECASE,
)
_INSERT = re.compile(
    r"\s*insert\s+(overwrite|into)\s+(?:table\s+)?`?(\w+)`?\s+(.*)", re.IGNORECASE | re.DOTALL
)


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Run a job; what became of it."""
    session = _session(job)
    try:
        for table in job["inputs"]:
            _make_input(session, table)
        return _run_statements(session, job)
    finally:
        session.stop()


def _session(job: dict[str, Any]) -> Any:
    builder = importlib.import_module("pyspark.sql").SparkSession.builder
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    builder = builder.config("spark.sql.warehouse.dir", job["warehouse"])
    # Hive's own catalogue takes long to come up, so only what needs it waits for it.
    if any(_HIVE_ONLY.search(each["text"]) for each in job["statements"]):
        memory = "jdbc:derby:memory:metastore;create=true"
        builder = builder.config("spark.hadoop.javax.jdo.option.ConnectionURL", memory)
        builder = builder.enableHiveSupport()
    return builder.getOrCreate()


def _make_input(session: Any, table: dict[str, Any]) -> None:
    frame = session.read.parquet(table["path"])
    casts = [
        f"CAST({_quoted(name)} AS {kind}) AS {_quoted(name)}" for name, kind in table["columns"]
    ]
    frame.selectExpr(*casts).createOrReplaceTempView(table["name"])


def _run_statements(session: Any, job: dict[str, Any]) -> dict[str, Any]:
    outputs = {table["name"]: table for table in job["outputs"]}
    written: dict[str, dict[str, Any]] = {}
    for table in outputs.values():
        if table["columns"]:
            _make_output(session, table, table["columns"])
    for number, statement in enumerate(job["statements"], 1):
        try:
            insert = _INSERT.fullmatch(statement["text"])
            name = insert[2].lower() if insert else ""
            if insert and name in outputs:
                if not outputs[name]["columns"]:
                    fields = session.sql(insert[3]).schema.fields
                    outputs[name]["columns"] = [[f.name, f.dataType.simpleString()] for f in fields]
                    _make_output(session, outputs[name], outputs[name]["columns"])
                before = written.get(name, {"overwrite": False})
                over = before["overwrite"] or insert[1].lower() == "overwrite"
                written[name] = {"columns": outputs[name]["columns"], "overwrite": over}
            session.sql(statement["text"])
        except Exception as error:  # noqa: BLE001 - whatever Spark raises is the statement's fault
            lines = str(error).strip().splitlines()
            message = lines[0] if lines else type(error).__name__
            return {"error": {"number": number, "line": statement["line"], "message": message}}
    return {"outputs": written}


def _make_output(session: Any, table: dict[str, Any], columns: list[list[str]]) -> None:
    shown = ", ".join(f"{_quoted(name)} {kind}" for name, kind in columns)
    place = table["path"].replace("'", "\\'")
    session.sql(f"CREATE TABLE {table['name']} ({shown}) USING parquet LOCATION '{place}'")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    ended = run_job(found)
    Path(found["result"]).write_text(json.dumps(ended), encoding="utf-8")
    sys.exit(1 if "error" in ended else 0)
