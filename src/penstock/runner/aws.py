"""Clients of the AWS services that tasks use: DynamoDB, SNS, EMR, RDS and others.

They follow the runner's own configuration, as S3 does: keys, region, endpoints, proxy. botocore
is an extra, and is loaded by the first client that somebody asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.runner import credentials
from penstock.runner.errors import TaskFailed
from penstock.runner.options import RunnerOptions
from penstock.runner.proxies import proxy_for, proxy_for_storage
from penstock.wire.client import Credentials  # type: ignore[attr-defined]

_TRIES = 8
_TIMEOUT_SECONDS = 60


class Aws:
    """Makes clients under a runner's options and environment. Safe to use from several threads."""

    def __init__(self, options: RunnerOptions, environ: Mapping[str, str]) -> None:
        self._options = options
        self._environ = environ

    def client(self, service: str, region: str | None = None) -> Any:
        """A client, as botocore makes it (`client("dynamodb")`); for one thread or several.

        The endpoint is `AWS_ENDPOINT_URL_<SERVICE>`, else `AWS_ENDPOINT_URL`, else the profile's,
        else the real one. Raises `TaskFailed` with errorId MissingLibrary without botocore.
        """
        try:
            import botocore.session  # type: ignore[import-untyped]
            from botocore.config import Config  # type: ignore[import-untyped]
        except ImportError as error:
            message = f"The service {service} needs `pip install 'penstock[aws]'` on the runner."
            raise TaskFailed("MissingLibrary", message) from error
        options, environ = self._options, self._environ
        keys = credentials.storage_keys(options, environ)
        endpoint = credentials.service_endpoint(service, environ)
        config = Config(
            retries={"max_attempts": _TRIES, "mode": "standard"},
            connect_timeout=_TIMEOUT_SECONDS,
            read_timeout=_TIMEOUT_SECONDS,
            proxies=self._proxies(service, endpoint),
            # Buckets of other makers' stores seldom have host names of their own.
            s3={"addressing_style": "path"} if endpoint else None,
        )
        # Making a client changes the session's own tables, so each has a session of its own.
        session = botocore.session.Session(profile=environ.get("AWS_PROFILE"))
        return session.create_client(
            service,
            region_name=region or credentials.storage_region(options, environ),
            endpoint_url=endpoint,
            config=config,
            aws_access_key_id=keys.access_key_id if keys else None,
            aws_secret_access_key=keys.secret_access_key if keys else None,
            aws_session_token=keys.session_token if keys else None,
        )

    def keys(self) -> Credentials | None:
        """Access keys to hand on to a service that reads for us, also a role's; None without."""
        fixed = credentials.storage_keys(self._options, self._environ)
        if fixed is not None:
            return fixed
        source = credentials.botocore_credentials()
        if source is None:
            return None
        frozen = source.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _proxies(self, service: str, endpoint: str | None) -> dict[str, str] | None:
        """None leaves it to botocore, which knows `HTTPS_PROXY` and `NO_PROXY`."""
        options = self._options
        if not options.proxy_host:
            return None
        choose = proxy_for_storage if service == "s3" else proxy_for
        url = choose(endpoint or f"https://{service}.amazonaws.com", options, self._environ)
        return {"http": url, "https": url} if url else {}
