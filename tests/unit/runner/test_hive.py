"""HiveActivity, on Apache Spark where it is installed (`make test-spark`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from penstock.runner.activities.hive import substitute
from tests.unit.runner.scripted import House, make_task

needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None,
    reason="Apache Spark is not installed: `make test-spark` does so",
)
SALES = "north,3,1.50\nsouth,4,2.25\nnorth,5,0.25\n"


def hive(script: str, directory: Path, **fields: Any) -> Any:
    return make_task(
        objects={
            "Sales": {
                "type": "S3DataNode",
                "filePath": f"file://{directory}/sales.csv",
                "dataFormat": ("ref", "SalesFormat"),
            },
            "SalesFormat": {
                "type": "CSV",
                "column": ["place STRING", "n INT", "price DECIMAL(8,2)"],
            },
            "Totals": {"type": "S3DataNode", "directoryPath": f"file://{directory}/totals"},
        },
        type="HiveActivity",
        hiveScript=script,
        input=("ref", "Sales"),
        output=("ref", "Totals"),
        **fields,
    )


def run_on_spark(house: House, task: dict[str, Any]) -> dict[str, Any]:
    """As `House.run`, with the patience that a Spark coming up on a busy machine asks for."""
    house.start()
    house.service.offer(task)
    assert house.service.settled.acquire(timeout=300), house.service.calls
    house.close()
    return house.service.status()


def test_variables_are_put_in_and_others_stay() -> None:
    found = substitute("${A} ${hivevar:A} ${hiveconf:B} ${C}", {"A": "1", "B": "2"})
    assert found == "1 1 2 ${C}"


def test_an_activity_without_a_script_is_refused(house: House) -> None:
    status = house.run(make_task(type="HiveActivity"))
    assert status["errorId"] == "InvalidActivity"


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is not None, reason="Spark is there")
def test_without_spark_it_is_said_what_to_install(house: House, tmp_path: Path) -> None:
    status = house.run(hive("select 1", tmp_path))
    assert status["errorId"] == "MissingLibrary"
    assert "pip install 'penstock[spark]'" in status["errorMessage"]


@needs_spark
@pytest.mark.slow
def test_a_script_reads_inputs_and_replaces_the_output(house: House, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    (tmp_path / "totals").mkdir()
    (tmp_path / "totals/earlier.csv").write_text("old\n")
    script = (
        "-- by place; all of them\n"
        "INSERT OVERWRITE TABLE ${output1} SELECT place, sum(n * price), '${LABEL}' FROM ${input1}"
        " GROUP BY place ORDER BY place;"
    )
    status = run_on_spark(house, hive(script, tmp_path, scriptVariable="LABEL=a;b"))
    assert status["taskStatus"] == "FINISHED", status
    (file,) = (tmp_path / "totals").iterdir()
    assert sorted(file.read_text().splitlines()) == ["north,5.75,a;b", "south,9.00,a;b"]


@needs_spark
@pytest.mark.slow
def test_a_failing_statement_is_named_and_nothing_is_written(house: House, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    script = "INSERT INTO ${output1} SELECT * FROM ${input1};\nSELECT nothing FROM ${input1};"
    status = run_on_spark(house, hive(script, tmp_path))
    assert status["errorId"] == "HiveFailed"
    assert status["errorMessage"].startswith("Statement 2 (line 2) failed: ")
    assert "nothing" in status["errorMessage"]
    assert not (tmp_path / "totals").exists()
