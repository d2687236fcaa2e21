"""Secrets where they can be read: in fields and parameters without the `*`, and as defaults."""

import re

from penstock.language.checks.subject import Report, Subject
from penstock.language.expressions import has_expression
from penstock.language.resolve import is_user_field
from penstock.language.rules import Rule
from penstock.language.wording import shorten

_TELLING_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|api_?key|access_?key|private_?key|credential|auth_?token",
    re.IGNORECASE,
)
_HARMLESS_NAME = re.compile(r"(file|path|uri|url|arn|name|location|bucket|id)$", re.IGNORECASE)
"""Names that tell where a secret is kept, not the secret."""

_TELLING_TEXT = re.compile(
    r"\b(?-i:(?:AKIA|ASIA)[0-9A-Z]{16})\b"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY"
    r"|\baws_secret_access_key\s{0,3}[=:]\s{0,3}['\"]?[A-Za-z0-9/+]{20}"
    r"|(?:passw(?:or)?d|pwd)\s{0,3}=\s{0,3}['\"]?[^\s$#'\"&;{<%*]{4}"
    r"|--passw(?:or)?d[ =]['\"]?[^\s$#'\"{<%*-]{4}",
    re.IGNORECASE,
)
"""Keys, private keys, and passwords in commands and connection strings; a variable is none."""

_TELLING_URL = re.compile(r"://[^\s/:@$#{}]{1,100}:[^\s/@$#{}]{3,100}@")

_HINTS = ("akia", "asia", "private key", "secret", "passw", "pwd")
"""One of these is in every text that tells; asking for them first is quicker."""

LONGEST_SEARCHED = 100_000
"""Characters of one text that are searched."""


def check_secrets(subject: Subject, report: Report) -> None:
    """What should have a `*`, told by its name or its text, which is not shown."""
    for each in subject.objects.values():
        for field in each.fields:
            key, text = field.key, field.string_value
            if key.startswith("*") or not text:
                continue
            if is_user_field(key) and _is_telling(key) and not has_expression(text):
                problem = (
                    f"{key!r} looks like a secret and can be read by everybody who sees the "
                    f"pipeline; call it '*{key}', and use it as #{{*{key}}}"
                )
                report.warning(each.id, Rule.PLAIN_SECRET, problem, key)
            elif _tells(text):
                problem = (
                    f"{shorten(key)!r} seems to hold a password or key, which everybody can read "
                    "who sees the pipeline; put it into a secret parameter such as '*myPassword' "
                    "and write #{*myPassword} in its place"
                )
                report.warning(each.id, Rule.PLAIN_SECRET, problem, key)
    _check_parameters(subject, report)


def _tells(text: str) -> bool:
    searched = text[:LONGEST_SEARCHED]
    lower = searched.lower()
    if any(hint in lower for hint in _HINTS) and _TELLING_TEXT.search(searched) is not None:
        return True
    return _TELLING_URL.search(searched) is not None


def _is_telling(name: str) -> bool:
    return _TELLING_NAME.search(name) is not None and _HARMLESS_NAME.search(name) is None


def _check_parameters(subject: Subject, report: Report) -> None:
    for parameter in subject.definition.parameter_objects:
        default = parameter.attribute("default")
        if parameter.id.startswith("*"):
            if default and not has_expression(default):
                text = (
                    "'default': the secret stands in the definition for everybody who has the "
                    "file; give it at activation instead"
                )
                report.warning(parameter.id, Rule.SECRET_DEFAULT, text, "default")
            continue
        values = subject.resolved.parameters.get(parameter.id, ())
        if _is_telling(parameter.id) or any(_tells(value) for value in (*values, default or "")):
            text = (
                "the parameter looks like a secret, and its value can be read by everybody who "
                f"sees the pipeline; call it '*{parameter.id}' and write #{{*{parameter.id}}}"
            )
            report.warning(parameter.id, Rule.PLAIN_SECRET, text)
