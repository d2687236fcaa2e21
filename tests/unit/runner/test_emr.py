"""EmrActivity: on clusters of moto's EMR, and on this host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.runner.activities.emr import split_step
from penstock.runner.connectors import emr as connector
from penstock.runner.errors import TaskFailed
from tests.support.dynamodb import items_of, make_table, numbered
from tests.support.emr import Clusters, add_step, emr, start_cluster, steps_of
from tests.support.object_store import put_object
from tests.unit.runner.scripted import House, make_task

COMMAND, SCRIPT = "command-runner.jar", "s3://eu-west-1.elasticmapreduce/libs/script-runner.jar"


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, Clusters]]:
    with emr() as found:
        put_object(found[0], "bucket", None)
        yield found


@pytest.fixture(autouse=True)
def _frequent_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.runner.task.REPORT_EVERY_MS", 1)


@pytest.fixture
def clusters(service: tuple[str, Clusters], house: House, monkeypatch: Any) -> Clusters:
    monkeypatch.setattr(connector, "_FIRST_PAUSE_SECONDS", 0.001)
    house.environ["AWS_ENDPOINT_URL"] = service[0]
    service[1].__init__()  # type: ignore[misc]
    return service[1]


@pytest.fixture
def cluster(service: tuple[str, Clusters], clusters: Clusters) -> str:
    return start_cluster(service[0])


def on(cluster: str, *steps: str, **fields: Any) -> Any:
    resource = {"type": "EmrCluster", "@resourceId": cluster, "region": "us-east-1"}
    return make_task(
        objects={"Cluster": resource},
        type="EmrActivity",
        step=list(steps),
        runsOn=("ref", "Cluster"),
        **fields,
    )


def here(*steps: str, **fields: Any) -> Any:
    return make_task(type="EmrActivity", step=list(steps), **fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://b/x.jar,one,two", ["s3://b/x.jar", "one", "two"]),
        ("s3://b/x.jar", ["s3://b/x.jar"]),
        (r"x.jar,a\,b,c", ["x.jar", "a,b", "c"]),
        (r"x.jar,a\\,b\\,c", ["x.jar", "a,b,c"]),
        (r"x.jar,File\\.gz,File\.gz", ["x.jar", r"File\.gz", "File.gz"]),
        ("x.jar, a ,,b", ["x.jar", "a", "", "b"]),
    ],
)
def test_a_step_is_a_jar_and_arguments_between_commas(text: str, words: list[str]) -> None:
    assert split_step(text) == words


def test_a_step_without_a_jar_is_refused(house: House) -> None:
    status = house.run(here(",a"))
    assert status["errorId"] == "InvalidStep"


def test_steps_run_on_the_cluster_one_after_the_other(
    house: House, clusters: Clusters, cluster: str
) -> None:
    status = house.run(
        on(
            cluster,
            r"s3://b/my.jar,one,t\,wo",
            f"{COMMAND},spark-submit,s3://b/job.py",
            preStepCommand="echo before",
            postStepCommand=["echo after", "echo last"],
        )
    )
    assert status["taskStatus"] == "FINISHED"
    endpoint = house.environ["AWS_ENDPOINT_URL"]
    steps = steps_of(endpoint, cluster)
    assert [step["Status"]["State"] for step in steps] == ["COMPLETED", "COMPLETED"]
    assert steps[0]["Config"]["Jar"] == "s3://b/my.jar"
    assert steps[0]["Config"]["Args"] == ["one", "t,wo"]
    assert steps[1]["Config"]["Args"] == ["spark-submit", "s3://b/job.py"]
    assert {step["ActionOnFailure"] for step in steps} == {"CONTINUE"}
    assert house.attempt_file("StdOutput") == "before\nafter\nlast\n"
    log = house.attempt_file("Activity.log")
    assert f"s3://logs/emr/{cluster}/steps/{steps[0]['Id']}/" in log
    assert "t,wo" not in log


def test_progress_tells_the_step_and_where_its_log_is(
    house: House, clusters: Clusters, cluster: str
) -> None:
    clusters.scripts = [("RUNNING",)]

    def told() -> list[dict[str, Any]]:
        reports = house.service.of("ReportTaskProgress")
        return [report["fields"] for report in reports if report.get("fields")]

    def end_when_told() -> None:
        if told():
            clusters.scripts[0] = ("COMPLETED",)

    clusters.before_look = end_when_told
    house.run(on(cluster, "x.jar"))
    fields = {field["key"]: field["stringValue"] for field in told()[-1]}
    step = steps_of(house.environ["AWS_ENDPOINT_URL"], cluster)[0]["Id"]
    assert fields["attemptStatus"] == f"Step 1 of 1 ({step}) is RUNNING"
    assert fields["emrStepLog"] == f"s3://logs/emr/{cluster}/steps/{step}/"


def test_a_failed_step_tells_reason_and_log_and_ends_the_activity(
    house: House, clusters: Clusters, cluster: str
) -> None:
    clusters.scripts = [("RUNNING", "FAILED")]
    clusters.details = {
        "Reason": "Unknown Error.",
        "Message": "Exception in thread main",
        "LogFile": "s3://logs/emr/stderr.gz",
    }
    status = house.run(on(cluster, "x.jar,secret-argument", "y.jar", postStepCommand="echo no"))
    assert status["errorId"] == "EmrStepFailed"
    (step,) = steps_of(house.environ["AWS_ENDPOINT_URL"], cluster)
    assert status["errorMessage"] == (
        f"Step {step['Id']} (x.jar) on EMR cluster {cluster} is FAILED: Unknown Error: Exception"
        " in thread main. Its log: s3://logs/emr/stderr.gz"
    )
    assert len(clusters.looks) == 1


def test_a_step_that_somebody_else_cancels_has_failed(
    house: House, clusters: Clusters, cluster: str
) -> None:
    clusters.scripts = [("RUNNING", "CANCELLED")]
    clusters.reason = "Cancelled by user"
    status = house.run(on(cluster, "x.jar"))
    assert status["errorId"] == "EmrStepCanceled"
    assert "is CANCELLED: Cancelled by user." in status["errorMessage"]


def test_a_cluster_that_is_not_there_is_said(house: House, clusters: Clusters) -> None:
    status = house.run(on("j-NOSUCH", "x.jar"))
    assert status["taskStatus"] == "FAILED"
    assert "EMR cluster j-NOSUCH" in status["errorMessage"]


def test_canceling_the_task_cancels_its_step(
    house: House, clusters: Clusters, cluster: str
) -> None:
    clusters.scripts = [("RUNNING",)]
    house.service.answers["ReportTaskProgress"] = lambda _p: {"canceled": clusters.running.is_set()}
    house.start()
    house.service.offer(on(cluster, "x.jar", "y.jar"))
    house.service.wait_for("ReportTaskProgress", 2)
    assert clusters.running.wait(30)
    house.close()
    assert house.service.of("SetTaskStatus") == []
    (step,) = steps_of(house.environ["AWS_ENDPOINT_URL"], cluster)
    assert clusters.canceled == [step["Id"]]


def test_a_retry_cancels_what_a_dead_runner_has_left(
    house: House, clusters: Clusters, cluster: str
) -> None:
    endpoint = house.environ["AWS_ENDPOINT_URL"]
    left = add_step(endpoint, cluster, "df-1/@Act_2014-05-01T00:00:00_Attempt=1 Step 1 of 1")
    other = add_step(endpoint, cluster, "df-1/@Other_2014-05-01T00:00:00_Attempt=1 Step 1 of 1")
    assert house.run(on(cluster, "x.jar"))["taskStatus"] == "FINISHED"
    assert clusters.canceled == [left]
    assert [step["Id"] for step in steps_of(endpoint, cluster)][:2] == [left, other]


def test_the_cluster_may_be_that_of_the_host(
    house: House, clusters: Clusters, cluster: str
) -> None:
    house.environ["PENSTOCK_EMR_CLUSTER"] = cluster
    assert house.run(here("x.jar"))["taskStatus"] == "FINISHED"
    assert len(steps_of(house.environ["AWS_ENDPOINT_URL"], cluster)) == 1


def test_command_runner_runs_here_without_a_cluster(house: House) -> None:
    status = house.run(
        here(
            rf"{COMMAND},sh,-c,printf '%s-' $0 $1\, $2,a,b,c",
            f"{COMMAND},echo,second",
            preStepCommand="echo before",
        )
    )
    assert status["taskStatus"] == "FINISHED"
    assert house.attempt_file("StdOutput") == "before\na-b,-c-second\n"


def test_script_runner_fetches_the_script(house: House, tmp_path: Path) -> None:
    script = tmp_path / "echo.sh"
    script.write_text('echo "$1|$2"\n')
    status = house.run(here(rf"{SCRIPT},file://{script},a\,b,c"))
    assert status["taskStatus"] == "FINISHED"
    assert house.attempt_file("StdOutput") == "a,b|c\n"


def test_a_failing_step_here_tells_its_own_last_lines(house: House) -> None:
    status = house.run(
        here(
            f"{COMMAND},sh,-c,echo earlier >&2",
            f"{COMMAND},sh,-c,echo broken >&2; exit 3",
            f"{COMMAND},echo,never",
        )
    )
    assert status["errorId"] == "ShellCommandFailed"
    assert status["errorMessage"] == "Step 2 of 3 ended with exit status 3: broken"
    assert "never" not in house.attempt_file("StdOutput")


def test_a_failing_pre_step_command_begins_no_step(house: House) -> None:
    status = house.run(here(f"{COMMAND},echo,never", preStepCommand=["true", "exit 4"]))
    assert status["errorMessage"] == "preStepCommand 2 of 2 ended with exit status 4."
    assert house.attempt_file("StdOutput") == ""


def test_canceling_stops_the_program_of_a_step(house: House, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    asked = iter([{}])
    house.service.answers["ReportTaskProgress"] = lambda _p: (
        {"canceled": True} if begun.exists() else next(asked, {})
    )
    house.start()
    program = f"{COMMAND},sh,-c,touch {begun}; sleep 600"
    house.service.offer(here(program, f"{COMMAND},echo,never"))
    house.service.wait_for("ReportTaskProgress", 2)
    house.close()
    assert house.service.of("SetTaskStatus") == []
    assert house.attempt_file("StdOutput") == ""


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        ("s3://b/my.jar,x", "MissingProgram", "Step 1 of 1 runs my.jar, which needs the program"),
        (f"{COMMAND},hive-script,-f", "MissingProgram", "'hive-script', which is not on the PATH"),
        (COMMAND, "InvalidStep", "has nothing after command-runner.jar"),
    ],
)
def test_what_cannot_run_here_is_said(house: House, step: str, error: str, words: str) -> None:
    status = house.run(here(step))
    assert status["errorId"] == error
    assert words in status["errorMessage"]


def test_the_published_export_and_import_need_no_cluster(house: House, clusters: Clusters) -> None:
    endpoint = house.environ["AWS_ENDPOINT_URL"]
    make_table(endpoint, "from", numbered(9))
    make_table(endpoint, "to")
    jar = "s3://dynamodb-dpl-us-east-1/emr-ddb-storage-handler/4.14.0/emr-dynamodb-tools.jar"
    tools = "org.apache.hadoop.dynamodb.tools.DynamoDb"
    status = house.run(
        here(
            f"{jar},{tools}Export,s3://bucket/dump,from,0.5",
            f"{jar},{tools}Import,s3://bucket/dump,to,1.0",
        )
    )
    assert status["taskStatus"] == "FINISHED"
    assert items_of(endpoint, "to") == items_of(endpoint, "from")


def test_what_emr_answers_wrongly_for_a_while_is_borne(
    house: House, clusters: Clusters, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = connector.EmrCluster._describe
    faults = iter(["ThrottlingException", "EndpointConnectionError"])

    def faulty(self: Any, step_id: str) -> dict[str, Any]:
        if code := next(faults, None):
            raise TaskFailed(code, "not now")
        return described(self, step_id)

    monkeypatch.setattr(connector.EmrCluster, "_describe", faulty)
    assert house.run(on(cluster, "x.jar"))["taskStatus"] == "FINISHED"
