"""Shape, types, fields, values, references: what can be said of one object."""

import pytest

from penstock.language.forms import from_cli
from penstock.language.validate import refusals, validate
from penstock.model.definition import (
    Definition,
    Field,
    Findings,
    ParameterValue,
    PipelineObject,
)
from penstock.model.limits import AWS_LIMITS, Limits
from tests.unit.language.checking import (
    DEFAULT,
    ON_DEMAND,
    SCHEDULE,
    Object,
    activity,
    check,
    node,
    only_error,
    only_warning,
)


def test_a_good_definition_has_no_findings():
    assert (
        check(
            activity(
                command="grep #{myWord} ${INPUT1_STAGING_DIR}/*",
                input={"ref": "In"},
                output={"ref": "Out"},
                stage="TRUE",
                retryDelay="5 Minutes",
                failureAndRerunMode="CASCADE",
                onFail={"ref": "Alarm"},
                myComment="anything",
            ),
            {"id": "In", "type": "s3datanode", "filePath": "s3://i/#{@scheduledStartTime}"},
            {"id": "Out", "type": "S3DataNode", "directoryPath": "#{myPlace}/out", "myX": "y"}
            | {"myPlace": "s3://o/#{format(@scheduledEndTime, 'YYYYMMddHHmm')}"},
            {
                "id": "Alarm",
                "type": "SnsAlarm",
                "role": "r",
                "topicArn": "t",
                "subject": "#{node.name} #{node.@actualEndTime}",
                "message": "#{node.errorMessage} #{node.input.filePath} #{node.hostname}",
            },
            parameters=[{"id": "myWord", "default": "GET"}],
        )
        == Findings()
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "ShellComandActivity"}, "Did you mean 'ShellCommandActivity'?"),
        ({"type": "#{myType}"}, "A type is not evaluated"),
        ({"type": ["ShellCommandActivity", "x"]}, "'type' is given 2 times"),
        ({"comand": "x"}, "Did you mean 'command'?"),
        ({"pipeline_log": "x"}, "is not a field of ShellCommandActivity"),
        ({"hiveScript": "x"}, "HiveActivity' has such a field."),
        ({"scriptUri": "s3://x"}, "'command' and 'scriptUri' are given, but only one of them"),
        ({"command": []}, "one of 'command' or 'scriptUri' is required"),
        ({"command": {"ref": "S"}}, "'command' values must be of type 'String'"),
        ({"retryDelay": "15 Period"}, "unknown unit 'period'"),
        ({"retryDelay": "15minutes"}, "write '15 minutes'"),
        ({"retryDelay": "5min"}, "write '5 minutes'"),
        ({"retryDelay": "2 huors"}, "write '2 hours'"),
        ({"retryDelay": "${delay}"}, "fill in the template's ${…} first"),
        ({"maximumRetries": "many"}, "'many' is not a whole number such as '2'"),
        ({"maximumRetries": "-1"}, "-1 is less than 0"),
        ({"maximumRetries": "#{0 - 1}"}, "-1 is less than 0, the least that is allowed (this is"),
        ({"stage": "yes"}, "'yes' is not 'true' or 'false'"),
        ({"failureAndRerunMode": "cascad"}, "Did you mean 'cascade'?"),
        ({"@status": "FINISHED"}, "set by the service"),
        ({"errorMessage": "x"}, "set by the service"),
        ({"stdout": ""}, "'stdout' is empty"),
    ],
)  # fmt: skip
def test_one_error(fields: Object, expected: str):
    assert expected in only_error(check(activity(**fields)), "A")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"schedule": "S"},
            "'schedule' values must be of type 'Schedule'. Found values of type 'String' ('S')",
        ),
        ({"schedule": "T"}, "Objects of that type here: 'S'."),
        ({"schedule": {"ref": "A"}}, "Found values of type 'ShellCommandActivity' ('A'). Objects"),
        ({"parent": "Default"}, "Found values of type 'String' ('Default'): write"),
        ({"dependsOn": {"ref": "Shedule"}}, "refers to 'Shedule', but no object has that id. Obj"),
        ({"myRef": {"ref": "SS"}}, "Add the object, or take the reference out."),
        ({"dependsOn": {"ref": "Defaul"}}, "Did you mean 'Default'?"),
        ({"input": {"ref": "#{myInput}"}}, "References are not evaluated: name the object itself."),
        ({"scheduleType": {"ref": "cron"}}, "write 'cron', 'timeseries' or 'ondemand'"),
    ],
)
def test_references(fields: Object, expected: str):
    assert expected in only_error(check(activity(**fields)), "A")


def test_many_objects_that_would_fit_are_not_listed():
    nodes = [node(f"N{n}", filePath=f"s3://b/{n}") for n in range(9)]
    text = check(*nodes, activity(input={"ref": "Nowhere at all"})).errors["A"][0]
    assert "Objects of that type" not in text


def test_a_time_zone_is_known():
    for misspelled in ("Europe/Berlni", "berlin", "europe/berlin"):
        found = check({**SCHEDULE, "timeZone": misspelled}, activity())
        assert "Did you mean 'Europe/Berlin'?" in only_error(found, "S")
    assert not check({**SCHEDULE, "timeZone": "Europe/Berlin"}, activity()).errors


def test_forbidden_fields_are_errors_of_their_own_and_dropped_when_inherited():
    host = {"id": "Host", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}
    use = activity(runsOn={"ref": "Host"})
    assert not check(host, use).errors
    found = check({**host, "workerGroup": "w"}, use)
    assert "'workerGroup' is not allowed for Ec2Resource" in only_error(found, "Host")


def test_a_missing_role_is_only_a_warning():
    found = check({"id": "Host", "type": "Ec2Resource"}, activity(runsOn={"ref": "Host"}))
    assert not found.errors
    assert len(found.warnings["Host"]) == 2


def test_required_fields_may_be_inherited_and_may_be_expressions():
    found = check(
        {"id": "Base", "command": "#{myCommand}", "retryDelay": "#{myMinutes} minutes"},
        {"id": "A", "type": "ShellCommandActivity", "parent": {"ref": "Base"}},
        values={"myCommand": "x", "myMinutes": "5"},
    )
    assert not found.errors


def test_at_least_one_of_a_group():
    database = {"id": "D", "type": "RdsDatabase", "username": "u", "*password": "p"}
    found = check(activity(myDatabase={"ref": "D"}), database)
    assert "at least one of 'rdsInstanceId' and 'connectionString'" in only_error(found, "D")


def test_what_a_field_needs_or_excludes_beside_it():
    cluster = {"id": "C", "type": "EmrCluster", "role": "r", "resourceRole": "r"}
    use = activity(runsOn={"ref": "C"})
    found = check(cluster | {"taskInstanceType": "m5.large"}, use)
    assert "no effect without 'taskInstanceCount'; give it too" in only_warning(found, "C")
    found = check(cluster | {"releaseLabel": "emr-5.0.0", "amiVersion": "3.9"}, use)
    assert "'releaseLabel' cannot stand beside 'amiVersion'" in only_error(found, "C")


def test_what_is_deprecated_or_means_nothing():
    host = {"id": "H", "type": "Ec2Resource", "role": "r", "resourceRole": "r", "instanceCount": 1}
    found = check(activity(runsOn={"ref": "H"}), {**host, "logUri": "s3://b/logs"})
    texts = " ".join(found.warnings["H"])
    assert "'instanceCount' is deprecated." in texts
    assert "'logUri' means nothing here." in texts
    table = {"id": "N", "type": "MySqlDataNode", "table": "t", "connectionString": "jdbc:mysql:x"}
    assert "deprecated. Use SqlDataNode" in only_warning(
        check(activity(input={"ref": "N"}), table), "N"
    )


def test_the_fields_of_default_are_checked_once_where_they_stand():
    found = check({**DEFAULT, "retryDelay": "soon", "odd": "x"}, activity(), activity(id="B"))
    assert "'soon' is not a period" in only_error(found, "Default")
    assert "'odd' is a field of no type" in found.warnings["Default"][0]


@pytest.mark.parametrize(
    ("object_type", "fields"),
    [
        ("EmrCluster", {"installHive": "x", "emrLogUri": "x", "hadoopVersion": "x"}),
        ("CopyActivity", {"script": "x"}),
        ("EmrCluster", {"region": "eu-south-2"}),
        ("SqlDataNode", {"table": "t", "connectionString": "c", "username": "u"}),
        ("PigActivity", {"script": "x", "generatedScriptsPath": "x"}),
        ("Schedule", {"period": "1 day", "startAt": "first_activation_date_time",
                      "maxActiveInstances": "1"}),
        ("MySqlDataNode", {"table": "t", "connectionString": "c", "username": "u",
                           "*password": "p"}),
        ("SnsAlarm", {"message": "m", "subject": "s", "topicArn": "t"}),
    ],
)  # fmt: skip
def test_what_real_definitions_use_is_accepted(object_type: str, fields: Object):
    assert not check({"id": "X", "type": object_type, **fields}).errors


def test_the_published_limits():
    objects = [activity(id=f"A{n}", retryDelay="1 minute", maximumRetries="6") for n in range(100)]
    errors = check(*objects, {**SCHEDULE, "period": "5 minutes"}, limits=AWS_LIMITS).errors
    assert (
        "102 objects, more than the 100 of the limit 'limits.objects_per_pipeline'" in errors[""][0]
    )
    assert "shorter than the 15 minutes of the limit 'limits.minimum_period'" in errors["S"][0]
    assert "shorter than the 2 minutes" in errors["A0"][0]
    assert "more than the 5 retries" in errors["A0"][1]
    fields: Object = {f"my_{n}": "x" for n in range(60)}
    errors = check(activity(**fields, myLong="x" * 10_300), limits=AWS_LIMITS).errors
    assert "has 63 fields (each value of a list counts), more than the 50" in errors["A"][0]
    assert "more than the 10240" in errors["A"][1]
    errors = check(activity(**{f"my_{n}": "x" * 9_000 for n in range(2)}), limits=AWS_LIMITS).errors
    assert "more than the 15360" in errors["A"][0]
    errors = check(activity(maxActiveInstances="6"), limits=AWS_LIMITS).errors
    assert "6 is more than the 5 of the limit 'limits.active_instances'" in errors["A"][0]
    errors = check({**ON_DEMAND, "maxActiveInstances": "7"}, activity(), limits=AWS_LIMITS).errors
    assert "'limits.on_demand_runs'" in str(errors["Default"])


def test_names_are_bounded():
    for each in (
        activity(id="x" * 257, name="x"),
        activity(name="y" * 257),
        activity(**{"my" + "Z" * 300: "z"}),
    ):
        (text,) = check(each).errors[str(each["id"])]
        assert "more than the 256 of the limit 'limits.bytes_per_id'" in text


def test_ids_and_names():
    found = check(activity(), activity(), activity(id="@B", name="@b"))
    assert "given to 2 objects" in found.errors["A"][0]
    assert len(found.errors["@B"]) == 2


def test_what_put_refuses():
    definition = Definition(
        (
            PipelineObject("", "nameless id"),
            PipelineObject("A", "", (Field("x", ""), Field("y", ref_value=""), Field("z", "v"))),
        )
    )
    assert [object_id for object_id, _ in refusals(definition, Limits())] == ["", "A", "A", "A"]
    assert refusals(definition, Limits(objects_per_pipeline=1))[0][0] == ""
    assert validate(definition, Limits()).errored


def test_what_all_inherit_together_is_bounded():
    fields = {f"my_{n}": "x" for n in range(1_001)}
    found = check({**DEFAULT, **fields}, *({"id": f"X{n}"} for n in range(1_000)))
    assert "inherit more than 1,000,000 fields" in found.errors[""][0]


def test_values_given_at_activation_count():
    definition = from_cli(
        {"objects": [DEFAULT, SCHEDULE, activity()], "parameters": [{"id": "myRequired"}]}
    )
    assert validate(definition, Limits()).errored
    assert not validate(definition, Limits(), [ParameterValue("myRequired", "x")]).errored


def test_the_text_of_a_secret_field_is_not_shown():
    database = {
        "id": "D", "type": "JdbcDatabase", "*password": "hush#{nope}", "username": "u",
        "connectionString": "jdbc:c", "jdbcDriverClass": "d",
    }  # fmt: skip
    found = check(activity(myDatabase={"ref": "D"}), database)
    assert "'nope'" in only_error(found, "D")
    assert "hush" not in str(found)
