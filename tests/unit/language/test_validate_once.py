"""One cause makes one finding: what follows from another error is not told as well."""

import pytest

from tests.unit.language.checking import (
    DEFAULT,
    activity,
    check,
    node,
    only_error,
)

UNUSED = [{"id": "myX", "default": "x"}]


@pytest.mark.parametrize("schedule", ["S", "Nope", {"ref": "A"}, {"ref": "Nope"}])
def test_a_schedule_whose_reference_is_wrong_is_not_unused_as_well(schedule):
    found = check({**DEFAULT, "schedule": schedule}, activity())
    assert [each.field for each in found.found] == ["schedule"]


def test_what_no_wrong_reference_can_mean_is_unused_all_the_same():
    found = check({**DEFAULT, "schedule": "S"}, activity(), node("N"))
    assert [each.rule for each in found.found if each.object_id == "N"] == ["unused-object"]


@pytest.mark.parametrize(
    "command", ["#{MyX}", "#{myXX}", "#{myX", "#{formt(myX)}", "#{format(myX, 'T')}"]
)
def test_a_parameter_whose_use_is_faulty_is_not_unused_as_well(command):
    only_error(check(activity(command=command), parameters=UNUSED), "A")
    assert not check(activity(command=command), parameters=UNUSED).warnings


def test_a_parameter_that_only_a_command_has_in_brackets_is_unused():
    found = check(activity(command="${myX} {myX} #{myDay}", myDay="1"), parameters=UNUSED)
    assert [each.rule for each in found.found] == ["unused-parameter"]


@pytest.mark.parametrize("object_id", ["@A", "A" * 300])
def test_a_name_that_is_only_the_id_has_no_error_of_its_own(object_id):
    text = only_error(check(activity(id=object_id)), object_id)
    assert text.startswith("the id ")
    both = check(activity(id=object_id, name="@B"))
    assert len(both.errors[object_id]) == 2


def test_long_ids_are_cut_in_texts():
    first, second = "A" * 300, "B" * 300
    found = check(
        activity(id=first, dependsOn={"ref": second}),
        activity(id=second, dependsOn={"ref": first}, stage="true", output={"ref": "N" * 300}),
        node("N" * 300, directoryPath="s3://b/#{@scheduledStartTime}"),
    )
    assert not [each.text for each in found.found if "A" * 100 in each.text]
