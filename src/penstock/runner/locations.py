"""Places of data named by URI: `s3://`, `gs://`, `az://`, `http(s)://` and `file://`.

obstore serves all the remote schemes: one library, streaming with the interpreter lock released,
multipart uploads and retries of its own. `file://` is the standard library's: obstore's local
store leaves out names such as `part#1` from its listings without a word and cannot list a
directory that holds a name with a tab, and data must not go missing silently.

Stores are opened when first used, because loading obstore costs an idle runner 6 MB.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from penstock.runner import credentials
from penstock.runner.errors import LocationError
from penstock.runner.options import RunnerOptions

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "s3a", "s3n", "gs", "az", "http", "https", "file")
"""Schemes that are understood; `s3a` and `s3n` are Hadoop's spellings of `s3`."""

_CHUNK_BYTES = 4 * 1024 * 1024
_PARTS_AT_ONCE = 4
"""Parts of one upload in flight; with parts of 5 MB an upload holds some 20 MB."""

_LIST_CHUNK = 1_000

Tick = Callable[[int], None]
"""Called with the number of bytes just moved; may raise to end the transfer."""


class Location(Struct, frozen=True):
    """A parsed URI: `container` is a bucket or host, `path` a key without leading slash.

    For `file` the path is absolute; for `http(s)` the container is the whole URL.
    """

    scheme: str
    container: str
    path: str

    def join(self, relative: str) -> Location:
        """The location of a name beneath this one."""
        return Location(self.scheme, self.container, f"{self.path.rstrip('/')}/{relative}")


class Entry(Struct, frozen=True):
    """One file of a listed directory: its path relative to the directory, and its bytes."""

    name: str
    size: int


class Store(Protocol):
    """What one scheme can do with its locations. Errors are `LocationError`."""

    def entries(self, directory: Location) -> Iterator[Entry]:
        """All files beneath a directory, recursively; nothing if it does not exist."""
        ...

    def download(self, source: Location, target: Path, tick: Tick) -> None:
        """Write one file's content to a local path whose directory exists."""
        ...

    def upload(self, source: Path, target: Location, tick: Tick) -> None:
        """Write a local file to a location; readers see all of it or nothing."""
        ...


class Locations:
    """Reads and writes places of data by URI. Safe to use from several threads."""

    def __init__(self, options: RunnerOptions, environ: Mapping[str, str]) -> None:
        self._options = options
        self._environ = environ
        self._lock = threading.Lock()
        self._stores: dict[tuple[str, str], Store] = {}

    def entries(self, uri: str) -> Iterator[Entry]:
        """All files beneath a directory, as `Store.entries`."""
        location = parse_uri(uri)
        return self._store(location).entries(location)

    def download(self, uri: str, target: Path, tick: Tick) -> None:
        """Fetch one file."""
        location = parse_uri(uri)
        self._store(location).download(location, target, tick)

    def upload(self, source: Path, uri: str, tick: Tick) -> None:
        """Put one local file."""
        location = parse_uri(uri)
        self._store(location).upload(source, location, tick)

    def _store(self, location: Location) -> Store:
        key = (location.scheme, location.container)
        with self._lock:
            store = self._stores.get(key)
            if store is None:
                store = self._stores[key] = self._open(location)
            return store

    def _open(self, location: Location) -> Store:
        if location.scheme == "file":
            return LocalStore()
        return RemoteStore(_open_remote(location, self._options, self._environ))


def parse_uri(uri: str) -> Location:
    """The parts of a URI; raises `LocationError` for one that names no place we can reach."""
    scheme, colon, rest = uri.partition("://")
    scheme = scheme.lower()
    if not colon or scheme not in SCHEMES:
        raise LocationError(f"{uri!r} is not a location: it must begin with one of {_schemes()}")
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


def _schemes() -> str:
    return ", ".join(f"{scheme}://" for scheme in SCHEMES)


def _parse_file(uri: str) -> Location:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise LocationError(f"{uri!r} names a host; write file:///directory with three slashes")
    # Only the scheme is cut off: `?` and `#` are ordinary characters of file names.
    path = uri[len("file://") + len(parts.netloc) :]
    if not path.startswith("/"):
        raise LocationError(f"{uri!r} is not absolute; write file:///directory")
    return Location("file", "", unquote(path))


class LocalStore:
    """`file://`, by the standard library."""

    def entries(self, directory: Location) -> Iterator[Entry]:
        """As `Store.entries`; links are followed, and names come in order."""
        root = Path(directory.path)
        if root.is_file():
            raise LocationError(f"file://{directory.path} is a file, not a directory")
        for folder, folders, names in os.walk(root, followlinks=True):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file():
                    yield Entry(path.relative_to(root).as_posix(), path.stat().st_size)

    def download(self, source: Location, target: Path, tick: Tick) -> None:
        """As `Store.download`."""
        _copy(Path(source.path), target, tick)

    def upload(self, source: Path, target: Location, tick: Tick) -> None:
        """As `Store.upload`: written beside its place, then renamed into it."""
        path = Path(target.path)
        partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, partial, tick)
            partial.replace(path)
        except OSError as error:
            raise LocationError(f"file://{path} cannot be written: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)


def _copy(source: Path, target: Path, tick: Tick) -> None:
    try:
        size = source.stat().st_size
        if size <= _CHUNK_BYTES:
            # copyfile lets the kernel do it; a small file needs no look at the clock meanwhile.
            shutil.copyfile(source, target)
            tick(size)
            return
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(_CHUNK_BYTES):
                writer.write(chunk)
                tick(len(chunk))
    except OSError as error:
        raise LocationError(f"file://{source}: {error.strerror}") from error


class RemoteStore:
    """Any remote scheme, by obstore."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def entries(self, directory: Location) -> Iterator[Entry]:
        """As `Store.entries`; the empty objects that consoles make for directories are left out."""
        import obstore

        if directory.scheme in ("http", "https"):
            raise LocationError(f"{uri_of(directory)}: http has no directories; name one file")
        prefix = directory.path.strip("/")
        with _errors(directory):
            for chunk in obstore.list(self._store, prefix or None, chunk_size=_LIST_CHUNK):
                for item in chunk:
                    name = item["path"][len(prefix) :].lstrip("/")
                    if name and not self._is_marker(item["path"], item["size"]):
                        yield Entry(name, item["size"])

    def _is_marker(self, path: str, size: int) -> bool:
        """Whether an empty object is a directory's placeholder, `key/`.

        A listing drops the last slash, so the placeholder looks like an empty file; but there is
        no object under the name without the slash.
        """
        import obstore

        if size:
            return False
        try:
            obstore.head(self._store, path)
        except FileNotFoundError:
            return True
        return False

    def download(self, source: Location, target: Path, tick: Tick) -> None:
        """As `Store.download`."""
        import obstore

        with _errors(source), target.open("wb") as writer:
            stream = obstore.get(self._store, source.path).stream(min_chunk_size=_CHUNK_BYTES)
            for chunk in stream:
                writer.write(chunk)
                tick(len(chunk))

    def upload(self, source: Path, target: Location, tick: Tick) -> None:
        """As `Store.upload`; a store shows an object only when it is whole."""
        import obstore

        with _errors(target):
            if source.stat().st_size <= _CHUNK_BYTES:
                content = source.read_bytes()
                obstore.put(self._store, target.path, content, use_multipart=False)
                tick(len(content))
            else:
                parts = _chunks(source, tick)
                obstore.put(self._store, target.path, parts, max_concurrency=_PARTS_AT_ONCE)


def _chunks(source: Path, tick: Tick) -> Iterator[bytes]:
    with source.open("rb") as reader:
        while chunk := reader.read(_CHUNK_BYTES):
            tick(len(chunk))
            yield chunk


@contextmanager
def _errors(location: Location) -> Iterator[None]:
    """Turn a store's errors into a `LocationError` of one sentence.

    obstore's texts go on for a page (answer bodies, a dump of its own structures): the first line
    and the store's own error code are what helps.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise LocationError(f"{uri_of(location)}: {_first_sentence(error)}") from error


def uri_of(location: Location) -> str:
    """The URI of a location; a URL's query is left out, as it may carry a signature."""
    if location.scheme in ("http", "https"):
        return location.container.partition("?")[0]
    if location.scheme == "file":
        return f"file://{location.path}"
    return f"{location.scheme}://{location.container}/{location.path}"


def _first_sentence(error: BaseException) -> str:
    text = str(error).partition("\n\nDebug source")[0]
    for code, sentence in (
        ("<Code>NoSuchBucket<", "the bucket does not exist"),
        ("<Code>NoSuchKey<", "no such object"),
        ("<Code>InvalidAccessKeyId<", "the access key is not known there"),
        ("<Code>SignatureDoesNotMatch<", "the secret key is wrong"),
        ("<Code>AccessDenied<", "access denied"),
    ):
        if code in text:
            return sentence
    if isinstance(error, FileNotFoundError) and "HEAD" not in text:
        return "no such object" if "404" in text else "not found"
    # The signed query of a URL never belongs into a message.
    return text.splitlines()[0].partition("?")[0][:400]


def _open_remote(
    location: Location, options: RunnerOptions, environ: Mapping[str, str]
) -> ObjectStore:
    try:
        from obstore.store import AzureStore, GCSStore, HTTPStore
    except ImportError as error:
        raise LocationError(f"{location.scheme}:// needs the package obstore") from error
    if location.scheme == "s3":
        return _open_s3(location.container, options, environ)
    if location.scheme == "gs":
        return GCSStore(location.container)
    if location.scheme == "az":
        return AzureStore(container_name=location.container)
    client_options: Any = {"allow_http": True}
    return HTTPStore.from_url(location.container, client_options=client_options)


def _open_s3(bucket: str, options: RunnerOptions, environ: Mapping[str, str]) -> ObjectStore:
    """A bucket under the usual AWS configuration.

    Roles of containers, web identities and instances are obstore's own; profiles that need more
    than fixed keys (assumed roles, SSO, a credential process) go through botocore.
    """
    from obstore.store import S3Store

    settings: dict[str, Any] = {"region": credentials.storage_region(options, environ)}
    endpoint = credentials.storage_endpoint(environ)
    if endpoint is not None:
        settings["endpoint"] = endpoint
        settings["client_options"] = {"allow_http": True}
    keys = credentials.storage_keys(options, environ)
    if keys is not None:
        settings["access_key_id"] = keys.access_key_id
        settings["secret_access_key"] = keys.secret_access_key
        if keys.session_token:
            settings["session_token"] = keys.session_token
    elif credentials.needs_botocore(environ):
        settings["credential_provider"] = _botocore_provider(bucket)
    store: ObjectStore = S3Store(bucket, **settings)
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
