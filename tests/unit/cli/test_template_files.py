"""The templates themselves, and how they are filled in."""

import json

import pytest

from penstock.cli.template_files import Template, TemplateError, Timing, filled, find, names
from penstock.clock import system_clock
from penstock.config import Settings, with_profile
from penstock.language.forms import from_cli
from penstock.language.validate import validate

PUBLISHED = {
    "getting-started-shell": ["myS3InputLoc", "myS3OutputLoc"],
    "run-aws-cli": ["myAWSCLICmd"],
    "export-dynamodb": ["myDDBTableName", "myOutputS3Loc"],
    "import-dynamodb": ["myInputS3Loc", "myDDBTableName"],
    "run-emr-job": ["myEmrStep"],
    "copy-rds-to-s3": ["myRDSInstanceId", "myRDSUsername", "*myRDSPassword", "myRDSTableName"],
    "copy-rds-to-s3-incremental": ["myRDSTableLastModifiedCol", "myOutputS3Loc"],
    "load-s3-to-rds": ["myRDSTableInsertSql", "myInputS3Loc"],
    "copy-rds-to-redshift": ["myRedshiftJdbcConnectStr", "myS3StagingLoc"],
    "copy-rds-to-redshift-incremental": ["myRDSTableLastModifiedCol", "myRedshiftTableName"],
    "load-s3-to-redshift": ["myInputS3Loc", "*myRedshiftPassword", "myRedshiftDbName"],
}
"""The eleven that the original's console had, and some of what each cannot do without."""


EXAMPLES = {"myRedshiftJdbcConnectStr": "jdbc:redshift://host:5439/base"}


def example(template: Template) -> list[tuple[str, str]]:
    """A value for everything that is needed."""
    others = {str(each.parameter["id"]) for each in template.metadata.instead}
    return [
        (each.id, EXAMPLES.get(each.id) or ("s3://bucket/place" if "S3" in each.type else "some"))
        for each in template.parameters
        if each.required and each.id not in others
    ]


def test_the_eleven_are_there():
    assert names() == sorted(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_needs_what_it_is_known_for(name: str):
    needed = {each.id for each in find(name).parameters if each.required}
    assert needed >= set(PUBLISHED[name])


@pytest.mark.parametrize("alternative", [False, True])
@pytest.mark.parametrize("name", PUBLISHED)
def test_each_is_valid_within_the_published_limits(name: str, alternative: bool):
    template = find(name)
    given = dict(example(template))
    for each in template.metadata.instead if alternative else ():
        del given[each.of]
        given[str(each.parameter["id"])] = "jdbc:mysql://host/base"
    document = filled(template, list(given.items()), log_uri="s3://bucket/logs")
    limits = with_profile(Settings(), "aws").limits
    found = validate(from_cli(document), limits, now=system_clock()).found
    assert [each.text for each in found] == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_parameter_is_used_and_described(name: str):
    template = find(name)
    objects = json.dumps(
        [template.document["objects"], [e.object for e in template.metadata.instead]]
    )
    for each in template.parameters:
        assert f"#{{{each.id}}}" in objects, each.id
        assert each.description


def test_a_star_may_be_left_out_and_a_name_given_twice_makes_a_list():
    template = find("run-emr-job")
    document = filled(template, [("myEmrStep", "a.jar,1"), ("myEmrStep", "b.jar")])
    assert document["values"] == {"myEmrStep": ["a.jar,1", "b.jar"]}
    given = [(name.removeprefix("*"), value) for name, value in example(find("copy-rds-to-s3"))]
    assert "*myRDSPassword" in filled(find("copy-rds-to-s3"), given)["values"]


def test_a_connection_string_takes_the_place_of_an_instance():
    template = find("copy-rds-to-s3")
    given = [pair for pair in example(template) if pair[0] != "myRDSInstanceId"]
    document = filled(template, [*given, ("myRDSJdbcConnectStr", "jdbc:mysql://host/base")])
    (database,) = [each for each in document["objects"] if each["id"] == "rds_mysql"]
    assert database["type"] == "JdbcDatabase"
    assert "myRDSInstanceId" not in json.dumps(document)
    with pytest.raises(TemplateError, match="give myRDSInstanceId or myRDSJdbcConnectStr, not"):
        filled(template, [*example(template), ("myRDSJdbcConnectStr", "x")])


def test_a_schedule_is_put_in():
    document = filled(
        find("run-aws-cli"), [("myAWSCLICmd", "true")], Timing("2 hours", "2024-05-01T00:00:00", 3)
    )
    objects = {each["id"]: each for each in document["objects"]}
    assert objects["Default"]["scheduleType"] == "cron"
    assert objects["DefaultSchedule"] == {
        "id": "DefaultSchedule",
        "name": "DefaultSchedule",
        "type": "Schedule",
        "period": "2 hours",
        "startDateTime": "2024-05-01T00:00:00",
        "occurrences": "3",
    }
    assert find("run-aws-cli").document["objects"][0]["scheduleType"] == "ondemand"


def test_a_schedule_of_its_own_stays_a_time_series():
    template = find("copy-rds-to-s3-incremental")
    document = filled(template, example(template), Timing(period="1 hour"))
    objects = {each["id"]: each for each in document["objects"]}
    assert objects["Default"]["scheduleType"] == "timeseries"
    assert objects["DefaultSchedule"]["period"] == "1 hour"
    assert objects["DefaultSchedule"]["startAt"] == "FIRST_ACTIVATION_DATE_TIME"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([], "run-aws-cli still needs myAWSCLICmd; give each as --parameter NAME=VALUE"),
        ([("myAwsCliCmd", "x")], "no parameter 'myAwsCliCmd'; did you mean myAWSCLICmd"),
        ([("zzz", "x")], "no parameter 'zzz'; it has myAWSCLICmd"),
        ([("myAWSCLICmd", "a"), ("myAWSCLICmd", "b")], "takes one value"),
    ],
)
def test_what_is_missing_or_unknown_is_said(given: list[tuple[str, str]], text: str):
    with pytest.raises(TemplateError) as told:
        filled(find("run-aws-cli"), given)
    assert text in str(told.value)


def test_times_need_a_schedule():
    with pytest.raises(TemplateError, match="give --period, too"):
        filled(find("run-aws-cli"), [("myAWSCLICmd", "x")], Timing(times=3))


def test_an_unknown_template_is_guessed_at():
    with pytest.raises(TemplateError, match="did you mean export-dynamodb"):
        find("export-dynamo")
    with pytest.raises(TemplateError, match="see: penstock templates list"):
        find("zzz")
