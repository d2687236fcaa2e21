"""Some objects beside a good Default and Schedule, and what validation says of them."""

from penstock.language.forms import from_cli
from penstock.language.validate import validate
from penstock.model.definition import Findings
from penstock.model.limits import Limits
from penstock.model.times import Instant

Object = dict[str, object]

SCHEDULE: Object = {
    "id": "S",
    "type": "Schedule",
    "period": "15 Minutes",
    "startAt": "FIRST_ACTIVATION_DATE_TIME",
}
DEFAULT: Object = {
    "id": "Default",
    "type": "Default",
    "schedule": {"ref": "S"},
    "scheduleType": "CRON",
    "workerGroup": "w",
}
ON_DEMAND: Object = {"id": "Default", "scheduleType": "ondemand", "workerGroup": "w"}


def check(
    *objects: Object,
    limits: Limits | None = None,
    now: Instant | None = None,
    polled: frozenset[str] | None = None,
    draft: bool = False,
    **rest: object,
) -> Findings:
    """Findings for some objects; Default and S are added where they are not among them."""
    ids = {each["id"] for each in objects}
    base = [DEFAULT, SCHEDULE] if "Default" not in ids else [SCHEDULE]
    if any(each["id"] == "Default" and "schedule" not in each for each in objects):
        base = []  # a Default without a schedule is on demand, or is about having none
    base = [each for each in base if each["id"] not in ids]
    definition = from_cli({"objects": [*base, *objects], **rest})
    return validate(definition, limits or Limits(), draft=draft, now=now, polled=polled)


def activity(**fields: object) -> Object:
    """A ShellCommandActivity `A`; fields may replace anything."""
    return {"id": "A", "type": "ShellCommandActivity", "command": "true", **fields}


def node(object_id: str, **fields: object) -> Object:
    """An S3DataNode with a place of its own for each interval."""
    place = f"s3://bucket/{object_id}/#{{@scheduledStartTime}}"
    fields = (
        fields if {"filePath", "directoryPath"} & fields.keys() else {"filePath": place, **fields}
    )
    return {"id": object_id, "type": "S3DataNode", **fields}


def only_error(findings: Findings, object_id: str) -> str:
    """The text of the one error, which must be that object's."""
    assert list(findings.errors) == [object_id], findings.errors
    (text,) = findings.errors[object_id]
    return text


def only_warning(findings: Findings, object_id: str) -> str:
    """The text of the one finding, a warning of that object's."""
    assert not findings.errors, findings.errors
    assert list(findings.warnings) == [object_id], findings.warnings
    (text,) = findings.warnings[object_id]
    return text
