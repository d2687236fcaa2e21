"""What both providers of AWS need: clients, marks on what is made, and what errors mean."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from penstock.resources.provider import Order, ProviderError

Clients = Callable[[str, str | None], Any]
"""A client of a service, as botocore makes it, in a region (None: the server's own)."""

INSTALLATION_TAG = "penstock:installation"
ACCOUNT_TAG = "penstock:account"
TRY_TAG = "penstock:try"
"""Marks of what is made here: by which installation, for which account and try."""

_TAGS_AT_MOST = 50
_RESERVED = ("aws:", "penstock:")
_SHORT_OF_ROOM = frozenset({"InsufficientInstanceCapacity", "InsufficientHostCapacity"})
"""No machine to be had just now. A spot instance's try ends by it, so that the last may be
on-demand; whoever pays the full price waits."""


class Setup(Struct, frozen=True):
    """What machines of this installation are told: `package` is what pip installs on them."""

    installation: str
    public_url: str
    package: str
    tasks: int = 4


def tags_of(order: Order, setup: Setup) -> list[dict[str, str]]:
    """The pipeline's tags and our marks."""
    own = {
        INSTALLATION_TAG: setup.installation,
        ACCOUNT_TAG: order.account_id,
        TRY_TAG: order.token[:256],
        "Name": f"{order.pipeline_id} {order.fields.name}"[:256],
    }
    given = {key: text for key, text in order.tags.items() if not key.startswith(_RESERVED)}
    kept = dict(list(given.items())[: _TAGS_AT_MOST - len(own)])
    return [{"Key": key, "Value": text} for key, text in {**own, **kept}.items()]


def tag_values(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tags as AWS lists them, by key."""
    return {each["Key"]: each["Value"] for each in tags}


def handle_of(region: str, identity: str) -> str:
    """What was made, and where."""
    return f"{region}/{identity}"


def parse_handle(handle: str) -> tuple[str, str]:
    """Region and id."""
    region, _, identity = handle.partition("/")
    return region, identity


class Cloud:
    """Clients, kept for as long as the keys are the same, and the regions in use.

    Making a client takes a good part of a second and some megabytes. A region is in use if
    something was made, looked at or ended there since the server has started: whatever may be left
    behind is there, or in the server's own region.
    """

    def __init__(self, make: Clients, keys: Callable[[], object] = lambda: None) -> None:
        """`keys` tells the keys in force, in anything that can be compared."""
        self._make = make
        self._keys = keys
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str | None], Any] = {}
        self._of: object = None
        self._regions: set[str] = set()

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of a service in a region (None: the server's own). Any thread may use it."""
        keys = self._keys()
        with self._lock:
            if keys != self._of:
                self._made.clear()
                self._of = keys
            client = self._made.get((service, region))
            if client is None:
                client = self._made[service, region] = self._make(service, region)
            self._regions.add(str(client.meta.region_name))
            return client

    def regions(self) -> list[str]:
        """The regions in use."""
        with self._lock:
            return sorted(self._regions)


@contextmanager
def aws_errors(spot: bool = False) -> Iterator[None]:
    """Turn errors of botocore into `ProviderError`: final is what AWS refuses, whoever asks again.

    `spot`: a spot instance is asked for.
    """
    from botocore.exceptions import (  # type: ignore[import-untyped]
        BotoCoreError,
        ClientError,
    )

    try:
        yield
    except ClientError as error:
        code = error_code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        passing = status >= 500 or "Throttl" in code or "RequestLimit" in code
        if code in _SHORT_OF_ROOM:
            passing = not spot
        text = error.response.get("Error", {}).get("Message", "")
        raise ProviderError(f"{code}: {text}", final=not passing) from error
    except BotoCoreError as error:
        raise ProviderError(str(error)) from error


def error_code(error: Exception) -> str:
    """AWS's word for an error; `""` for one that is not AWS's."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def flag(order: Order, key: str) -> bool | None:
    """A boolean field; None if it is not there."""
    text = order.fields.string(key)
    return None if text is None else text.lower() == "true"


def price_problems(order: Order, keys: Sequence[str]) -> list[str]:
    """A sentence for each price that is none."""
    problems = []
    for key in keys:
        text = order.fields.string(key)
        if text is not None and text != "OnDemandPrice" and not _is_price(text):
            problems.append(f"{key} is {text!r}; it must be a number of dollars, such as 0.25")
    return problems


def _is_price(text: str) -> bool:
    try:
        return 0 < float(text) < 1_000
    except ValueError:
        return False
