"""Opening remote stores: keys, regions, endpoints, proxies and patience."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.runner import credentials
from penstock.runner.aws import Aws
from penstock.runner.errors import LocationError
from penstock.runner.locations.remote import RemoteStore
from penstock.runner.locations.server_side import ServerSideCopy
from penstock.runner.locations.traffic import Traffic
from penstock.runner.locations.uris import Location
from penstock.runner.options import RunnerOptions
from penstock.runner.proxies import proxy_for, proxy_for_storage

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_REQUEST_SECONDS = 300
"""One request with its answer, of at most some megabytes: 16 KB/s is slow enough."""

_READ_SECONDS = 120
_CONNECT_SECONDS = 10
_HOSTS = {"gs": "storage.googleapis.com", "az": "blob.core.windows.net"}

_MAX_RETRIES = 10
RETRY_SECONDS = 120.0
"""How long a request is tried again after 5xx, a cut connection, a timeout."""


class RemoteMeans(NamedTuple):
    """What all remote stores of a runner share."""

    traffic: Traffic
    aws: Aws
    retry_seconds: float


def open_remote(
    location: Location, options: RunnerOptions, environ: Mapping[str, str], means: RemoteMeans
) -> RemoteStore:
    """The store of a location's bucket or address; raises `LocationError`."""

    def open_store(encrypt: bool) -> ObjectStore:
        try:
            return _open(location, options, environ, encrypt, means.retry_seconds)
        except ImportError as error:
            raise LocationError(f"{location.scheme}:// needs the package obstore") from error

    server_side = (
        ServerSideCopy(partial(means.aws.client, "s3")) if location.scheme == "s3" else None
    )
    return RemoteStore(open_store, means.traffic, server_side)


def _open(
    location: Location,
    options: RunnerOptions,
    environ: Mapping[str, str],
    encrypt: bool,
    retry_seconds: float,
) -> ObjectStore:
    from obstore.store import AzureStore, GCSStore, HTTPStore

    retry: Any = {
        "max_retries": _MAX_RETRIES,
        "retry_timeout": timedelta(seconds=retry_seconds),
        "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=15)},
    }
    client: Any = {
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
        "read_timeout": timedelta(seconds=_READ_SECONDS),
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
    }
    client |= _proxy(location, options, environ)
    if location.scheme == "s3":
        return _open_s3(location.container, options, environ, encrypt, client, retry)
    if location.scheme == "gs":
        return GCSStore(location.container, client_options=client, retry_config=retry)
    if location.scheme == "az":
        return AzureStore(
            container_name=location.container, client_options=client, retry_config=retry
        )
    client["allow_http"] = True
    return HTTPStore.from_url(location.container, client_options=client, retry_config=retry)


def _proxy(
    location: Location, options: RunnerOptions, environ: Mapping[str, str]
) -> dict[str, str]:
    """The proxy of the options; the environment's is obstore's own affair."""
    if not options.proxy_host:
        return {}
    choose, url = proxy_for, location.container
    if location.scheme == "s3":
        choose = proxy_for_storage
        url = credentials.storage_endpoint(environ) or "https://s3.amazonaws.com"
    elif not location.is_http:
        url = f"https://{_HOSTS[location.scheme]}"
    proxy = choose(url, options, environ)
    return {"proxy_url": proxy} if proxy else {}


def _open_s3(
    bucket: str,
    options: RunnerOptions,
    environ: Mapping[str, str],
    encrypt: bool,
    client: Any,
    retry: Any,
) -> ObjectStore:
    """A bucket under the usual AWS configuration.

    Roles of containers, web identities and instances are obstore's own; profiles that need more
    than fixed keys (assumed roles, SSO, a credential process) go through botocore.
    """
    from obstore.store import S3Store

    settings: dict[str, Any] = {"region": credentials.storage_region(options, environ)}
    endpoint = credentials.storage_endpoint(environ)
    if endpoint is not None:
        settings["endpoint"] = endpoint
        client["allow_http"] = True
    if encrypt:
        settings["server_side_encryption"] = "AES256"
    keys = credentials.storage_keys(options, environ)
    if keys is not None:
        settings["access_key_id"] = keys.access_key_id
        settings["secret_access_key"] = keys.secret_access_key
        if keys.session_token:
            settings["session_token"] = keys.session_token
    elif credentials.needs_botocore(environ):
        settings["credential_provider"] = _botocore_provider(bucket)
    store: ObjectStore = S3Store(bucket, client_options=client, retry_config=retry, **settings)
    return store


def _botocore_provider(bucket: str) -> Callable[[], dict[str, Any]]:
    source = credentials.botocore_credentials()
    if source is None:
        raise LocationError(
            f"s3://{bucket}: the AWS profile assumes a role or signs on, which needs botocore;"
            " install botocore beside penstock, or use a profile with keys"
        )

    def provide() -> dict[str, Any]:
        keys = source.get_frozen_credentials()
        # No public member tells when a role's keys expire; those with fixed keys have none.
        expires = getattr(source, "_expiry_time", None)
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": expires,
        }

    return provide
