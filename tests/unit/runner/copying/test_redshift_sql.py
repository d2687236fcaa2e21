"""The statements that Redshift is sent, whole, against files that a reader can judge.

No Redshift is at hand, so a connection that only answers what the catalog would takes its place.
With `PENSTOCK_WRITE_GOLDEN=1` the files are written anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock.runner.connectors import opening
from penstock.runner.connectors.protocol import STATEMENT_FAILED, DatabaseFault, Reading, Table
from penstock.runner.records.batches import Rows
from penstock.runner.records.formats import Column
from tests.unit.runner.scripted import House, make_task

GOLDEN = Path(__file__).parent / "golden"
SECRET = "secret/with+signs"


class FakeRedshift:
    """Records what it is told; knows one table, and what the catalog says of its keys."""

    kind = "redshift"

    def __init__(self, primary: tuple[str, ...] = (), sorting: tuple[str, ...] = ()) -> None:
        self.statements: list[str] = []
        self.keys = {"pg_constraint": primary, "attisdistkey": sorting}
        self.missing = False
        self.refusal = ""

    def execute(self, statement: str, _arguments: Sequence[str] = ()) -> int:
        self.statements.append(statement)
        self.missing = self.missing and not statement.startswith("CREATE TABLE")
        if self.refusal and statement.startswith("COPY"):
            raise DatabaseFault(STATEMENT_FAILED, f"{self.refusal}: {statement}")
        return 2

    def table(self, name: str, schema: str | None) -> Table | None:
        columns = (Column("id", "INTEGER"), Column("at", "TIMESTAMP"), Column("name", "TEXT"))
        return None if self.missing else Table(f'"{schema}"."{name}"', columns)

    def read(self, query: str, _form: str) -> Reading:
        found = next(values for word, values in self.keys.items() if word in query)
        return Reading((Column("attname"),), iter([Rows([[value] for value in found])]))

    def commit(self) -> None:
        self.statements.append("COMMIT")

    def rollback(self) -> None:
        self.statements.append("ROLLBACK")

    def close(self) -> None:
        pass

    def cancel(self) -> None:
        pass


TABLE = {"type": "RedshiftDataNode", "tableName": "users", "database": ("ref", "Db")}
FILES = {"type": "S3DataNode", "directoryPath": "s3://bucket/users"}
MANIFEST = {"type": "S3DataNode", "manifestFilePath": "s3://bucket/it's.manifest"}
DYNAMODB = {"type": "DynamoDBDataNode", "tableName": "Users", "readThroughputPercent": "0.25"}
TSV = {"type": "TSV", "column": ["id INT", "name STRING"]}
CASES: dict[str, dict[str, Any]] = {
    "keep_existing": {"insertMode": "KEEP_EXISTING", "queue": "night"},
    "overwrite_existing": {
        "insertMode": "OVERWRITE_EXISTING",
        "commandOptions": ["EMPTYASNULL", "IGNOREBLANKLINES"],
        "sorting": ("at", "id"),
    },
    "truncate_from_manifest": {"insertMode": "TRUNCATE", "In": MANIFEST},
    "append_with_role": {
        "insertMode": "APPEND",
        "commandOptions": ["CSV", "IAM_ROLE 'arn:aws:iam::1:role/r'"],
    },
    "append_tsv_gzip": {
        "insertMode": "APPEND",
        "In": FILES | {"compression": "GZIP", "dataFormat": ("ref", "Format")},
        "commandOptions": ["CSV", "REGION 'eu-west-1'"],
        "Format": TSV,
    },
    "transform": {
        "insertMode": "OVERWRITE_EXISTING",
        "transformSql": "SELECT id, at, upper(name) FROM staging;",
    },
    "create_table": {
        "insertMode": "APPEND",
        "missing": True,
        "Out": TABLE | {"createTableSql": "CREATE TABLE users (id int)"},
    },
    "from_dynamodb": {"insertMode": "APPEND", "In": DYNAMODB | {"region": "us_west_2"}},
    "unload": {"insertMode": "APPEND", "In": TABLE, "Out": FILES},
    "unload_in_one": {
        "insertMode": "APPEND",
        "In": TABLE,
        "Out": {"type": "S3DataNode", "filePath": "s3://bucket/users-"},
        "commandOptions": ["PARALLEL OFF", "ADDQUOTES"],
    },
}


def fake_run(
    house: House, monkeypatch: pytest.MonkeyPatch, redshift: FakeRedshift, case: dict[str, Any]
) -> dict[str, Any]:
    monkeypatch.setattr(opening, "connect", lambda _node, _context: redshift)
    house.environ["AWS_SECRET_ACCESS_KEY"] = SECRET
    parts = ("In", "Out", "Format")
    objects = {"In": FILES, "Out": TABLE, "Db": {"type": "RedshiftDatabase"}}
    objects |= {key: value for key, value in case.items() if key in parts}
    fields = {
        key: value for key, value in case.items() if key not in (*parts, "sorting", "missing")
    }
    task = make_task(
        type="RedshiftCopyActivity",
        input=("ref", "In"),
        output=("ref", "Out"),
        objects=objects,
        **fields,
    )
    return house.run(task)


@pytest.mark.parametrize("name", CASES)
def test_redshift_is_told(name: str, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    redshift = FakeRedshift(() if "sorting" in case else ("id",), case.get("sorting", ()))
    redshift.missing = case.get("missing", False)
    status = fake_run(house, monkeypatch, redshift, case)
    assert status["taskStatus"] == "FINISHED", status
    text = "".join(f"{statement};\n" for statement in redshift.statements)
    golden = GOLDEN / f"{name}.sql"
    if os.environ.get("PENSTOCK_WRITE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
    # The log has the same statements, but for the keys.
    log = house.attempt_file("Activity.log")
    assert SECRET not in log
    assert all(line.replace(SECRET, "****") in log for line in redshift.statements[:-1])


def test_a_refusal_shows_no_key(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    redshift = FakeRedshift()
    redshift.refusal = "syntax error in"
    status = fake_run(house, monkeypatch, redshift, {"insertMode": "APPEND"})
    assert status["errorId"] == "DatabaseError"
    assert SECRET not in str(status)
    assert "aws_secret_access_key=****" in status["errorMessage"]
    assert redshift.statements[-1] == "ROLLBACK"


def test_redshift_reads_s3_only(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"type": "S3DataNode", "filePath": "file:///data/x.csv"}
    case = {"insertMode": "APPEND", "In": files}
    status = fake_run(house, monkeypatch, FakeRedshift(), case)
    assert status["errorMessage"] == (
        "Redshift reads and writes s3:// only, not file:///data/x.csv."
    )
