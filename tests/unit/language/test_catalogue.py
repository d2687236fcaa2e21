"""The data of the catalogue: whole, consistent with itself, and with what the engine does."""

import pytest

from penstock.config import Settings
from penstock.engine import compile as engine
from penstock.language.catalogue import (
    FieldType,
    all_types,
    catalogue,
    fields_of_any_type,
    type_named,
)
from penstock.language.checks.values import value_fault
from penstock.language.periods import exact_ms, parse_period
from penstock.model.limits import Limits
from penstock.runner.task import DEFAULT_REPORT_TIMEOUT_MS

TYPES = all_types().values()
FIELDS = [(known, key, field) for known in TYPES for key, field in known.fields.items()]
CATEGORIES = {known.category for known in TYPES} | {"precondition", "*"}


def field(type_name: str, key: str) -> FieldType:
    known = type_named(type_name)
    assert known is not None
    return known.fields[key]


def test_all_types_are_there():
    assert len(all_types()) == 43  # the 41 of the original, JsonLines and Parquet
    assert {name: sum(t.category == name for t in TYPES) for name in catalogue().categories} == {
        "activity": 9,
        "data_node": 5,
        "resource": 2,
        "system_precondition": 4,
        "user_precondition": 2,
        "action": 2,
        "database": 3,
        "data_format": 8,
        "schedule": 1,
        "utility": 7,
    }


def test_a_field_says_what_its_kind_needs():
    for known, key, each in FIELDS:
        where = f"{known.name}.{key}"
        given = each.presence != "forbidden" and not each.set_by_service
        assert not each.to or each.kind == "reference", where
        assert each.to or each.kind != "reference" or not given, where
        assert {*each.to} <= CATEGORIES | {other.name for other in TYPES}, where
        assert not each.values or each.kind in ("enumeration", "string", "double"), where
        assert each.secret == key.startswith("*"), where
        bounded = each.least is not None or each.most is not None
        assert not bounded or each.kind in ("integer", "double"), where
        assert {*each.requires, *each.excludes} <= known.fields.keys() - {key}, where


def test_a_default_is_a_value_that_may_be_given():
    defaults = [(known, key, each) for known, key, each in FIELDS if each.default]
    assert defaults
    for known, key, each in defaults:
        assert each.presence == "optional", f"{known.name}.{key}"
        assert value_fault(key, each.default, each, Limits()) is None, f"{known.name}.{key}"


def test_groups_and_presence_agree():
    for known, key, each in FIELDS:
        exactly = {member for group in known.one_of for member in group}
        at_least = {member for group in known.any_of for member in group}
        assert (each.presence == "one_of") == (key in exactly), f"{known.name}.{key}"
        assert (each.presence == "any_of") == (key in at_least), f"{known.name}.{key}"


def test_the_members_of_groups_are_fields():
    for known in TYPES:
        for group in (*known.one_of, *known.any_of):
            assert {*group} <= known.fields.keys()


def test_hints_are_sentences():
    hints = [known.deprecated for known in TYPES]
    hints += [hint for known in TYPES for f in known.fields.values()
              for hint in (f.deprecated, f.unused)]  # fmt: skip
    assert {hint for hint in hints if hint} != set()
    assert all(hint[0].isupper() and hint.endswith(".") for hint in hints if hint)


def test_the_engine_has_these_defaults():
    activity = type_named("ShellCommandActivity")
    assert activity is not None
    default = {key: field.default for key, field in activity.fields.items()}
    assert int(default["maxActiveInstances"]) == engine.DEFAULT_MAX_ACTIVE
    assert int(default["maximumRetries"]) == engine.DEFAULT_MAX_RETRIES
    assert exact_ms(parse_period(default["retryDelay"])) == engine.DEFAULT_RETRY_DELAY_MS
    reported = exact_ms(parse_period(default["reportProgressTimeout"]))
    assert reported == Settings().report_timeout_ms == DEFAULT_REPORT_TIMEOUT_MS


def test_a_type_has_its_category_s_fields_and_may_say_something_else_of_one():
    assert field("ShellCommandActivity", "runsOn").to == ("resource",)
    assert field("HiveActivity", "runsOn").to == ("EmrCluster",)
    assert field("Ec2Resource", "runsOn").presence == "forbidden"
    assert field("Ec2Resource", "@failureReason").presence == "runtime"
    assert "@nextRunTime" in all_types()["s3datanode"].fields
    assert "@nextRunTime" not in all_types()["s3keyexists"].fields
    assert "schedule" not in all_types()["csv"].fields


@pytest.mark.parametrize(
    ("type_name", "keys"),
    [
        ("EmrCluster", "installHive emrLogUri hadoopVersion visibleToAllUsers"),
        ("Ec2Resource", "logUri"),
        ("RdsDatabase", "connectionString table selectQuery"),
        ("MySqlDataNode", "connectionString username *password"),
        ("SqlDataNode", "connectionString username *password"),
        ("CopyActivity", "script"),
        ("PigActivity", "generatedScriptsPath"),
        ("Schedule", "maxActiveInstances timeZone"),
        ("Exists", "runsOn workerGroup"),
        ("ShellCommandPrecondition", "runsOn workerGroup"),
    ],
)
def test_what_the_guide_forgets_is_marked(type_name: str, keys: str):
    known = type_named(type_name)
    assert known is not None
    assert {k for k, f in known.fields.items() if not f.documented} == {*keys.split()}


def test_a_field_of_any_type_is_one_that_may_be_given_where_there_is_one():
    assert fields_of_any_type()["workerGroup"].presence == "optional"
    assert fields_of_any_type()["hostname"].presence == "required"
    assert fields_of_any_type()["@status"].presence == "runtime"
