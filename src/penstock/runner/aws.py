"""Clients of the AWS services that tasks use: DynamoDB, SNS, EMR, RDS and others.

They follow the runner's own configuration, as S3 does: keys, region, endpoints, proxy. botocore
is an extra, and is loaded by the first client that somebody asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from penstock.runner import credentials
from penstock.runner.errors import TaskFailed
from penstock.runner.options import RunnerOptions

_TRIES = 8
_TIMEOUT_SECONDS = 60

LOOPBACK = ("localhost", "127.0.0.1", "::1")


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
            proxies=self._proxies(endpoint),
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

    def _proxies(self, endpoint: str | None) -> dict[str, str] | None:
        url = self._options.proxy_url()
        if url is None or (endpoint and urlsplit(endpoint).hostname in LOOPBACK):
            return None
        return {"http": url, "https": url}
