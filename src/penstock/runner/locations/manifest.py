"""Manifests: lists of files, in the form that Redshift's COPY reads and UNLOAD writes.

Source: developer guide, "S3DataNode", `manifestFilePath`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from penstock.runner.errors import LocationError

if TYPE_CHECKING:
    from penstock.runner.locations.locations import Locations

_LONGEST_BYTES = 64 * 1024 * 1024


class ManifestEntry(Struct, frozen=True):
    """One file of a manifest; a load fails if a mandatory one is missing."""

    url: str
    mandatory: bool = False


class _Manifest(Struct, frozen=True):
    entries: tuple[ManifestEntry, ...]


def read_manifest(locations: Locations, uri: str) -> tuple[ManifestEntry, ...]:
    """The files that a manifest lists, in its order; raises `LocationError`."""
    with locations.open_read(uri) as reader:
        content = reader.read(_LONGEST_BYTES + 1)
    if len(content) > _LONGEST_BYTES:
        raise LocationError(f"{uri} is longer than a manifest may be (64 MB)")
    try:
        return msgspec.json.decode(content, type=_Manifest).entries
    except msgspec.DecodeError as error:
        form = '{"entries": [{"url": "s3://bucket/key", "mandatory": true}]}'
        raise LocationError(f"{uri} is no manifest of the form {form}: {error}") from error
