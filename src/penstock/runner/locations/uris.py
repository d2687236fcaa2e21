"""URIs of places of data, taken apart and put together."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from msgspec import Struct

from penstock.runner.errors import LocationError

SCHEMES = ("s3", "s3a", "s3n", "gs", "az", "http", "https", "file")
"""Schemes that are understood; `s3a` and `s3n` are Hadoop's spellings of `s3`."""


class Location(Struct, frozen=True):
    """A parsed URI: `container` is a bucket or host, `path` a key without leading slash.

    For `file` the path is absolute; for `http(s)` the container is the whole URL.
    """

    scheme: str
    container: str
    path: str

    @property
    def is_http(self) -> bool:
        """Whether this is a web address: one file, read only."""
        return self.scheme in ("http", "https")

    @property
    def name(self) -> str:
        """The last segment of the path."""
        path = urlsplit(self.container).path if self.is_http else self.path
        return path.rstrip("/").rpartition("/")[2]


def parse_uri(uri: str) -> Location:
    """The parts of a URI; raises `LocationError` for one that names no place we can reach."""
    scheme, colon, rest = uri.partition("://")
    scheme = scheme.lower()
    if not colon or scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise LocationError(f"{uri!r} is not a location: it must begin with one of {known}")
    if scheme in ("http", "https"):
        return Location(scheme, uri, "")
    if scheme == "file":
        return _parse_file(uri)
    container, _, path = rest.partition("/")
    if not container:
        raise LocationError(f"{uri!r} names no bucket")
    return Location("s3" if scheme in ("s3a", "s3n") else scheme, container, path)


def join_uri(uri: str, relative: str) -> str:
    """The URI of a name beneath a directory's URI.

    A `file:` URI has its percent signs decoded, so one that belongs to a name is escaped; keys of
    the other stores are taken as they are written.
    """
    if uri.lower().startswith("file:"):
        relative = relative.replace("%", "%25")
    return f"{uri.rstrip('/')}/{relative}"


def uri_of(location: Location) -> str:
    """The URI of a location, for messages; a URL's query and user, which may be secret, are not
    in it.
    """
    if location.is_http:
        url = urlsplit(location.container)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
    if location.scheme == "file":
        return f"file://{location.path}"
    return f"{location.scheme}://{location.container}/{location.path}"


def _parse_file(uri: str) -> Location:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise LocationError(f"{uri!r} names a host; write file:///directory with three slashes")
    # Only the scheme is cut off: `?` and `#` are ordinary characters of file names.
    path = uri[len("file://") + len(parts.netloc) :]
    if not path.startswith("/"):
        raise LocationError(f"{uri!r} is not absolute; write file:///directory")
    return Location("file", "", unquote(path))
