"""The HttpProxy that a resource refers to, as options of the runner on it.

Source: developer guide, "HttpProxy": the runner reaches the service, and AWS, through it, but S3
directly if `s3NoProxy` is true.
"""

from penstock.resources.provider import Order

_OPTIONS = {
    "proxyHost": "hostname",
    "proxyPort": "port",
    "proxyUsername": "username",
    "proxyPassword": "*password",
    "proxyDomain": "windowsDomain",
    "s3NoProxy": "s3NoProxy",
}


def proxy_options(order: Order) -> dict[str, str]:
    """Options by their names in a runner's configuration file; the password is among them."""
    proxy = order.objects.get(order.fields.ref("httpProxy") or "")
    if proxy is None:
        return {}
    found = {option: proxy.string(field) for option, field in _OPTIONS.items()}
    return {option: text for option, text in found.items() if text}
