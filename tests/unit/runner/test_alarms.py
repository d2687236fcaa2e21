"""Alarms as their receivers see them: topics, webhooks, mail."""

from __future__ import annotations

import hashlib
import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from penstock.model.definition import Field, PipelineObject
from penstock.runner.actions.alarm import Alarm, Means, alarm_of, send_alarm
from penstock.runner.actions.mail import MailServer, parse_mail_server
from penstock.runner.actions.topic import plain, shortened
from penstock.runner.actions.webhook import Webhooks
from penstock.runner.aws import Aws
from penstock.runner.errors import TaskFailed
from penstock.runner.options import RunnerOptions
from tests.support.object_store import object_store

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
AWS = Aws(RunnerOptions(worker_groups=()), KEYS)
ENDED = "2024-05-14T10:00:00"


def text(key: str, value: str) -> Field:
    return Field(key, string_value=value)


def attempt(topic: str, number: int = 1, **changes: str) -> PipelineObject:
    told = {"subject": "Load failed", "message": "It was the disk.", "topicArn": topic} | changes
    fields = [text(key, value) for key, value in told.items()]
    fields += [
        text("@pipelineId", "df-1"),
        Field("@instanceParent", ref_value="@Alarm@Load"),
        Field("node", ref_value="@Load"),
    ]
    return PipelineObject(f"@Alarm@Load_Attempt={number}", "Alarm", tuple(fields))


def owner(ended: str = ENDED) -> dict[str, PipelineObject]:
    fields = (text("@status", "FAILED"), text("@actualEndTime", ended))
    return {"@Load": PipelineObject("@Load", "Load", fields)}


def means(webhooks: Webhooks | None = None, mail: MailServer | None = None) -> Means:
    return Means(AWS, webhooks or Webhooks(), mail)


def test_an_alarm_has_one_id_however_often_it_is_tried_and_another_for_another_end() -> None:
    first = alarm_of(attempt("t"), owner())
    assert alarm_of(attempt("t", number=2), owner()) == first
    assert alarm_of(attempt("t"), owner("2024-05-14T11:00:00")).id != first.id
    assert first == Alarm(first.id, "Load failed", "It was the disk.", "df-1", "@Load", "FAILED")


@pytest.mark.parametrize("topic", ["", "ftp://x", "arn:aws:s3:::bucket", "mailto:nobody"])
def test_a_topic_that_is_none_is_told(topic: str) -> None:
    mail = MailServer("127.0.0.1", 1, secure=False)
    with pytest.raises(TaskFailed, match="topicArn") as failure:
        send_alarm(attempt(topic), owner(), means(mail=mail))
    assert failure.value.error_id == "InvalidTopic"


# Topics of SNS


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        yield url


def test_a_topic_gets_subject_message_and_id(endpoint: str) -> None:
    aws = Aws(RunnerOptions(worker_groups=()), {"AWS_ENDPOINT_URL": endpoint, **KEYS})
    sns, sqs = aws.client("sns", "eu-west-1"), aws.client("sqs", "eu-west-1")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:123456789012:q")
    send_alarm(attempt(topic), owner(), Means(aws, Webhooks(), None))
    (received,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    told = json.loads(received["Body"])
    assert (told["Subject"], told["Message"]) == ("Load failed", "It was the disk.")
    assert told["MessageAttributes"]["alarmId"]["Value"] == alarm_of(attempt(topic), owner()).id
    gone = topic.replace("alarms", "gone")
    with pytest.raises(TaskFailed, match=gone) as failure:
        send_alarm(attempt(gone), owner(), Means(aws, Webhooks(), None))
    assert failure.value.error_id == "NotFound"


def test_subject_and_message_are_such_as_sns_takes() -> None:
    assert plain("one\n two\tthree é") == "one two three ?"
    assert len(plain("x" * 300)) == 100
    assert len(shortened("é" * 300_000).encode()) < 256 * 1024


# Webhooks


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server: Any = self.server
        server.received.append((self.path, dict(self.headers), body))
        self.send_response(server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def receiving(status: int = 200) -> Iterator[Any]:
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.received = []  # type: ignore[attr-defined]
        server.status = status  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_webhook_gets_signed_json() -> None:
    with receiving() as server:
        url = f"http://127.0.0.1:{server.server_port}/hook?token=x"
        send_alarm(attempt(url), owner(), means(Webhooks(frozenset({"127.0.0.1"}), "shared")))
    ((path, headers, body),) = server.received
    assert path == "/hook?token=x"
    told = json.loads(body)
    assert told == {
        "id": headers["Idempotency-Key"],
        "subject": "Load failed",
        "message": "It was the disk.",
        "pipelineId": "df-1",
        "node": "@Load",
        "status": "FAILED",
    }
    expected = hmac.new(b"shared", body, hashlib.sha256).hexdigest()
    assert headers["X-Penstock-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_status_but_success_is_a_failure_and_no_redirect_is_followed(status: int) -> None:
    with receiving(status) as server:
        url = f"http://127.0.0.1:{server.server_port}/secret-path"
        with pytest.raises(TaskFailed, match=f"status {status}") as failure:
            send_alarm(attempt(url), owner(), means(Webhooks(frozenset({"127.0.0.1"}))))
    assert failure.value.error_id == "WebhookFailed"
    assert len(server.received) == 1
    assert "secret-path" not in str(failure.value)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fd00::1"]
)
def test_an_address_that_is_not_public_is_not_called(address: str) -> None:
    webhooks = Webhooks(resolve=lambda _host, _port: ["203.0.114.1", address])
    with pytest.raises(TaskFailed, match=r"--webhook-host hooks\.example") as failure:
        send_alarm(attempt("https://hooks.example/x"), owner(), means(webhooks))
    assert failure.value.error_id == "WebhookRefused"


def test_a_host_that_nobody_named_is_called_by_https_only() -> None:
    with pytest.raises(TaskFailed, match="https://") as failure:
        send_alarm(attempt("http://hooks.example/x"), owner(), means())
    assert failure.value.error_id == "WebhookRefused"


# Mail


class Mailbox(socketserver.StreamRequestHandler):
    """Takes one mail, as a mail server does."""

    def handle(self) -> None:
        taken: list[bytes] = self.server.taken  # type: ignore[attr-defined]
        self._say("220 here")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self._say("354 go on")
                while (line := self.rfile.readline()) != b".\r\n":
                    taken.append(line)
                self._say("250 taken")
            elif word == b"RCPT" and b"nobody@" in line:
                self._say("550 unknown")
            elif word == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def mailbox() -> Iterator[Any]:
    with socketserver.TCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.taken = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_mail_is_sent_to_the_addresses(mailbox: Any) -> None:
    mail = MailServer("127.0.0.1", mailbox.server_address[1], secure=False)
    send_alarm(attempt("mailto:ops@example.org,dev@example.org"), owner(), means(mail=mail))
    taken = b"".join(mailbox.taken).decode()
    assert "Subject: Load failed" in taken
    assert "To: ops@example.org, dev@example.org" in taken
    assert alarm_of(attempt("mailto:x"), owner()).id in taken
    assert "It was the disk." in taken


def test_mail_that_is_refused_or_cannot_be_sent_is_told(mailbox: Any) -> None:
    port = mailbox.server_address[1]
    mail = MailServer("127.0.0.1", port, secure=False)
    for target in ("mailto:nobody@example.org", "mailto:nobody@example.org,ops@example.org"):
        with pytest.raises(TaskFailed) as failure:
            send_alarm(attempt(target), owner(), means(mail=mail))
        assert failure.value.error_id == "MailFailed"
        assert "nobody@example.org" in str(failure.value)
    with pytest.raises(TaskFailed, match="PENSTOCK_SMTP_URL"):
        send_alarm(attempt("mailto:ops@example.org"), owner(), means())


def test_no_password_is_sent_without_tls_or_shown(mailbox: Any) -> None:
    port = mailbox.server_address[1]
    mail = parse_mail_server(f"smtp://me:pass%40word@127.0.0.1:{port}?from=me@example.org")
    assert (mail.user, mail.password, mail.sender) == ("me", "pass@word", "me@example.org")
    assert "pass" not in repr(mail)
    with pytest.raises(TaskFailed, match="no TLS") as failure:
        send_alarm(attempt("mailto:ops@example.org"), owner(), means(mail=mail))
    assert "pass@word" not in str(failure.value)


def test_a_mail_server_s_address_that_is_none_is_told_without_quoting_it() -> None:
    assert parse_mail_server("smtps://h").port == 465
    assert parse_mail_server("smtp://u:p@h").port == 587
    with pytest.raises(ValueError, match="has the form") as failure:
        parse_mail_server("http://me:secret@h")
    assert "secret" not in str(failure.value)
