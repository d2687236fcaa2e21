"""Places of data named by URI: `s3://`, `gs://`, `az://`, `http(s)://` and `file://`.

obstore serves all the remote schemes: one library, streaming with the interpreter lock released,
multipart uploads and retries of its own. `file://` is the standard library's: obstore's local
store leaves out names such as `part#1` from its listings without a word and cannot list a
directory that holds a name with a tab, and data must not go missing silently.

Stores are opened when first used, because loading obstore costs an idle runner 6 MB.
"""

from penstock.runner.locations.locations import Locations
from penstock.runner.locations.manifest import ManifestEntry, read_manifest
from penstock.runner.locations.protocol import Entry, Tick, no_tick
from penstock.runner.locations.uris import SCHEMES, Location, join_uri, parse_uri, uri_of

__all__ = [
    "SCHEMES",
    "Entry",
    "Location",
    "Locations",
    "ManifestEntry",
    "Tick",
    "join_uri",
    "no_tick",
    "parse_uri",
    "read_manifest",
    "uri_of",
]
