"""The names of all that validation looks for: what a program can tell findings apart by.

`docs/findings.md` says of each what it means and what to do. Names are kept for good, since people
filter by them.
"""

from enum import StrEnum


class Rule(StrEnum):
    """A kind of finding."""

    # the shape of the whole
    TOO_MANY_OBJECTS = "too-many-objects"
    MISSING_ID = "missing-id"
    MISSING_NAME = "missing-name"
    DUPLICATE_ID = "duplicate-id"
    RESERVED_NAME = "reserved-name"
    NAME_TOO_LONG = "name-too-long"
    OBJECT_TOO_LARGE = "object-too-large"
    EMPTY_VALUE = "empty-value"
    # types and fields
    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_FIELD = "unknown-field"
    FORBIDDEN_FIELD = "forbidden-field"
    SERVICE_FIELD = "service-field"
    MISSING_FIELD = "missing-field"
    ONE_OF = "one-of"
    SEVERAL_VALUES = "several-values"
    WRONG_VALUE = "wrong-value"
    WRONG_KIND = "wrong-kind"
    MISSING_OBJECT = "missing-object"
    MISSING_ROLE = "missing-role"
    # order and time
    PARENT_CYCLE = "parent-cycle"
    CYCLE = "cycle"
    STAGING = "staging"
    MISSING_SCHEDULE = "missing-schedule"
    SCHEDULE = "schedule"
    # expressions and parameters
    EXPRESSION = "expression"
    PARAMETER = "parameter"
    PARAMETER_VALUE = "parameter-value"
    MISSING_PARAMETER_VALUE = "missing-parameter-value"
    UNDECLARED_PARAMETER = "undeclared-parameter"
    # advice
    NO_WORKER = "no-worker"
    UNUSED_OBJECT = "unused-object"
    # edits of an activated pipeline
    FORBIDDEN_EDIT = "forbidden-edit"
