"""Settings of a server: one struct, our wide defaults, and the profile `aws`."""

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from penstock.model.limits import AWS_LIMITS, Limits
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

CREDENTIALS_FILE = "credentials"
"""Where the first start writes its key, in the data directory, in the AWS format."""

CREDENTIALS_PROFILE = "penstock"


class DatabaseUrl(Struct, frozen=True):
    """Where the database is, as libpq understands it; its representation shows no password."""

    text: str

    @property
    def shown(self) -> str:
        """For people and logs: without password and options."""
        parts = urlsplit(self.text)
        user, at, hosts = parts.netloc.rpartition("@")
        return f"{parts.scheme}://{user.partition(':')[0]}{at}{hosts}{parts.path}"

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.shown!r})"


def parse_database_url(text: str) -> DatabaseUrl:
    """A URL of PostgreSQL; raises ValueError, which never quotes it: there may be a password."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("a database URL has the form postgresql://USER@HOST:PORT/DATABASE")
    return DatabaseUrl(text)


ProviderName = Literal["local", "aws", "none"]
"""Who makes what activities run on: this host, AWS, or nobody."""


class Settings(Struct, frozen=True):
    """All a server can be told; times in milliseconds, sizes in bytes.

    `attached`: runners that this host makes for resources end with the server. `public_url` is
    where machines elsewhere reach it, `runner_package` what pip installs on them (None: what runs
    here). `webhook_hosts` may be called by alarms wherever they are.
    """

    data_dir: Path = Path(".penstock")
    database: DatabaseUrl | None = None
    key_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8780
    poll_wait_ms: int = 90_000
    acknowledge_timeout_ms: int = 2 * MINUTE_MS
    report_timeout_ms: int = 15 * MINUTE_MS
    allow_backfill: bool = False
    backfill_grace_ms: int = DAY_MS
    max_body_bytes: int = 25 * 1024 * 1024
    limits: Limits = Limits()
    revive_finished: bool = True
    reveal_secrets: bool = True
    access_log: bool = False
    retention_ms: int | None = 90 * DAY_MS
    log_bytes: int = 1024**3
    log_bytes_per_stream: int = 1024**2
    provider: ProviderName = "local"
    attached: bool = False
    public_url: str | None = None
    runner_package: str | None = None
    webhook_hosts: frozenset[str] = frozenset()
    runner_tasks: int = 4


LIMITS_PREFIX = "limits."
_WITH_OPTIONS = frozenset(
    "data_dir database key_file host port limits provider attached public_url runner_package"
    " webhook_hosts".split()
)
"""Fields that `penstock serve` has an option of its own for, or no way to set, or groups."""

_TIME_UNITS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_SIZE_UNITS = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_AGES = {"m": "minute", "h": "hour", "d": "day", "w": "week"}
_AGE_MS = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS, "week": 7 * DAY_MS}
_SWITCH = {"true": True, "false": False}


def with_profile(settings: Settings, profile: str) -> Settings:
    """Settings under a named profile: `aws` (the published limits) or `default`."""
    if profile == "aws":
        return replace(settings, limits=AWS_LIMITS, revive_finished=False)
    if profile == "default":
        return settings
    raise ValueError(f"unknown profile {profile!r}; known are 'default' and 'aws'")


def setting_names() -> dict[str, str]:
    """The names that `with_setting` takes, and for each the field it is about.

    A name has no unit, because its value brings one: `poll_wait` is for `poll_wait_ms`.
    """
    fields = [field for field in Settings.__struct_fields__ if field not in _WITH_OPTIONS]
    fields += [LIMITS_PREFIX + field for field in Limits.__struct_fields__]
    return {field.removesuffix("_ms"): field for field in fields}


def with_setting(settings: Settings, name: str, text: str) -> Settings:
    """Settings with one of them given as text: `2s`, `25MiB`, `100`, `true`, `none`.

    Raises ValueError, which says what would be right.
    """
    field = setting_names().get(name)
    if field is None:
        known = ", ".join(setting_names())
        raise ValueError(f"there is no setting {name!r}; there are {known}")
    inner = field.removeprefix(LIMITS_PREFIX)
    kind = Settings if inner == field else Limits
    value = _read(name, inner, _type_of(kind, inner), text.strip())
    if kind is Limits:
        return replace(settings, limits=replace(settings.limits, **{inner: value}))
    return replace(settings, **{inner: value})


def _type_of(kind: type[Struct], field: str) -> Any:
    return next(found.type for found in msgspec.structs.fields(kind) if found.name == field)


def _read(name: str, field: str, kind: Any, text: str) -> int | bool | None:
    if kind is bool:
        if text not in _SWITCH:
            raise ValueError(f"{name} is {text!r}; use true or false")
        return _SWITCH[text]
    if text == "none" and kind is not int:
        return None
    if field.endswith("_ms"):
        return _quantity(name, text, _TIME_UNITS, "a time such as 500ms, 90s, 2m, 12h or 1d")
    return _quantity(name, text, _SIZE_UNITS, "a whole number; KiB, MiB or GiB may follow")


def _quantity(name: str, text: str, units: dict[str, int], wanted: str) -> int:
    match = re.fullmatch(r"(\d{1,15})\s*([A-Za-z]*)", text, re.ASCII)
    if match is None or match[2] not in units:
        raise ValueError(f"{name} is {text!r}; use {wanted}")
    return int(match[1]) * units[match[2]]


def parse_age(text: str) -> int:
    """How long ago, in milliseconds: `30 days`, `12h`. Raises ValueError: what would be right."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*([a-z]+?)s?\s*", text, re.ASCII)
    unit = _AGES.get(match[2], match[2]) if match is not None else ""
    if match is None or unit not in _AGE_MS:
        raise ValueError(f"{text!r} is no such time; write 12 hours, 90 days or 8 weeks")
    return int(match[1]) * _AGE_MS[unit]
