"""SnsAlarm: tells people, or another program, by SNS, by a webhook or by mail.

Source: developer guide, "SnsAlarm". Ours: besides the ARN of a topic, `topicArn` may be an
`https://` URL or `mailto:` addresses. An alarm is tried again until it is accepted, or its tries
are used up. If the answer that accepted it is lost it is sent again: so it comes at least once,
with the same id each time. `role` means nothing here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct

from penstock.model.definition import PipelineObject
from penstock.runner.actions.mail import MailServer
from penstock.runner.actions.webhook import Webhooks
from penstock.runner.aws import Aws
from penstock.runner.errors import TaskFailed

INVALID_TOPIC = "InvalidTopic"
"""errorId of a `topicArn` that names nothing that an alarm can be sent to."""


class Alarm(Struct, frozen=True):
    """What is said, and of whom.

    `id` is the same however often the alarm is sent, and another when the node has ended again.
    """

    id: str
    subject: str
    message: str
    pipeline_id: str
    node: str
    status: str


@dataclass(frozen=True)
class Means:
    """The ways by which alarms leave the house."""

    aws: Aws
    webhooks: Webhooks
    mail: MailServer | None


def send_alarm(
    attempt: PipelineObject, objects: Mapping[str, PipelineObject], means: Means
) -> None:
    """Send the alarm of an attempt; raises `TaskFailed` if it was not accepted."""
    target = (attempt.string("topicArn") or "").strip()
    alarm = alarm_of(attempt, objects)
    if target.startswith("arn:"):
        from penstock.runner.actions.topic import publish

        publish(alarm, target, means.aws)
    elif target.startswith(("https://", "http://")):
        means.webhooks.post(target, alarm.id, _told(alarm))
    elif target.startswith("mailto:"):
        if means.mail is None:
            message = "this server sends no mail; PENSTOCK_SMTP_URL tells it by which mail server"
            raise TaskFailed("MailNotConfigured", message)
        means.mail.send(target, alarm.id, alarm.subject, alarm.message)
    else:
        message = f"topicArn is {target!r}; use the ARN of a topic, https://… or mailto:ADDRESS"
        raise TaskFailed(INVALID_TOPIC, message)


def alarm_of(attempt: PipelineObject, objects: Mapping[str, PipelineObject]) -> Alarm:
    """What an attempt of an SnsAlarm has to say. Missing fields are empty, not a failure."""
    pipeline_id = attempt.string("@pipelineId") or ""
    node = attempt.ref("node") or ""
    owner = objects.get(node)
    subject, message = attempt.string("subject") or "", attempt.string("message") or ""
    ended = (owner.string("@actualEndTime") or "") if owner else ""
    parts = (pipeline_id, attempt.ref("@instanceParent") or attempt.id, ended, subject, message)
    return Alarm(
        id=hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32],
        subject=subject,
        message=message,
        pipeline_id=pipeline_id,
        node=node,
        status=(owner.string("@status") or "") if owner else "",
    )


def _told(alarm: Alarm) -> dict[str, str]:
    """An alarm as a webhook gets it."""
    return {
        "id": alarm.id,
        "subject": alarm.subject,
        "message": alarm.message,
        "pipelineId": alarm.pipeline_id,
        "node": alarm.node,
        "status": alarm.status,
    }
