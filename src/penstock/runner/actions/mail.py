"""Alarms by mail, through the mail server that the operator has named."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from penstock.runner.errors import TaskFailed

TIMEOUT_SECONDS = 60.0
DEFAULT_SENDER = "penstock@localhost"
MAIL_FAILED = "MailFailed"


class MailServer(Struct, frozen=True):
    """A server that takes mail; its representation shows no password.

    `secure`: TLS from the first byte. Otherwise TLS is begun if the server offers it, and must be
    there before a password is sent.
    """

    host: str
    port: int
    secure: bool
    user: str | None = None
    password: str | None = None
    sender: str = DEFAULT_SENDER

    def __repr__(self) -> str:
        return f"MailServer({self.host!r}, {self.port})"

    def send(self, target: str, alarm_id: str, subject: str, text: str) -> None:
        """Send to the addresses of a `mailto:`; raises `TaskFailed` unless all are taken."""
        message = composed(target, self.sender, alarm_id, subject, text)
        try:
            with self._connected() as server:
                refused = server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise TaskFailed(MAIL_FAILED, f"{self.host}: {_reason(error)}") from error
        if refused:
            names = ", ".join(sorted(refused))
            raise TaskFailed(MAIL_FAILED, f"{self.host} does not take mail for {names}")

    def _connected(self) -> smtplib.SMTP:
        tls = ssl.create_default_context()
        server: smtplib.SMTP
        if self.secure:
            server = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=tls)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            server.ehlo()
            encrypted = self.secure
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=tls)
                server.ehlo()
                encrypted = True
            if self.user is not None:
                if not encrypted:
                    raise TaskFailed(MAIL_FAILED, f"{self.host} offers no TLS for the password")
                server.login(self.user, self.password or "")
        except BaseException:
            server.close()
            raise
        return server


def parse_mail_server(url: str) -> MailServer:
    """`smtp://[USER:PASSWORD@]HOST[:PORT][?from=ADDRESS]`, or `smtps://`.

    Raises ValueError, which never quotes it: there may be a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("PENSTOCK_SMTP_URL has the form smtps://USER:PASSWORD@HOST?from=ADDRESS")
    secure = parts.scheme == "smtps"
    senders = parse_qs(parts.query).get("from", [])
    return MailServer(
        host=parts.hostname,
        port=parts.port or (465 if secure else 587 if parts.username else 25),
        secure=secure,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        sender=senders[0] if senders else DEFAULT_SENDER,
    )


def composed(target: str, sender: str, alarm_id: str, subject: str, text: str) -> EmailMessage:
    """The mail; raises `TaskFailed` for a `mailto:` without an address.

    Repetitions have the same Message-ID, so that mail programs show one.
    """
    listed = unquote(target.removeprefix("mailto:").partition("?")[0])
    recipients = [" ".join(each.split()) for each in listed.split(",") if each.strip()]
    if not recipients or not all("@" in each for each in recipients):
        raise TaskFailed("InvalidTopic", f"topicArn is {target!r}; use mailto:NAME@HOST")
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Message-ID"] = f"<{alarm_id}@{sender.rpartition('@')[2] or 'penstock'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _reason(error: Exception) -> str:
    """What a mail server said, without the dialogue around it."""
    said = getattr(error, "smtp_error", None)
    if isinstance(said, bytes):
        return said.decode(errors="replace")
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
