"""Which proxy a call goes through.

The options of the original (`--proxyHost` and so on) hold for the service and for AWS alike. What
`NO_PROXY` names is reached directly. Without the options, HTTPS goes through what `HTTPS_PROXY`
names, as with other clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from penstock.runner.options import RunnerOptions


def proxy_for(url: str, options: RunnerOptions, environ: Mapping[str, str]) -> str | None:
    """The proxy's URL for calls to a URL, or None."""
    parts = urlsplit(url)
    if bypassed(parts.hostname or "", environ):
        return None
    if options.proxy_host:
        return options.proxy_url()
    if parts.scheme != "https":
        return None
    return environ.get("https_proxy") or environ.get("HTTPS_PROXY") or None


def proxy_for_storage(url: str, options: RunnerOptions, environ: Mapping[str, str]) -> str | None:
    """The same for S3, which `--s3NoProxy` takes out."""
    return None if options.s3_no_proxy else proxy_for(url, options, environ)


def bypassed(host: str, environ: Mapping[str, str]) -> bool:
    """Whether `NO_PROXY` names a host, or the domain it is in; `*` names all."""
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    names = [name.strip().lstrip(".").lower() for name in listed.split(",") if name.strip()]
    host = host.lower()
    return any(name in ("*", host) or host.endswith(f".{name}") for name in names)
