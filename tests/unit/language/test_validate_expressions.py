"""Expressions and parameters, before any run."""

import pytest

from penstock.model.limits import AWS_LIMITS
from tests.unit.language.checking import (
    DEFAULT,
    Object,
    activity,
    check,
    node,
    only_error,
    only_warning,
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"command": "#{1 +}"}, "'command': "),
        ({"command": "#{nope}"}, "there is no field or parameter 'nope'."),
        ({"command": "#{myBucket}"}, 'Declare it: "parameters": [{"id": "myBucket", …}]'),
        ({"command": "#{myBukcet}", "myBucket": "x"}, "Did you mean 'myBucket'?"),
        ({"command": "#{stdeer}", "stderr": "s3://x"}, "Did you mean 'stderr'?"),
        ({"command": "#{stderr}"}, "'stderr' is not given, so there is nothing to put here"),
        ({"command": "#{@scheduleStartTime}"}, "Did you mean '@scheduledStartTime'?"),
        ({"command": "#{input.directoryPath}"}, "'input' is not given at 'A'; give it"),
        ({"command": "#{schedule.nope}"}, "there is no field or parameter 'nope' at 'S'"),
        ({"command": "#{formatt(@scheduledStartTime, 'y')}"}, "Did you mean 'format'?"),
        ({"command": "#{format(@scheduledStartTime, 'T')}"}, "'T' is no letter"),
        ({"command": "#{plusPeriod(@scheduledStartTime, '1 d')}"}, "period"),
        ({"command": "#{node.name}"}, "only in preconditions and actions"),
        ({"command": "#{schedule.x.@status}"}, "over one reference only"),
        ({"command": "#{workerGroup.x}"}, "is a text and no reference"),
        ({"command": "#{@scheduledStartTime * 2}"}, "'command': "),
        ({"maximumRetries": "#{@status}"}, "read before any run, when '@status' is not known yet"),
        ({"retryDelay": "#{myWait}", "myWait": "#{hour(@scheduledStartTime)} hours"},
         "'retryDelay' is read before any run"),
    ],
)  # fmt: skip
def test_one_error(fields: Object, expected: str):
    assert expected in only_error(check(activity(**fields)), "A")


def test_every_problem_of_a_text_is_told():
    found = check(activity(command="#{nope} #{neither}"))
    assert len(found.errors["A"]) == 2
    assert found.errors["A"][1].endswith("  #{nope} #{neither}\n            ^")


def test_what_is_inherited_is_told_once_where_it_is_written():
    found = check({**DEFAULT, "pipelineLogUri": "s3://#{myLogs}"}, activity(), activity(id="B"))
    text = only_error(found, "Default")
    assert "'myLogs'" in text
    assert "(inherited by 'A' and 'B')" in text


def test_what_a_referrer_does_not_give_is_only_missing_in_the_alarm():
    alarm = {"id": "Alarm", "type": "SnsAlarm", "role": "r", "topicArn": "t", "subject": "s"}
    alarm |= {"message": "#{node.pipelineLogUri}"}
    found = check(activity(onFail={"ref": "Alarm"}), alarm)
    told = "nothing will stand here for 'node.pipelineLogUri' of 'A'"
    assert told in only_warning(found, "Alarm")
    found = check(activity(onFail={"ref": "Alarm"}), alarm | {"message": "#{node.pipelinelog}"})
    assert "there is no field or parameter 'pipelinelog' at 'A'" in only_error(found, "Alarm")


def test_what_one_referrer_knows_is_no_error_at_the_others():
    default = {**DEFAULT, "onFail": {"ref": "Alarm"}}
    alarm = {"id": "Alarm", "type": "SnsAlarm", "role": "r", "topicArn": "t", "subject": "s"}
    message = "#{node.command} #{node.input.directoryPath} #{node.id}"
    objects = [default, activity(input={"ref": "N"}), node("N"), alarm | {"message": message}]
    told = "here for 'node.command' of 'N', for 'node.input.directoryPath' of 'A' and 'N'"
    assert told in only_warning(check(*objects), "Alarm")
    nobody = check(*objects[:-1], alarm | {"message": "#{node.command} #{node.myOwn}"})
    assert "there is no field or parameter 'myOwn' at 'A'" in only_error(nobody, "Alarm")


def test_a_value_that_is_known_before_the_run_is_checked_like_a_written_one():
    parameter = {"id": "myRetries", "default": "abc"}
    found = check(activity(maximumRetries="#{myRetries}"), parameters=[parameter])
    text = only_error(found, "A")
    assert "'maximumRetries': 'abc' is not a whole number" in text
    assert "(this is what '#{myRetries}' comes to)" in text
    secret = {"id": "*myRetries", "default": "hush", "type": "String"}
    found = check(activity(maximumRetries="#{*myRetries}"), parameters=[secret])
    assert "the value is not a whole number" in only_error(found, "A")
    assert "hush" not in str(found)


def parameters(*declared: Object, use: str = "", **rest: object):
    """Findings for parameters that a command uses."""
    command = use or " ".join(f"#{{{each['id']}}}" for each in declared)
    return check(activity(command=command), parameters=list(declared), **rest)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, "the parameter has no value: give it a value"),
        ({"default": "x", "type": "Integer"}, "default: 'x' is not a whole number such as '3'"),
        ({"default": "x", "type": "double"}, "default: 'x' is not a number such as '0.5'"),
        ({"default": "1_000", "type": "Double"}, "'1_000' is not a number such as '0.5'"),
        ({"default": "٣", "type": "Double"}, "'٣' is not a number such as '0.5'"),
        ({"default": "inf", "type": "Double"}, "'inf' is not a number such as '0.5'"),
        ({"default": "9e999", "type": "Double"}, "'9e999' is not a number such as '0.5'"),
        ({"default": "x", "type": "Sring"}, "Did you mean 'String'?"),
        ({"default": "1", "type": "Int"}, "Did you mean 'Integer'?"),
        ({"default": "x", "type": "boolean"}, "'boolean' is not 'String', 'Integer', 'Double' or"),
        ({"default": "x", "optional": "yes"}, "'optional': 'yes' is not 'true' or 'false'"),
        ({"default": "x", "isArray": "1"}, "'isArray': '1' is not 'true' or 'false'"),
        ({"default": "prd", "allowedValues": ["prod", "dev"]},
         "default: 'prd' is not among the allowed values 'prod' and 'dev'. Did you mean 'prod'?"),
        ({"default": ["a", "b"]}, "2 values are given to a parameter that takes one"),
        ({"default": "#{1 +"}, "default: "),
    ],
)  # fmt: skip
def test_one_fault_of_a_parameter(declared: Object, expected: str):
    assert expected in only_error(parameters({"id": "myX", **declared}), "myX")


def test_what_may_be_said_of_a_parameter():
    good = {
        "id": "myX", "type": "AWS::EC2::VPC::Id", "isArray": "TRUE", "default": ["a", "b"],
        "description": "d", "watermark": "w", "helpText": "h", "helpLink": "l", "myComment": "c",
    }  # fmt: skip
    assert not parameters(good).found
    assert not parameters({"id": "myX", "optional": "true"}).found
    assert not parameters({"id": "*myX"}, use="#{myX}", values={"*myX": "v"}).found


@pytest.mark.parametrize(
    ("declared", "use", "expected"),
    [
        ({"id": "myX", "defualt": "a", "default": "b"}, "", "Did you mean 'default'?"),
        ({"id": "bucket", "default": "a"}, "", "call it 'myBucket'"),
        ({"id": "myX", "default": "a"}, "true", "nothing uses the parameter: write #{myX}"),
        ({"id": "*myX", "default": "a"}, "", "'default': the secret stands in the definition"),
        ({"id": "myPassword", "default": "a"}, "", "call it '*myPassword'"),
    ],
)
def test_one_warning_of_a_parameter(declared: Object, use: str, expected: str):
    assert expected in only_warning(parameters(declared, use=use), str(declared["id"]))


def test_parameters_together():
    twice = parameters({"id": "myX", "default": "a"}, {"id": "myX", "default": "a"})
    assert "declared 2 times" in only_error(twice, "myX")
    found = parameters({"id": "myBucket", "optional": "true"}, values={"myBukcet": "x"})
    assert "Did you mean 'myBucket'?" in only_warning(found, "myBukcet")
    found = check(
        activity(command="#{myX}", myX="here"), parameters=[{"id": "myX", "default": "there"}]
    )
    assert "'A' has a field of that name" in only_warning(found, "myX")
    passing = activity(command="#{myX}", myX="#{myX}")
    assert not check(passing, parameters=[{"id": "myX", "default": "there"}]).found


def test_a_template_is_told_once_that_its_values_are_to_come():
    found = parameters({"id": "myA"}, {"id": "myB"}, {"id": "myC", "default": "c"}, draft=True)
    assert only_warning(found, "").startswith("2 parameters have no value yet: 'myA' and 'myB'.")
    assert len(parameters({"id": "myA"}, {"id": "myB"}).errors) == 2


def test_the_limits_of_parameters():
    many = [{"id": f"my_{n}", "default": "x"} for n in range(51)]
    errors = parameters(*many, limits=AWS_LIMITS).errors
    assert "51 parameters, more than the 50 of the limit 'limits.parameters'" in errors[""][0]
    errors = parameters({"id": "myX"}, values={"myX": "x" * 16_000}, limits=AWS_LIMITS).errors
    assert "16003 bytes together, more than the 15360" in errors[""][0]


def test_the_value_of_a_secret_parameter_is_not_shown():
    secret = {"id": "*myX", "allowedValues": ["other"], "default": "hush", "type": "Integer"}
    found = parameters(secret)
    assert "not among the 'allowedValues'" in str(found.errors["*myX"])
    assert "hush" not in str(found)
    assert "other" not in str(found)


def test_an_array_parameter_fills_a_list():
    groups = {"id": "myGroups", "isArray": "true", "default": ["a", "b"]}
    host = {"id": "H", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}
    host |= {"securityGroups": "#{myGroups}"}
    assert not check(activity(runsOn={"ref": "H"}), host, parameters=[groups]).found


def test_a_path_that_differs_by_a_parameter_to_come_is_let_be():
    out = node("Out", directoryPath="#{myPlace}")
    found = check(activity(output={"ref": "Out"}), out, parameters=[{"id": "myPlace"}], draft=True)
    assert list(found.warnings) == ["myPlace"]


def test_all_mistakes_of_one_text_are_told_from_left_to_right():
    text = "#{formt(@scheduledStartTime, 'Y')} #{myNope} #{1 +} #{day()} #{format('x', 'T')}"
    found = check(activity(command=text)).errors["A"]
    told = [
        "no function 'formt'",
        "parameter 'myNope'",
        "a value is expected",
        "'day' takes",
        "'T'",
    ]
    assert len(found) == len(told)
    for error, problem in zip(found, told, strict=True):
        assert problem in error
