"""Where a runner finds its endpoint and its keys.

The order is that of the AWS clients: options, environment, the shared files, and last whatever
botocore knows (roles, SSO, containers), if it is installed. The shared files are read here with
the standard library because botocore costs 25 MB and a third of a second to load.

The same order without the options serves S3 and the commands' environment. Keys that were given
as options are used there too when nothing else is configured, as the original does, unless
`--separateKeys` says otherwise.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.runner.errors import NoCredentials
from penstock.runner.options import DEFAULT_REGION, RunnerOptions
from penstock.wire.client import Credentials  # type: ignore[attr-defined]

DEFAULT_ENDPOINT = "http://127.0.0.1:8780"
"""Where `penstock serve` listens unless told otherwise."""

_NATIVE_ROLE_VARIABLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def endpoint_url(options: RunnerOptions, environ: Mapping[str, str]) -> str:
    """The service's URL: the option, else the usual variables, else our own default."""
    return (
        options.endpoint
        or environ.get("AWS_ENDPOINT_URL_DATA_PIPELINE")
        or environ.get("AWS_ENDPOINT_URL")
        or DEFAULT_ENDPOINT
    )


def resolve_credentials(options: RunnerOptions, environ: Mapping[str, str]) -> Credentials:
    """The keys that this runner signs its calls with.

    Raises `NoCredentials`, whose text lists the places that were looked at.
    """
    found = _from_options(options) or static_keys(environ) or _from_botocore()
    if found is not None:
        return found
    credentials_file, config_file = _shared_files(environ)
    raise NoCredentials(
        "no access key found: give --accessId and --secretKey, or --config FILE, or set"
        " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (looked for profile"
        f" {profile_name(environ)!r} in {credentials_file} and {config_file})"
    )


def storage_keys(options: RunnerOptions, environ: Mapping[str, str]) -> Credentials | None:
    """Fixed keys for S3 and for the commands' environment, or None where a role serves."""
    found = static_keys(environ)
    if found is not None:
        return found
    if options.separate_keys or _has_role(environ):
        return None
    return _from_options(options)


def static_keys(environ: Mapping[str, str]) -> Credentials | None:
    """Keys that stand in the environment or in the profile of the shared files."""
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        return Credentials(
            environ["AWS_ACCESS_KEY_ID"],
            environ["AWS_SECRET_ACCESS_KEY"],
            environ.get("AWS_SESSION_TOKEN") or None,
        )
    profile = read_profile(environ)
    if "aws_access_key_id" in profile and "aws_secret_access_key" in profile:
        return Credentials(
            profile["aws_access_key_id"],
            profile["aws_secret_access_key"],
            profile.get("aws_session_token") or None,
        )
    return None


def storage_region(options: RunnerOptions, environ: Mapping[str, str]) -> str:
    """The region for S3: the environment's, the profile's, else the runner's own."""
    return (
        environ.get("AWS_REGION")
        or environ.get("AWS_DEFAULT_REGION")
        or read_profile(environ).get("region")
        or options.region
        or DEFAULT_REGION
    )


def storage_endpoint(environ: Mapping[str, str]) -> str | None:
    """The endpoint for S3 if one is configured; None means the real one."""
    return service_endpoint("s3", environ)


def service_endpoint(service: str, environ: Mapping[str, str]) -> str | None:
    """The endpoint for a service of AWS if one is configured; None means the real one."""
    return (
        environ.get(f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}")
        or environ.get("AWS_ENDPOINT_URL")
        or read_profile(environ).get("endpoint_url")
    )


def needs_botocore(environ: Mapping[str, str]) -> bool:
    """Whether the profile gets its keys in a way that only botocore knows."""
    profile = read_profile(environ)
    ways = ("role_arn", "sso_session", "sso_start_url", "credential_process")
    return any(way in profile for way in ways)


def profile_name(environ: Mapping[str, str]) -> str:
    """The profile in use."""
    return environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"


def read_profile(environ: Mapping[str, str]) -> dict[str, str]:
    """What the shared files say about the profile in use; the credentials file wins."""
    name = profile_name(environ)
    credentials_file, config_file = _shared_files(environ)
    section = "default" if name == "default" else f"profile {name}"
    return _read_section(config_file, section) | _read_section(credentials_file, name)


def _shared_files(environ: Mapping[str, str]) -> tuple[Path, Path]:
    home = Path(environ.get("HOME") or "~").expanduser()
    credentials_file = environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws/credentials"
    config_file = environ.get("AWS_CONFIG_FILE") or home / ".aws/config"
    return Path(credentials_file).expanduser(), Path(config_file).expanduser()


def _read_section(path: Path, section: str) -> dict[str, str]:
    # Interpolation is off (a secret may hold a percent sign) and so is the DEFAULT section.
    parser = configparser.RawConfigParser(default_section="\0")
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        # Only the kind of the error: its text would quote the line, which may be a secret.
        raise NoCredentials(f"{path} cannot be read: {type(error).__name__}") from None
    return dict(parser.items(section)) if parser.has_section(section) else {}


def _from_options(options: RunnerOptions) -> Credentials | None:
    if options.access_id and options.secret_key:
        return Credentials(options.access_id, options.secret_key, None)
    return None


def _has_role(environ: Mapping[str, str]) -> bool:
    return needs_botocore(environ) or any(environ.get(name) for name in _NATIVE_ROLE_VARIABLES)


def _from_botocore() -> Credentials | None:
    frozen = botocore_credentials()
    if frozen is None:
        return None
    keys = frozen.get_frozen_credentials()
    return Credentials(keys.access_key, keys.secret_key, keys.token)


def botocore_credentials() -> Any | None:
    """The refreshing credentials of botocore; None if it is not installed or finds none."""
    try:
        import botocore.session  # type: ignore[import-untyped]
    except ImportError:
        return None
    return botocore.session.get_session().get_credentials()
