"""What is known of expressions before anything runs: kinds, values, and what cannot work."""

import pytest

from penstock.language.expressions.kinds import Known, faults, infer
from penstock.language.expressions.parser import parse
from penstock.language.foresight import Foresight
from penstock.language.forms import from_cli
from penstock.language.resolve import resolve

RESOLVED = resolve(
    from_cli(
        {
            "objects": [
                {"id": "Default", "schedule": {"ref": "Daily"}, "myHere": "#{@scheduledEndTime}"},
                {
                    "id": "Daily",
                    "type": "Schedule",
                    "period": "1 day",
                    "startDateTime": "2026-01-01T00:00:00",
                },
                {
                    "id": "Load",
                    "type": "ShellCommandActivity",
                    "input": [{"ref": "In"}, {"ref": "Also"}],
                    "myList": ["one", "two"],
                    "myNumber": "3",
                    "myWhen": "#{minusDays(@scheduledStartTime, 1)}",
                    "myText": "x#{@scheduledStartTime}",
                    "myLoop": "#{myLoop2}",
                    "myLoop2": "#{myLoop}",
                    "myWrong": "#{1/0}",
                    "maximumRetries": "4",
                    "myRetries": "#{myRetries}",
                },
                {"id": "Twin", "type": "ShellCommandActivity", "myNumber": "#{day(myWhen)}"},
                {"id": "In", "type": "S3DataNode", "directoryPath": "s3://in", "myAge": "1"},
                {"id": "Also", "type": "S3DataNode", "filePath": "s3://f", "myAge": "2"},
                {"id": "Alarm", "type": "SnsAlarm"},
            ],
            "parameters": [
                {"id": "myRetries", "type": "Integer", "default": "3"},
                {"id": "myCount", "type": "Integer"},
                {"id": "myShare", "type": "Double"},
                {"id": "myFree"},
            ],
        }
    )
)
FORESIGHT = Foresight(RESOLVED, {"Alarm": ["Load"]})


def problems(object_id: str, text: str, foresight: Foresight = FORESIGHT) -> list[str]:
    return [problem for _, problem in faults(parse(text), foresight.kinds_at(object_id))]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#{format('x', 'YYYY')}", "argument 1 of 'format' must be a date"),
        ("#{format(@scheduledStartTime, 'T')}", "'T' is no letter of a date pattern"),
        ("#{format(@scheduledStartTime, 3)}", "argument 2 of 'format' must be a pattern"),
        ("#{@scheduledStartTime * 2}", "'*' needs numbers, not a date"),
        ("#{@scheduledStartTime + 1}", "'+' needs numbers, not a date"),
        ("#{@scheduledStartTime - @scheduledEndTime}", "'-' needs numbers, not a date"),
        ("#{-@scheduledStartTime}", "'-' needs numbers, not a date"),
        ("#{myWhen * 2}", "'*' needs numbers, not a date"),
        ("#{myHere * 2}", "'*' needs numbers, not a date"),
        ("#{year(myList)}", "argument 1 of 'year' must be a date"),
        ("#{year(myNumber * 1)}", "argument 1 of 'year' must be a date, not an integer"),
        ("#{year(myCount)}", "argument 1 of 'year' must be a date, not an integer"),
        ("#{minusDays(@scheduledStartTime, 'a')}", "argument 2 of 'minusDays' must be an integer"),
        ("#{minusDays(myWhen, myShare)}", "must be an integer, not a decimal"),
        ("#{plusPeriod(myWhen, '3 parsecs')}", "must be a period such as '1 day'"),
        ("#{inTimeZone(myWhen, 'Moon')}", "must be a time zone"),
        ("#{makeDate(2026, 2, 30)}", "there is no such date"),
        ("#{1 / (2 - 2)}", "division by zero"),
        ("#{myCount * 'x'}", "'*' needs numbers, not a text"),
        ("#{input.myAge * @scheduledStartTime}", "'*' needs numbers, not a date"),
        ("#{schedule.startDateTime.format('q')}", "'q' is no letter"),
        ("#{format(plusDays(myWhen, 1), 2)}", "argument 2 of 'format'"),
    ],
)
def test_what_cannot_work_is_said_beforehand(text: str, problem: str) -> None:
    (found,) = problems("Load", text)
    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        "#{format(@scheduledStartTime, 'YYYY')}",
        "#{'at ' + @scheduledStartTime + 1}",
        "#{myNumber * 2 + myCount - myShare}",
        "#{year(schedule.startDateTime)}",
        "#{year(myFree)} #{myFree * 2} #{plusPeriod(myHere, myFree)}",
        "#{year(nope)} #{nope.nope + 1} #{nope * nope}",
        "#{myLoop * 2} #{myWrong + 1}",
        "#{myText + 1}",
        "#{format(myHere, 'dd') * 2}",
        "#{day(myWhen) + input.myAge}",
    ],
)
def test_what_may_work_is_let_through(text: str) -> None:
    assert problems("Load", text) == []


def test_over_node_all_that_may_refer_count() -> None:
    text = "#{node.@scheduledStartTime / 2} #{node.input.myAge / 2} #{node.name * 2}"
    date, name = problems("Alarm", text)
    assert "not a date" in date
    assert "not a text" in name
    several = Foresight(RESOLVED, {"Alarm": ["Load", "Twin"]})
    assert (
        problems("Alarm", "#{node.myNumber.year()}", several)
        == ["argument 1 of 'year' must be a date, not an integer"]
        or problems("Alarm", "#{node.myNumber.year()}", several) == []
    )
    assert problems("Alarm", "#{node.name + 1}") == []


def test_all_faults_are_found_with_their_places() -> None:
    text = "#{1/0} and #{year(1) + year('x')} #{@scheduledStartTime * 2 * @scheduledEndTime}"
    places = [at for at, _ in faults(parse(text), FORESIGHT.kinds_at("Load"))]
    assert [text[at:].split("(")[0][:4] for at in places] == [
        "/0} ",
        "year",
        "year",
        "* 2 ",
        "* @s",
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("myNumber", Known(("3",))),
        ("maximumRetries", Known((4,))),
        ("maximumRetries + myRetries", Known((7,))),
        ("myRetries", Known((3,))),  # a field that passes on the parameter of its name
        ("schedule.period", Known(("1 day",))),
        ("input.myAge", Known(("1", "2"))),
        ("myList + '!'", Known(("one!", "two!"))),
        ("myCount", "integer"),
        ("myCount + 1", "integer"),
        ("myCount + 1.5", "decimal"),
        ("myCount ^ 2", "decimal"),
        ("myShare", "decimal"),
        ("-myShare", "decimal"),
        ("myFree", "unknown"),
        ("myFree + 1", "unknown"),
        ("myFree + 'x'", "text"),
        ("myText", "text"),
        ("myWhen", "date"),
        ("@scheduledStartTime", "date"),
        ("@status", "text"),
        ("format(myWhen, 'dd')", "text"),
        ("day(myWhen)", "integer"),
        ("nope", "unknown"),
        ("parent.@id", "text"),
        ("parent.name", Known(("Load",))),
    ],
)
def test_kinds(expression: str, expected: object) -> None:
    lone = parse(f"#{{{expression}}}").lone
    assert lone is not None
    assert infer(lone, FORESIGHT.kinds_at("Load")) == expected


def test_parameters_of_a_draft_may_get_other_values_yet() -> None:
    draft = Foresight(RESOLVED, draft=True)
    assert draft.kind_of_path("Load", ("maximumRetries",)) == Known((4,))
    assert draft.kind_of_path("In", ("myRetries",)) == "integer"


def test_an_object_that_is_not_there_knows_nothing() -> None:
    assert FORESIGHT.kind_of_path("Nobody", ("id",)) == "unknown"


def test_many_values_are_followed_by_their_kind_alone() -> None:
    values = Known(tuple(range(300)))
    lone = parse("#{a * a * a}").lone
    assert lone is not None
    assert infer(lone, lambda path: values) == "integer"
