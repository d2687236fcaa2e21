from datetime import datetime

import pytest

from penstock.language.expressions import evaluate, evaluate_to_strings
from penstock.language.forms import from_cli
from penstock.language.resolve import Resolved, resolve
from penstock.language.scope import ObjectScope
from penstock.model.errors import DefinitionError

MOMENT = datetime(2026, 1, 31, 8)


def resolved(*objects: dict[str, object], **rest: object) -> Resolved:
    return resolve(from_cli({"objects": list(objects), **rest}))


WORLD = resolved(
    {
        "id": "Default",
        "myBucket": "s3://b",
        "schedule": {"ref": "Daily"},
        "pipelineLogUri": "s3://l",
    },
    {"id": "Daily", "type": "Schedule", "period": "1 Day", "startAt": "FIRST_ACTIVATION_DATE_TIME"},
    {
        "id": "Copy",
        "name": "the copy",
        "type": "copyactivity",
        "input": [{"ref": "In"}, {"ref": "File"}],
        "output": {"ref": "Out"},
        "onFail": {"ref": "Alarm"},
        "myTwo": ["a", "b#{myPort}"],
        "myDeep": "#{myBucket}/#{format(@scheduledStartTime, 'dd')}",
    },
    {
        "id": "In",
        "type": "S3DataNode",
        "directoryPath": "#{myBucket}/in/#{format(@scheduledStartTime, 'YYYY-MM-dd')}",
    },
    {"id": "File", "type": "S3DataNode", "filePath": "#{myBucket}/#{id}"},
    {"id": "Out", "type": "DynamoDBDataNode", "tableName": "t", "readThroughputPercent": "0.50"},
    {"id": "Machine", "type": "Ec2Resource", "instanceType": "m1"},
    {"id": "Alarm", "type": "SnsAlarm", "message": "#{node.name}", "subject": "s", "topicArn": "t"},
    parameters=[
        {"id": "myPort", "type": "Integer", "default": "80"},
        {"id": "mySteps", "isArray": "true", "default": ["x", "y"]},
        {"id": "*myPassword", "default": "hush"},
        {"id": "myOptional", "optional": "true"},
    ],
)
RUN = {"@scheduledStartTime": MOMENT, "@id": "@Copy_2026", "@pipelineId": "df-1"}
COPY = ObjectScope(WORLD, "Copy", RUN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#{name} #{id} #{@id}", ["the copy Copy @Copy_2026"]),
        ("#{type}", ["CopyActivity"]),
        ("#{myDeep}", ["s3://b/31"]),
        ("#{myTwo}", ["a", "b80"]),
        ("#{pipelineLogUri}", ["s3://l"]),
        ("#{myPort + 1}", ["81"]),
        ("#{mySteps}", ["x", "y"]),
        ("#{myOptional}", []),
        ("[#{myOptional}]", ["[]"]),
        ("#{*myPassword}#{myPassword}", ["hushhush"]),
        ("#{input.filePath}", ["s3://b/File"]),
        ("#{output.tableName}", ["t"]),
        ("#{output.readThroughputPercent}", ["0.50"]),
        ("#{schedule.period}", ["1 Day"]),
        ("#{parent.@id} #{parent.name}", ["Copy the copy"]),
        ("#{output.@pipelineId}", ["df-1"]),
        ("#{input}", ["In", "File"]),
        ("[#{@actualEndTime}][#{errorMessage}]", ["[][]"]),
    ],
)
def test_names(text: str, expected: list[str]):
    assert evaluate_to_strings(text, COPY) == expected


def test_ids_names_types_and_references_are_taken_as_they_stand():
    world = resolved(
        {"id": "A#{1}", "name": "n#{2}", "type": "#{3}", "to": {"ref": "B#{4}"}},
        {"id": "B#{4}", "myX": "x"},
    )
    scope = ObjectScope(world, "A#{1}")
    assert evaluate_to_strings("#{id} #{name} #{type} #{to} #{to.myX}", scope) == [
        "A#{1} n#{2} #{3} B#{4} x"
    ]


def test_lists_of_values_are_one_list():
    world = resolved({"id": "A", "my1": ["1", "2"], "my2": "3", "myAll": ["#{my1}", "#{my2}"]})
    assert ObjectScope(world, "A").values("myAll") == ["1", "2", "3"]
    assert ObjectScope(world, "A").field_texts("x", "-#{myAll}-") == ["-1-", "-2-", "-3-"]


def test_a_list_of_numbers_counts_element_by_element():
    world = resolved(
        {"id": "A"}, parameters=[{"id": "my_", "type": "Integer", "default": ["1", "2"]}]
    )
    assert evaluate("#{my_ * 10 + 1}", ObjectScope(world, "A")) == [11, 21]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#{myX}", "1e3"),
        ("s3://b/#{myX}", "s3://b/1e3"),
        ("#{myX / 2}", "500.0"),
        ("#{myX + 1}", "1001.0"),
        ("#{-myX}", "-1000.0"),
        ("#{myHalf}", "0.50"),
        ("#{myHalf + 1}", "1.5"),
        ("#{myText / 2} #{myText + 1}", "500.0 1e31"),
        ("#{myGreat}", "1e999"),
    ],
)
def test_decimals_count_and_print_as_they_are_written(text: str, expected: str):
    world = resolved(
        {"id": "A", "myText": "1e3"},
        parameters=[
            {"id": "myX", "type": "Double", "default": "1e3"},
            {"id": "myHalf", "type": "Double", "default": "0.50"},
            {"id": "myGreat", "type": "Double", "default": "1e999"},
        ],
    )
    assert evaluate_to_strings(text, ObjectScope(world, "A")) == [expected]


def test_a_runtime_date_stays_a_date():
    assert evaluate("#{@scheduledStartTime}", COPY) == [MOMENT]


def test_linked_scopes_stand_for_the_references():
    inputs = [
        ObjectScope(
            WORLD, "In", {"@id": f"@In_{day}", "@scheduledStartTime": datetime(2026, 1, day)}
        )
        for day in (1, 2)
    ]
    copy = ObjectScope(WORLD, "Copy", RUN, {"input": inputs})
    assert evaluate_to_strings("#{input.directoryPath}", copy) == [
        "s3://b/in/2026-01-01",
        "s3://b/in/2026-01-02",
    ]
    assert evaluate_to_strings("#{input.@id}", copy) == ["@In_1", "@In_2"]


def test_node_is_the_object_that_refers():
    alarm = ObjectScope(WORLD, "Alarm", node=COPY)
    assert alarm.values("message") == ["the copy"]
    assert evaluate_to_strings("#{node.@scheduledStartTime}", alarm) == ["2026-01-31T08:00:00"]
    assert evaluate_to_strings("#{node.output.tableName}", alarm) == ["t"]
    with pytest.raises(DefinitionError, match="one reference only"):
        evaluate("#{node.output.@status}", alarm)
    with pytest.raises(DefinitionError, match="'node' is known only"):
        evaluate("#{node.name}", COPY)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#{nope}", "there is no field or parameter 'nope' at 'Copy'."),
        ("#{myTwoo}", "at 'Copy'. Did you mean 'myTwo'?"),
        ("#{myPrt}", "at 'Copy'. Did you mean 'myPort'?"),
        ("#{@nope}", "there is no field or parameter '@nope' at 'Copy'."),
        ("#{@scheduledStarttime}", "Did you mean '@scheduledStartTime'?"),
        ("#{format}", "The function of that name is called with parentheses: format(…)"),
        ("#{output.nope}", "there is no field 'nope' at 'Out'."),
        ("#{input.directoryPat}", "at 'In' or 'File'. Did you mean 'directoryPath'?"),
        ("#{precondition.name}", "there is no reference 'precondition' at 'Copy'."),
        ("#{inputs.name}", "there is no reference 'inputs' at 'Copy'. Did you mean 'input'?"),
        ("#{myBucket.name}", "'myBucket' of 'Copy' is a text and no reference"),
    ],
)
def test_unknown_names(text: str, problem: str):
    with pytest.raises(DefinitionError) as caught:
        evaluate(text, COPY)
    assert problem in str(caught.value)


def test_a_component_has_no_runtime_fields():
    component = ObjectScope(WORLD, "Copy", runtime_known=False)
    assert evaluate_to_strings("#{name}", component) == ["the copy"]
    with pytest.raises(DefinitionError, match="only once there is an instance"):
        evaluate("#{@scheduledStartTime}", component)
    # A reference that is linked to no instance must not print an empty date.
    with pytest.raises(DefinitionError, match="only once there is an instance"):
        evaluate("#{input.directoryPath}", COPY)


def test_fields_that_refer_to_themselves_are_errors():
    scope = ObjectScope(
        resolved({"id": "A", "myA": "#{myB}", "myB": "#{self.myA}", "self": {"ref": "A"}}), "A"
    )
    with pytest.raises(DefinitionError, match=r"A\.myA -> A\.myB -> A\.myA"):
        scope.values("myA")


def test_a_field_may_pass_on_the_parameter_of_its_name():
    world = resolved({"id": "A", "myX": "-#{myX}-"}, values={"myX": "v"})
    assert ObjectScope(world, "A").values("myX") == ["-v-"]
    assert ObjectScope(world, "A").field_texts("myX", "-#{myX}-") == ["-v-"]


def test_a_parameter_that_refers_to_itself_is_an_error():
    world = resolved({"id": "A"}, values={"myX": "#{myX}"})
    with pytest.raises(DefinitionError, match="refers to itself"):
        evaluate("#{myX}", ObjectScope(world, "A"))


def test_long_ways_are_errors():
    fields = {f"my_{n}": f"#{{my_{n + 1}}}" for n in range(100)}
    with pytest.raises(DefinitionError, match="over more than 30 steps"):
        ObjectScope(resolved({"id": "A", **fields, "my_100": "x"}), "A").values("my_0")


def test_doubling_fields_end_in_an_error_and_not_in_a_full_memory():
    laughs = {f"my_{n}": f"#{{my_{n + 1}}}" * 10 for n in range(20)}
    with pytest.raises(DefinitionError, match="too large"):
        ObjectScope(resolved({"id": "A", **laughs, "my_20": "ha"}), "A").values("my_0")


def test_references_that_fan_out_are_bounded():
    everyone = [{"ref": str(n)} for n in range(50)]
    world = resolved(*({"id": str(n), "myAll": everyone} for n in range(50)))
    with pytest.raises(DefinitionError, match="more than 10000 objects"):
        evaluate("#{" + "myAll." * 8 + "id}", ObjectScope(world, "0"))


@pytest.mark.parametrize(
    ("last", "problem"), [([], "no field 'myValue' at 'n25'"), ("x", "take more than")]
)
def test_chains_of_doubled_references_are_evaluated_once_each(last: object, problem: str):
    objects = [
        {"id": f"n{n}", "myNext": [{"ref": f"n{n + 1}"}] * 2, "myValue": "#{myNext.myValue}"}
        for n in range(25)
    ]
    world = resolved(*objects, {"id": "n25", "myValue": last})
    with pytest.raises(DefinitionError, match=problem):
        ObjectScope(world, "n0").values("myValue")


def test_an_error_in_another_field_says_where():
    world = resolved(
        {"id": "A", "to": {"ref": "B"}, "myX": "#{to.myY}", "myP": "#{myBroken}"},
        {"id": "B", "myY": "x #{nope}", "*myZ": "sesame #{nope}"},
        values={"myBroken": "#{1/0}"},
    )
    scope = ObjectScope(world, "A")
    with pytest.raises(DefinitionError) as caught:
        scope.values("myX")
    assert str(caught.value) == (
        "in 'myY' of 'B': there is no field or parameter 'nope' at 'B'.\n  x #{nope}\n      ^"
    )
    with pytest.raises(DefinitionError, match=r"^in the parameter 'myBroken': division by zero"):
        scope.values("myP")
    other = ObjectScope(world, "B")
    for fails in (
        lambda: evaluate("#{to.*myZ}", scope),
        lambda: other.field_texts("*myZ", "sesame #{nope}"),
    ):
        with pytest.raises(DefinitionError) as caught:
            fails()
        assert "sesame" not in str(caught.value)
        assert "in '*myZ' of 'B': there is no field or parameter 'nope'" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "attemptTimeout",
        "directoryPath",  # of other types
        "command",
        "s3Key",
        "hostname",
        "@healthStatus",
        "myTwo",  # of another object
        "precondition.s3Key",
        "dependsOn.output.filePath",
        "input.pipelineLogUri",
    ],
)
def test_of_a_node_nothing_is_told_that_it_lacks(name: str):
    machine = ObjectScope(WORLD, "Machine", RUN)
    alarm = ObjectScope(WORLD, "Alarm", RUN, node=machine)
    assert evaluate_to_strings(f"[#{{node.{name}}}]", alarm) == ["[]"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("comand", "there is no field 'comand' at 'Machine'."),
        ("@helthStatus", "there is no field '@helthStatus' at 'Machine'."),
        ("mySome", "there is no field 'mySome' at 'Machine'."),
        ("inputs.directoryPath", "there is no reference 'inputs' at 'Machine'."),
        ("input.directryPath", "'directryPath' at the objects it leads to. Did you mean 'direc"),
        ("instanceType.name", "'instanceType' of 'Machine' is a text and no reference"),
    ],
)
def test_what_no_object_has_is_misspelt(name: str, problem: str):
    alarm = ObjectScope(WORLD, "Alarm", RUN, node=ObjectScope(WORLD, "Machine", RUN))
    with pytest.raises(DefinitionError) as caught:
        evaluate(f"#{{node.{name}}}", alarm)
    assert problem in str(caught.value)


def test_only_a_node_may_lack_something():
    alarm = ObjectScope(WORLD, "Alarm", node=COPY)
    assert evaluate_to_strings("[#{node.attemptTimeout}]", alarm) == ["[]"]
    assert evaluate("#{node.input.dataFormat + 'x'}", alarm) == ["x"]
    with pytest.raises(DefinitionError, match="there is no field"):
        evaluate("#{node.nonsense}", alarm)
    # Elsewhere nothing is made of nothing: rm -r #{output.directoryPath}/*
    for text in ("#{attemptTimeout}", "#{input.dataFormat}"):
        with pytest.raises(DefinitionError, match="there is no field"):
            evaluate(text, COPY)


def test_a_parameter_without_a_value_is_told_from_a_name_that_is_not_known():
    world = resolved({"id": "A"}, parameters=[{"id": "*myX"}])
    with pytest.raises(DefinitionError, match=r"the parameter '\*myX' has no value"):
        evaluate("#{myX}", ObjectScope(world, "A"))


def test_more_may_be_known_of_an_instance_and_of_its_node():
    alarm = ObjectScope(WORLD, "Alarm", RUN, node=COPY).knowing({"errorMessage": "boom"})
    assert evaluate_to_strings("#{node.errorMessage} #{node.@pipelineId}", alarm) == ["boom df-1"]


def test_an_unknown_object_has_no_scope():
    with pytest.raises(DefinitionError, match="no object 'Nobody'"):
        ObjectScope(WORLD, "Nobody")
