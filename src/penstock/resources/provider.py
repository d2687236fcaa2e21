"""What a provider of compute is asked for: machines that run a runner, and their end.

A `Provider` makes what a definition calls a resource: a machine, a cluster of them, or a process of
this host. It may outlive the server and must be found again. What a runner on it signs its calls
with, it gets from `Keys`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from penstock.model.definition import PipelineObject
from penstock.model.times import Instant


class ProviderError(Exception):
    """A step could not be done; the text is for people.

    `final`: it would not go better another time (a quota, a field that makes no sense). Everything
    else that a provider raises counts as passing, and the step is asked again, later and later.
    """

    def __init__(self, message: str, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class Order(Struct, frozen=True):
    """A machine that is wanted, or was: the same in every step of its life.

    `token` names the try that it is for: pipeline, instance and number of the attempt. What was
    made is to be marked with it, so that it can be found without a handle. A runner on it polls
    `worker_group` in `account_id`. `fields` are the resource object's with all expressions
    evaluated, `objects` what it refers to, by id. `spot`: a spot instance may be asked for, at the
    object's price. `deadline`: when a runner must have been heard (None: not known yet). `tags` are
    the pipeline's.
    """

    token: str
    account_id: str
    pipeline_id: str
    worker_group: str
    type: str
    fields: PipelineObject
    objects: Mapping[str, PipelineObject] = {}
    spot: bool = False
    deadline: Instant | None = None
    tags: Mapping[str, str] = {}


class Made(Struct, frozen=True):
    """What was made: its `handle`, and `facts` to show as runtime fields (`@resourceId`, …)."""

    handle: str
    facts: Mapping[str, str] = {}


class Up(Struct, frozen=True):
    """It is there; whether a runner on it works will be heard."""


class Pending(Struct, frozen=True):
    """It is on its way."""


class Gone(Struct, frozen=True):
    """It is not there any more, or never will be, and why."""

    reason: str


class Provider(Protocol):
    """Makes, watches and ends machines.

    Synchronous: each call is made in a thread of its own, several at a time for different orders,
    never two at a time for one. Any call may be made again, with the same order, because its answer
    was lost or its server died; so each must bear that. Raises `ProviderError`.
    """

    def check(self, order: Order) -> Sequence[str]:
        """What is wrong with the fields, one sentence each; nothing is made."""
        ...

    def create(self, order: Order) -> Made:
        """Have it made, without waiting for it. With the same token: the same machine, not two."""
        ...

    def look(self, order: Order, handle: str) -> Up | Pending | Gone:
        """How it stands."""
        ...

    def restart_runner(self, order: Order, handle: str) -> None:
        """Nothing is heard of its runner: start that anew, by whatever means."""
        ...

    def stop(self, order: Order, handle: str | None) -> bool:
        """End it for good; whether nothing of it is left. Asked again and again until that is so.

        Without a handle the answer of `create` was lost, or never came: whatever was made with the
        order's token is to be found and ended, and nothing may be made with it afterwards.
        """
        ...


class Found(Struct, frozen=True):
    """Something that a provider has made, and for which try (see `Order`)."""

    account_id: str
    token: str
    handle: str


class Traceable(Protocol):
    """What a provider has made can be found again, without any order: so nothing is left behind.

    Synchronous, as `Provider` is, and asked seldom. Raises `ProviderError`.
    """

    def found(self) -> Sequence[Found]:
        """All that is there and was made for this installation, and for no other."""
        ...

    def discard(self, found: Found) -> None:
        """End it for good: its try is over, so nobody else will. Need not wait for the end."""
        ...


class RunnerKey(Protocol):
    """An access key for one runner; its representation must not show the secret."""

    @property
    def access_key_id(self) -> str:
        """Its id."""
        ...

    @property
    def secret(self) -> str:
        """Its secret."""
        ...


class Keys(Protocol):
    """Access keys of runners on resources: one for each try, until its machine is gone."""

    def grant(self, account_id: str, token: str) -> RunnerKey:
        """The key for a try; with the same token the same key."""
        ...

    def revoke(self, token: str) -> None:
        """End the key of a try; of one that has none too."""
        ...
