"""What is lacking or unknown is told with what to write instead."""

import pytest

from tests.unit.language.checking import (
    ON_DEMAND,
    activity,
    check,
    only_error,
    only_warning,
)

CLUSTER = {"id": "E", "type": "EmrCluster"}
HIVE = {"id": "H", "type": "HiveActivity", "runsOn": {"ref": "E"}}


@pytest.mark.parametrize("key", ["hiveVersion", "pigVersion"])
def test_fields_of_other_tools_get_no_likest_name(key):
    text = only_error(check(CLUSTER | {key: "1"}, HIVE | {"hiveScript": "x"}), "E")
    assert "Did you mean" not in text
    assert "'applications'" in text


def test_a_word_of_another_field_is_told_to_be_one():
    machine = {"id": "M", "type": "Ec2Resource", "actionOnTaskFailure": "RetryAll"}
    text = only_error(check(activity(runsOn={"ref": "M"}), machine), "M")
    assert text.endswith("; 'RetryAll' is a word of 'actionOnResourceFailure'")


def test_what_is_required_is_told_with_its_form():
    text = only_error(check(CLUSTER, HIVE), "H")
    assert "'hiveScript' is the HiveQL statements themselves; 'scriptUri' is where a script" in text
    alarm = {"id": "L", "type": "SnsAlarm", "role": "r", "subject": "s", "message": "m"}
    text = only_error(check(activity(onFail={"ref": "L"}), alarm), "L")
    assert "give the topic, such as 'arn:aws:sns:us-east-1:123456789012:alarms'" in text


def test_a_user_field_in_lower_case_is_one_with_a_capital():
    assert only_error(check(activity(mything="x")), "A").endswith("Did you mean 'myThing'?")
    base = {"id": "Base", "mything": "x"}
    found = check(activity(parent={"ref": "Base"}), base)
    assert only_warning(found, "Base").endswith("Did you mean 'myThing'?")
    assert "Did you mean" not in only_error(check(activity(my="x")), "A")


def test_what_stands_as_reference_in_a_secret_field_is_not_quoted():
    database = {"id": "D", "type": "RdsDatabase", "rdsInstanceId": "i", "username": "u"}
    found = check(activity(database={"ref": "D"}), database | {"*password": {"ref": "hushhush"}})
    assert "Found values of type 'Reference': write" in str(found)
    found = check(activity(**{"*myPassword": {"ref": "hushhush"}}))
    assert "'*myPassword' refers to an object" in only_error(found, "A")
    assert "hushhush" not in str(found)


@pytest.mark.parametrize("objects", [[], [ON_DEMAND]])
def test_that_nothing_will_run_is_told(objects):
    from penstock.language.forms import from_cli
    from penstock.language.validate import validate
    from penstock.model.limits import Limits

    text = only_warning(validate(from_cli({"objects": objects}), Limits()), "")
    assert "nothing will run" in text


def test_a_copy_needs_both_ends():
    found = check({"id": "C", "type": "CopyActivity"})
    assert [each.field for each in found.found] == ["input", "output"]
    assert not found.errors
