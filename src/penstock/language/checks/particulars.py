"""What single types ask for beyond their fields, as the guide's pages say in prose."""

import re
from collections.abc import Callable, Iterator

from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import listed, shorten
from penstock.model.definition import Severity

Found = Iterator[tuple[Severity, Fault]]

LOCATION_FIELDS = frozenset(
    "directoryPath filePath manifestFilePath scriptUri pipelineLogUri generatedScriptsPath "
    "s3Key emrLogUri logUri".split()
)
"""Fields that say where something lies."""

_REGION = re.compile(r"[a-z]{2,3}(-[a-z]{1,20}){1,3}-[0-9]{1,2}")
_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://\S")


def check_particulars(subject: Subject, report: Report) -> None:
    """Every type's own rules, and that a location is one."""
    for each, object_type in subject.typed():
        for check in _BY_TYPE.get(object_type.name, ()):
            for severity, fault in check(subject, each):
                tell = report.error if severity == "error" else report.warning
                tell(each.id, *fault)
    for each in subject.resolved.objects.values():
        for key in sorted(LOCATION_FIELDS & each.own):
            for text in each.strings(key):
                _check_location(subject, each, key, text, report)
        if "region" in each.own and each.type is not None:
            _check_region(subject, each, report)


def _check_region(subject: Subject, each: ResolvedObject, report: Report) -> None:
    """That it looks like one; which there are is a growing list that is not ours to keep."""
    for region in subject.known_texts(each, "region") or ():
        if not _REGION.fullmatch(region) and not subject.tells_secret(region):
            problem = f"'region': {shorten(region)!r} is no region; write one such as 'us-east-1'"
            report.warning(each.id, Rule.DOUBTFUL_VALUE, problem, "region")


def _check_location(
    subject: Subject, each: ResolvedObject, key: str, text: str, report: Report
) -> None:
    if _SCHEME.match(text):
        return  # whatever follows, and most do: nothing to evaluate
    for location in subject.known(each, key, text) or ():
        if not location or _SCHEME.match(location):
            continue
        shown = "it" if subject.tells_secret(location) else repr(shorten(location))
        problem = (
            f"{key!r}: {shown} is no location; write 's3://bucket/key', or "
            "'file:///folder/file' for one on the runner's machine"
        )
        report.warning(each.id, Rule.DOUBTFUL_VALUE, problem, key)


def _targets(subject: Subject, each: ResolvedObject, key: str) -> list[ResolvedObject]:
    objects = subject.resolved.objects
    return [objects[reference] for reference in each.refs(key) if reference in objects]


def _types(subject: Subject, each: ResolvedObject, key: str) -> set[str]:
    return {target.type for target in _targets(subject, each, key) if target.type}


def _redshift_copy(subject: Subject, each: ResolvedObject) -> Found:
    source, target = _types(subject, each, "input"), _types(subject, each, "output")
    if source and target and "RedshiftDataNode" not in source | target:
        text = (
            "'output': a RedshiftCopyActivity copies into or out of Redshift, so 'input' or "
            "'output' must be a RedshiftDataNode; use a CopyActivity for anything else"
        )
        yield "error", Fault(Rule.CONTRADICTION, text, "output")
    if "commandOptions" in each.fields and any(
        "dataFormat" in node.fields for node in _targets(subject, each, "input")
    ):
        text = (
            "'commandOptions' are ignored, since the input has a 'dataFormat'; take one of the "
            "two out"
        )
        yield "warning", Fault(Rule.MEANINGLESS_FIELD, text, "commandOptions")


def _copy(subject: Subject, each: ResolvedObject) -> Found:
    for key, what in (("input", "nothing to copy"), ("output", "no place to copy to")):
        if key not in each.fields:
            text = f"{key!r} is not given, so there is {what}; refer to a data node"
            yield "warning", Fault(Rule.MISSING_COMPANION, text, key)


def _hive_copy(subject: Subject, each: ResolvedObject) -> Found:
    if _types(subject, each, "input") == _types(subject, each, "output") == {"S3DataNode"}:
        text = (
            "'output': a HiveCopyActivity with an S3DataNode as input needs a DynamoDBDataNode as "
            "output; from S3 to S3 use a HiveActivity or a CopyActivity"
        )
        yield "error", Fault(Rule.CONTRADICTION, text, "output")
    for key in ("input", "output"):
        for node in _targets(subject, each, key):
            formats = _types(subject, node, "dataFormat")
            if node.type == "DynamoDBDataNode" and formats - {"DynamoDBExportDataFormat"}:
                text = (
                    f"{key!r}: {shorten(node.id)!r} has a 'dataFormat' of type "
                    f"{listed(sorted(formats))}; a HiveCopyActivity takes "
                    "DynamoDBExportDataFormat, or none"
                )
                yield "warning", Fault(Rule.DOUBTFUL_VALUE, text, key)


def _dynamo_node(subject: Subject, each: ResolvedObject) -> Found:
    if "Exists" in _types(subject, each, "precondition"):
        text = (
            "'precondition': Exists does not look into DynamoDB; use DynamoDBTableExists or "
            "DynamoDBDataExists"
        )
        yield "warning", Fault(Rule.DOUBTFUL_VALUE, text, "precondition")
    formats = _types(subject, each, "dataFormat")
    if formats and not formats & {"DynamoDBDataFormat", "DynamoDBExportDataFormat"}:
        text = (
            f"'dataFormat' of type {listed(sorted(formats))} does not fit a table; use "
            "DynamoDBDataFormat (HiveActivity) or DynamoDBExportDataFormat (HiveCopyActivity)"
        )
        yield "warning", Fault(Rule.DOUBTFUL_VALUE, text, "dataFormat")


def _s3_node(subject: Subject, each: ResolvedObject) -> Found:
    if "DynamoDBDataFormat" in _types(subject, each, "dataFormat"):
        text = (
            "'dataFormat' of type 'DynamoDBDataFormat' is for tables; on S3 it is "
            "DynamoDBExportDataFormat"
        )
        yield "warning", Fault(Rule.DOUBTFUL_VALUE, text, "dataFormat")


def _staged_tables(subject: Subject, each: ResolvedObject) -> Found:
    """Hive and Pig see what is staged as tables, whose columns the format names."""
    if subject.known_text(each, "stage") == "false":
        return
    for key in ("input", "output"):
        for node in _targets(subject, each, key):
            if node.type == "S3DataNode" and "dataFormat" not in node.fields:
                text = (
                    f"{key!r}: {shorten(node.id)!r} has no 'dataFormat', so its staged table "
                    "has no columns; refer to a CSV or TSV with 'column's there, or set 'stage' to "
                    "false"
                )
                yield "warning", Fault(Rule.STAGING, text, key)


def _connection(subject: Subject, each: ResolvedObject) -> Found:
    key = "connectionString"
    begins = "jdbc:redshift:" if each.type == "RedshiftDatabase" else "jdbc:"
    for text in each.strings(key):
        for known in subject.known(each, key, text) or ():
            lower = known.strip().lower()
            if not lower.startswith((begins, "jdbc:postgresql:")):
                problem = f"{key!r} begins with {begins!r}; see the driver's own manual"
                yield "warning", Fault(Rule.DOUBTFUL_VALUE, problem, key)
            driver = lower.startswith(("jdbc:oracle:", "jdbc:sqlserver:"))
            if driver and each.type == "RdsDatabase" and "jdbcDriverJarUri" not in each.fields:
                problem = (
                    "'jdbcDriverJarUri' is needed for Oracle and SQL Server, whose drivers do not "
                    "come along; say where the jar lies"
                )
                yield "warning", Fault(Rule.MISSING_COMPANION, problem, "jdbcDriverJarUri")


def _ec2(subject: Subject, each: ResolvedObject) -> Found:
    if "subnetId" in each.fields and "securityGroups" in each.fields:
        text = (
            "'securityGroups' are names, which mean nothing in a VPC ('subnetId'); give ids in "
            "'securityGroupIds'"
        )
        yield "warning", Fault(Rule.DOUBTFUL_VALUE, text, "securityGroups")


def _sql_node(subject: Subject, each: ResolvedObject) -> Found:
    if not {"database", "connectionString"} & each.fields.keys():
        text = "'database' is not given, so nothing can be read or written; refer to a database"
        yield "warning", Fault(Rule.MISSING_COMPANION, text, "database")


def _sql_activity(subject: Subject, each: ResolvedObject) -> Found:
    types = _types(subject, each, "database")
    if "queue" in each.own and types and "RedshiftDatabase" not in types:
        text = "'queue' means something on a RedshiftDatabase only; take it out"
        yield "warning", Fault(Rule.MEANINGLESS_FIELD, text, "queue")


def _shell(subject: Subject, each: ResolvedObject) -> Found:
    for key in ("stdout", "stderr"):
        for text in each.strings(key) if "runsOn" in each.fields and key in each.own else ():
            if not text.startswith(("#{", "s3://", "S3://")):
                problem = (
                    f"{key!r}: a file on the resource is gone when the resource is; give a place "
                    "in S3 ('s3://bucket/key')"
                )
                yield "warning", Fault(Rule.DOUBTFUL_VALUE, problem, key)


Check = Callable[[Subject, ResolvedObject], Found]

_BY_TYPE: dict[str, tuple[Check, ...]] = {
    "CopyActivity": (_copy,),
    "RedshiftCopyActivity": (_redshift_copy,),
    "HiveCopyActivity": (_hive_copy,),
    "HiveActivity": (_staged_tables,),
    "PigActivity": (_staged_tables,),
    "DynamoDBDataNode": (_dynamo_node,),
    "S3DataNode": (_s3_node,),
    "SqlDataNode": (_sql_node,),
    "MySqlDataNode": (_sql_node,),
    "RdsDatabase": (_connection,),
    "JdbcDatabase": (_connection,),
    "RedshiftDatabase": (_connection,),
    "Ec2Resource": (_ec2,),
    "SqlActivity": (_sql_activity,),
    "ShellCommandActivity": (_shell,),
}
