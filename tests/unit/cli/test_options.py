"""Options that several commands share."""

import click
import pytest

from penstock.cli.options import parse_parameters
from penstock.cli.run import parse_until

CONTEXT = click.Context(click.Command("x"))
OPTION = click.Option(["--parameter"])


def test_parameters_are_names_and_values() -> None:
    parsed = parse_parameters(CONTEXT, OPTION, ("myA=1", "myUrl=http://x/?a=b", "myA="))
    assert parsed == (("myA", "1"), ("myUrl", "http://x/?a=b"), ("myA", ""))


@pytest.mark.parametrize("text", ["myA", "=1", ""])
def test_a_parameter_without_a_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        parse_parameters(CONTEXT, OPTION, (text,))


def test_until_takes_any_date_of_the_language() -> None:
    until = parse_until(CONTEXT, OPTION, "2024-05-14")
    assert until is not None
    assert until.isoformat() == "2024-05-14T00:00:00"
    assert parse_until(CONTEXT, OPTION, None) is None
    with pytest.raises(click.BadParameter):
        parse_until(CONTEXT, OPTION, "tomorrow")
