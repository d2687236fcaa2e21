"""The names of all that validation looks for: what a program can tell findings apart by.

`docs/findings.md` says of each what it means and what to do. Names are kept for good, since people
filter by them.
"""

from enum import StrEnum


class Rule(StrEnum):
    """A kind of finding."""

    # the shape of the whole
    UNREADABLE = "unreadable"
    TOO_MANY_OBJECTS = "too-many-objects"
    TOO_MANY_PARAMETERS = "too-many-parameters"
    TOO_MUCH_INHERITED = "too-much-inherited"
    TOO_INTRICATE = "too-intricate"
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
    MISSING_COMPANION = "missing-companion"
    CONTRADICTION = "contradiction"
    # order and time
    PARENT_CYCLE = "parent-cycle"
    CYCLE = "cycle"
    STAGING = "staging"
    MISSING_SCHEDULE = "missing-schedule"
    SCHEDULE = "schedule"
    ON_DEMAND = "on-demand"
    TOO_MANY_ROLLUPS = "too-many-rollups"
    # expressions and parameters
    EXPRESSION = "expression"
    UNKNOWN_NAME = "unknown-name"
    UNSET_FIELD = "unset-field"
    TOO_EARLY = "too-early"
    PARAMETER = "parameter"
    PARAMETER_VALUE = "parameter-value"
    MISSING_PARAMETER_VALUE = "missing-parameter-value"
    UNDECLARED_PARAMETER = "undeclared-parameter"
    UNUSED_PARAMETER = "unused-parameter"
    SHADOWED_PARAMETER = "shadowed-parameter"
    # advice
    NO_ACTIVITY = "no-activity"
    NO_WORKER = "no-worker"
    IDLE_WORKER_GROUP = "idle-worker-group"
    UNUSED_OBJECT = "unused-object"
    MEANINGLESS_FIELD = "meaningless-field"
    DEPRECATED = "deprecated"
    DOUBTFUL_VALUE = "doubtful-value"
    OVERWRITTEN_OUTPUT = "overwritten-output"
    PLAIN_SECRET = "plain-secret"  # noqa: S105 - a name
    SECRET_DEFAULT = "secret-default"  # noqa: S105 - a name
    CASCADE_BACKFILL = "cascade-backfill"
    # edits of an activated pipeline
    FORBIDDEN_EDIT = "forbidden-edit"
