"""Alarms to a topic of SNS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.runner.aws import Aws
from penstock.runner.aws_errors import aws_failures
from penstock.runner.errors import TaskFailed

if TYPE_CHECKING:
    from penstock.runner.actions.alarm import Alarm

SUBJECT_CHARACTERS = 100
MESSAGE_BYTES = 256 * 1024 - 2_048
"""What SNS takes, less some room for the attributes."""

_ARN = re.compile(r"arn:[\w-]+:sns:([\w-]+):(\d*):[\w.-]+", re.ASCII)


def publish(alarm: Alarm, arn: str, aws: Aws) -> None:
    """Publish to the topic, in its own region. A FIFO topic keeps repetitions back by itself."""
    match = _ARN.fullmatch(arn)
    if match is None:
        raise TaskFailed("InvalidTopic", f"topicArn {arn!r} is no ARN of an SNS topic")
    request: dict[str, object] = {
        "TopicArn": arn,
        "Message": shortened(alarm.message) or " ",
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": text}
            for name, text in (("alarmId", alarm.id), ("pipelineId", alarm.pipeline_id))
            if text
        },
    }
    if subject := plain(alarm.subject):
        request["Subject"] = subject
    if arn.endswith(".fifo"):
        request["MessageGroupId"] = alarm.pipeline_id or "penstock"
        request["MessageDeduplicationId"] = alarm.id
    client = aws.client("sns", match[1])
    with aws_failures(arn):
        client.publish(**request)


def plain(subject: str) -> str:
    """A subject as SNS takes it: a line of at most 100 printable ASCII characters."""
    line = " ".join(subject.split())
    ascii_only = re.sub(r"[^ -~]", "?", line)
    return ascii_only if len(ascii_only) <= SUBJECT_CHARACTERS else ascii_only[:97] + "..."


def shortened(message: str) -> str:
    """A message as far as SNS takes it."""
    encoded = message.encode()
    if len(encoded) <= MESSAGE_BYTES:
        return message
    return encoded[:MESSAGE_BYTES].decode(errors="ignore")
