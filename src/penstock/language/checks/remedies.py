"""What to write where something is lacking, in the words of the field: a form, an example."""

from penstock.language.catalogue import FieldType, ObjectType
from penstock.language.checks.values import example

_FORMS = {
    "topicArn": "the topic, such as 'arn:aws:sns:us-east-1:123456789012:alarms'",
    "subject": "the line that says what happened, such as '#{node.name} failed'",
    "message": "the text to send, such as 'Error of #{node.name}: #{node.errorMessage}'",
    "connectionString": "an address such as 'jdbc:mysql://host:3306/database'",
    "RedshiftDatabase.connectionString": (
        "an address such as 'jdbc:redshift://host:5439/database'"
    ),
    "jdbcDriverClass": "the driver's class, such as 'com.mysql.cj.jdbc.Driver'",
    "username": "the database's user, such as '#{myUser}'",
    "*password": "a secret parameter, such as '#{*myPassword}'",
    "rdsInstanceId": "the name of the instance, such as 'orders-db'",
    "clusterId": "the name of the cluster, such as 'orders-cluster'",
    "table": "the table's name, such as 'orders'",
    "tableName": "the table's name, such as 'orders'",
    "s3Key": "the object to look for, such as 's3://bucket/folder/_SUCCESS'",
    "s3Prefix": "what the objects begin with, such as 's3://bucket/folder/'",
    "filePath": "a single file, such as 's3://bucket/folder/file.csv'",
    "directoryPath": "a folder, such as 's3://bucket/folder/'",
    "manifestFilePath": "a list of files for Redshift, such as 's3://bucket/manifest.json'",
    "jarUri": "the program, such as 's3://bucket/program.jar'",
    "command": "the command line itself, such as 'echo hello'",
    "hiveScript": "the HiveQL statements themselves",
    "script": "the statements themselves",
    "scriptUri": "where a script lies, such as 's3://bucket/script'",
    "columnSeparator": "the character between columns, such as ','",
    "classification": "the file that is set up, such as 'core-site'",
    "hostname": "the proxy's host, such as 'proxy.example.com'",
    "port": "the proxy's port, such as '8080'",
    "key": "the setting's name",
    "value": "the setting's value",
}
"""By field, or by type and field where one type means something else."""

_ELSEWHERE = {
    "hiveVersion": "Versions come with 'releaseLabel'; what to install is in 'applications'.",
    "pigVersion": "Versions come with 'releaseLabel'; what to install is in 'applications'.",
}
"""Fields of other tools, for which the likest name of ours would be no help."""


def form(type_name: str, key: str, field_type: FieldType) -> str:
    """What a field of a type is, with an example; `it` if there is nothing to say."""
    known = _FORMS.get(f"{type_name}.{key}") or _FORMS.get(key)
    if known is not None and field_type.kind == "string":
        return known
    plain = field_type.kind == "string" and key != "timeZone"
    return "it" if plain else example(key, field_type)


def foreign(key: str) -> str | None:
    """What stands for a field that definitions have by habit and no type knows."""
    return _ELSEWHERE.get(key)


def own_field(key: str) -> str | None:
    """The user field that is meant by one in lower case: `myThing` for `mything`."""
    return f"my{key[2].upper()}{key[3:]}" if key[:2] == "my" and key[2:3].islower() else None


def word_elsewhere(object_type: ObjectType | None, key: str, text: str) -> str:
    """Which other field takes a word that its field does not, as the end of a sentence."""
    word = text.strip().lower()
    for other, field_type in object_type.fields.items() if object_type is not None else ():
        if other != key and word in (each.lower() for each in field_type.values):
            return f"; {text.strip()!r} is a word of {other!r}"
    return ""
