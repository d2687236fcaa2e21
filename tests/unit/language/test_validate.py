import pytest

from penstock.language.forms import from_cli
from penstock.language.validate import refusals, validate
from penstock.model.definition import Definition, Field, Findings, ParameterValue, PipelineObject
from penstock.model.limits import AWS_LIMITS, Limits

Objects = list[dict[str, object]]

SCHEDULE: dict[str, object] = {
    "id": "S", "type": "Schedule", "period": "15 Minutes", "startAt": "FIRST_ACTIVATION_DATE_TIME",
}  # fmt: skip
DEFAULT: dict[str, object] = {
    "id": "Default", "type": "Default", "schedule": {"ref": "S"}, "scheduleType": "CRON",
    "workerGroup": "w",
}  # fmt: skip


def check(*objects: dict[str, object], limits: Limits | None = None, **rest: object) -> Findings:
    """Findings for some objects beside a good Default and Schedule."""
    ids = {each["id"] for each in objects}
    base = [each for each in (DEFAULT, SCHEDULE) if each["id"] not in ids]
    return validate(from_cli({"objects": [*base, *objects], **rest}), limits or Limits())


def activity(**fields: object) -> dict[str, object]:
    return {"id": "A", "type": "ShellCommandActivity", "command": "true", **fields}


def only_error(findings: Findings, object_id: str) -> str:
    assert list(findings.errors) == [object_id], findings.errors
    (text,) = findings.errors[object_id]
    return text


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
            {"id": "In", "type": "s3datanode", "directoryPath": "s3://i/#{@scheduledStartTime}"},
            {"id": "Out", "type": "S3DataNode", "directoryPath": "#{input.x}", "myX": "y"}
            | {"directoryPath": "s3://o"},
            {
                "id": "Alarm",
                "type": "SnsAlarm",
                "role": "r",
                "topicArn": "t",
                "subject": "#{node.name} #{node.@actualEndTime}",
                "message": "#{node.errorMessage} #{node.input.directoryPath} #{node.hostname}",
            },
            parameters=[{"id": "myWord", "default": "GET"}],
        )
        == Findings()
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "ShellComandActivity"}, "Did you mean 'ShellCommandActivity'?"),
        ({"comand": "x"}, "Did you mean 'command'?"),
        ({"pipeline_log": "x"}, "is not a field of ShellCommandActivity"),
        ({"scriptUri": "s3://x"}, "only one of 'command', 'scriptUri' is allowed"),
        ({"command": []}, "one of 'command', 'scriptUri' is required"),
        (
            {"schedule": "S"},
            "'schedule' values must be of type 'Schedule'. Found values of type 'String'",
        ),
        ({"schedule": {"ref": "A"}}, "Found values of type 'ShellCommandActivity'"),
        ({"parent": "Default"}, "Found values of type 'String'"),
        ({"command": {"ref": "S"}}, "'command' values must be of type 'String'"),
        ({"dependsOn": {"ref": "Shedule"}}, "refers to 'Shedule', which does not exist"),
        ({"myRef": {"ref": "SS"}}, "refers to 'SS', which does not exist"),
        ({"dependsOn": {"ref": "A"}}, "waits for itself (dependsOn, input, output): A -> A"),
        ({"retryDelay": "15 Period"}, "unknown unit 'period'"),
        ({"maximumRetries": "many"}, "'many' is not a whole number"),
        ({"maximumRetries": "-1"}, "-1 is less than 0"),
        ({"stage": "yes"}, "'yes' is not 'true' or 'false'"),
        ({"scheduleType": "sometimes"}, "is not one of 'cron', 'timeseries', 'ondemand'"),
        ({"command": "#{1 +}"}, "a value is expected here"),
        ({"command": "#{nope}"}, "there is no field or parameter 'nope' at 'A'"),
        ({"command": "#{stdeer}", "stderr": "x"}, "Did you mean 'stderr'?"),
        ({"command": "#{input.directoryPath}"}, "there is no reference 'input' at 'A'"),
        ({"command": "#{schedule.nope}"}, "there is no field or parameter 'nope' at 'S'"),
        ({"command": "#{formatt('x', 'y')}"}, "Did you mean 'format'?"),
        ({"command": "#{format(@scheduledStartTime, 'T')}"}, "'T' is no letter"),
        ({"command": "#{plusPeriod(@scheduledStartTime, '1 d')}"}, "must be a period"),
        ({"command": "#{node.name}"}, "only in preconditions and actions"),
        ({"command": "#{schedule.x.@status}"}, "over one reference only"),
        ({"@status": "FINISHED"}, "set by the service"),
        ({"errorMessage": "x"}, "set by the service"),
        ({"type": ["ShellCommandActivity", "x"]}, "'type' is given 2 times"),
        ({"stdout": ""}, "'stdout' is empty"),
    ],
)  # fmt: skip
def test_one_error(fields: dict[str, object], expected: str):
    assert expected in only_error(check(activity(**fields)), "A")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"occurrences": "2", "endDateTime": "2026-01-01"}, "contradict one another"),
        ({"startDateTime": "2026-01-01"}, "only one of 'startAt', 'startDateTime'"),
        ({"startAt": []}, "one of 'startAt', 'startDateTime' is required"),
        (
            {"startAt": [], "startDateTime": "2026-01-01", "endDateTime": "2026-01-01"},
            "'endDateTime' is not after 'startDateTime'",
        ),
        ({"startAt": [], "startDateTime": "tomorrow"}, "'tomorrow' is not a date"),
        ({"period": []}, "'period' is required for Schedule"),
        ({"period": "30 years"}, "longer than 3 years"),
        ({"period": "ONDEMAND_PERIOD"}, "go together"),
        ({"startAt": "ONDEMAND_ACTIVATION_TIME"}, "go together"),
        ({"occurrences": "0"}, "0 is less than 1"),
    ],
)
def test_schedules(fields: dict[str, object], expected: str):
    assert expected in only_error(check({**SCHEDULE, **fields}, activity()), "S")


def test_a_scheduled_object_needs_a_schedule_unless_on_demand():
    default = {"id": "Default", "workerGroup": "w"}
    assert "'schedule' is missing" in only_error(check(default, activity()), "A")
    assert not check({**default, "scheduleType": "ondemand"}, activity()).errors
    explicit = {**SCHEDULE, "period": "ONDEMAND_PERIOD", "startAt": "ONDEMAND_ACTIVATION_TIME"}
    assert not check({**DEFAULT, "scheduleType": "ONDEMAND"}, explicit, activity()).errors


def test_a_resource_may_follow_its_activities():
    host = {"id": "Host", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}
    found = check({"id": "Default"}, host, activity(schedule={"ref": "S"}, runsOn={"ref": "Host"}))
    assert not found.errors
    assert "follows the activities" in found.warnings["Host"][0]


def test_an_on_demand_pipeline_has_one_schedule():
    found = check(
        {**DEFAULT, "scheduleType": "ondemand"},
        {**SCHEDULE, "id": "T"},
        activity(),
        activity(id="B", schedule={"ref": "T"}),
    )
    assert "one schedule at most; there are 'S', 'T'" in str(found.errors)


def test_staging_needs_directories():
    found = check(
        activity(stage="true", input={"ref": "In"}),
        {"id": "In", "type": "S3DataNode", "filePath": "s3://x/y"},
    )
    assert "the input 'In' needs 'directoryPath'" in only_error(found, "A")


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


def test_cycles_of_parents_and_of_data():
    found = check({"id": "P", "parent": {"ref": "Q"}}, {"id": "Q", "parent": {"ref": "P"}})
    assert "leads back to the object itself: P -> Q -> P" in found.errors["P"][0]
    found = check(
        activity(input={"ref": "N"}),
        activity(id="B", input={"ref": "M"}, output={"ref": "N"}, command="x"),
        {"id": "N", "type": "S3DataNode", "filePath": "x"},
        {"id": "M", "type": "S3DataNode", "filePath": "x"},
        activity(id="C", dependsOn={"ref": "A"}, output={"ref": "M"}),
    )
    assert "A -> N -> B -> M -> C -> A" in only_error(found, "A")


def test_deep_graphs_need_no_deep_stack():
    chain = [activity(id=f"A{n}", dependsOn={"ref": f"A{n + 1}"}) for n in range(3_000)]
    assert not check(*chain, activity(id="A3000")).errors


def test_parameters():
    found = check(
        activity(),
        parameters=[
            {"id": "myRequired"},
            {"id": "myNumber", "type": "Integer", "default": "x"},
            {"id": "myWord", "allowedValues": ["a", "b"], "default": "c"},
            {"id": "myMany", "default": ["a", "b"]},
            {"id": "*mySecret", "allowedValues": ["a"], "default": "hush"},
            {"id": "plain", "default": "x"},
        ],
        values={"myOther": "x"},
    )
    assert "has no value" in found.errors["myRequired"][0]
    assert "'x' is no value of type Integer" in found.errors["myNumber"][0]
    assert "'c' is not among the allowed values: 'a', 'b'" in found.errors["myWord"][0]
    assert "no array" in found.errors["myMany"][0]
    assert "hush" not in str(found)
    assert "*mySecret" in found.errors
    assert "begins with 'my'" in found.warnings["plain"][0]
    assert "not declared" in found.warnings["myOther"][0]


def test_values_given_at_activation_count():
    definition = from_cli(
        {"objects": [DEFAULT, SCHEDULE, activity()], "parameters": [{"id": "myRequired"}]}
    )
    assert validate(definition, Limits()).errored
    assert not validate(definition, Limits(), [ParameterValue("myRequired", "x")]).errored


def test_warnings():
    found = check(
        {"id": "Default", "schedule": {"ref": "S"}, "odd": "x"},
        activity(),
        {"id": "Lonely", "type": "CSV"},
    )
    assert not found.errors
    assert "neither 'runsOn' nor 'workerGroup'" in found.warnings["A"][0]
    assert "no other object refers" in found.warnings["Lonely"][0]
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
def test_what_real_definitions_use_is_accepted(object_type: str, fields: dict[str, object]):
    assert not check({"id": "X", "type": object_type, **fields}).errors


def test_the_published_limits():
    objects = [activity(id=f"A{n}", retryDelay="1 minute", maximumRetries="6") for n in range(100)]
    errors = check(*objects, {**SCHEDULE, "period": "5 minutes"}, limits=AWS_LIMITS).errors
    assert "at most 100 are allowed" in errors[""][0]
    assert "shorter than 15 minutes" in errors["S"][0]
    assert "shorter than 2 minutes" in errors["A0"][0]
    assert "more than the 5 retries" in errors["A0"][1]
    fields: dict[str, object] = {f"my_{n}": "x" for n in range(60)}
    errors = check(activity(**fields, myLong="x" * 10_300), limits=AWS_LIMITS).errors
    assert "the object has 63 fields; at most 50" in errors["A"][0]
    assert "a field may have 10240" in errors["A"][1]
    errors = check(activity(**{f"my_{n}": "x" * 9_000 for n in range(2)}), limits=AWS_LIMITS).errors
    assert "at most 15360" in errors["A"][0]
    assert "longer than 256 bytes" in str(check(activity(id="x" * 257)).errors)


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


def test_the_text_of_a_secret_field_is_not_shown():
    database = {
        "id": "D", "type": "JdbcDatabase", "*password": "hush#{nope}", "username": "u",
        "connectionString": "c", "jdbcDriverClass": "d",
    }  # fmt: skip
    found = check(activity(myDatabase={"ref": "D"}), database)
    assert "'nope'" in only_error(found, "D")
    assert "hush" not in str(found)
