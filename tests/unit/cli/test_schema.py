"""`penstock schema` prints what editors are given."""

import json

from click.testing import CliRunner

from penstock.cli.main import group
from penstock.language.schema import definition_schema


def test_the_schema_is_printed():
    result = CliRunner().invoke(group, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.output) == definition_schema()
