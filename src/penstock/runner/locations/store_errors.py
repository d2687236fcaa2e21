"""The remote stores' errors as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.runner.errors import LocationError
from penstock.runner.locations.uris import Location, uri_of

_KNOWN = (
    ("<Code>NoSuchBucket<", "the bucket does not exist"),
    ("<Code>NoSuchKey<", "no such object"),
    ("<Code>InvalidAccessKeyId<", "the access key is not known there"),
    ("<Code>SignatureDoesNotMatch<", "the secret key is wrong"),
    ("<Code>AccessDenied<", "access denied"),
    ("<Code>PermanentRedirect<", "the bucket is in another region"),
    ("<Code>AuthorizationHeaderMalformed<", "the bucket is in another region"),
)
_PERFORMING = re.compile(
    r"Error performing \w+ (?P<host>\w+://[^/\s]+)\S* in \S+,"
    r" after (?P<retries>\d+) retries,.*?  - (?P<why>.*)"
)
_WHYS = (
    ("Server returned non-2xx status code: ", "the server answered "),
    ("HTTP error: error sending request", "the connection failed or broke off"),
    ("HTTP error: ", ""),
)
_CREDENTIALS = re.compile(r"//[^/@\s]*@")
_LONGEST = 400


@contextmanager
def store_errors(location: Location) -> Iterator[None]:
    """Turn a store's errors into a `LocationError` of one sentence.

    obstore's texts go on for a page (answer bodies, a dump of its own structures): the first line
    and the store's own error code are what helps.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise LocationError(f"{uri_of(location)}: {_first_sentence(error)}") from error


def _first_sentence(error: BaseException) -> str:
    text = str(error).partition("\n\nDebug source")[0]
    for code, sentence in _KNOWN:
        if code in text:
            return sentence
    if "PreconditionError" in type(error).__name__ or "412 " in text:
        return "the object was changed while it was read"
    if isinstance(error, FileNotFoundError) and "HEAD" not in text:
        return "no such object" if "404" in text else "not found"
    if (performing := _PERFORMING.search(text)) is not None:
        return _after_retries(performing)
    # The signed query of a URL never belongs into a message, nor a proxy's password.
    line = text.splitlines()[0].partition("?")[0] if text else type(error).__name__
    return _CREDENTIALS.sub("//", line)[:_LONGEST]


def _after_retries(performing: re.Match[str]) -> str:
    """What a store did in the last of several tries."""
    why = performing["why"].strip().rstrip(":")
    for theirs, ours in _WHYS:
        why = why.replace(theirs, ours)
    host = _CREDENTIALS.sub("//", performing["host"])
    tries = int(performing["retries"]) + 1
    return f"{why.partition('?')[0][:_LONGEST]} ({host}, tried {tries} times)"
