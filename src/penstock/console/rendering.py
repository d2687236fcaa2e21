"""Templates into pages. What a template prints is escaped unless it is markup of ours."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from penstock.console import words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_JSON_PARTS = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")(?P<colon>:)?')

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript", "svg": "image/svg+xml"}


class Asset(Struct, frozen=True):
    """A file that pages load; its mark changes with what is in it, so browsers may keep it."""

    body: bytes
    content_type: str
    mark: str


@functools.cache
def assets() -> Mapping[str, Asset]:
    """The files that pages load, by name."""
    found: dict[str, Asset] = {}
    for item in files("penstock.console").joinpath("static").iterdir():
        kind = _TYPES.get(item.name.rpartition(".")[2])
        if kind is not None:
            body = item.read_bytes()
            found[item.name] = Asset(body, kind, hashlib.sha256(body).hexdigest()[:12])
    return found


def render(template: str, data: Mapping[str, Any]) -> bytes:
    """A page; raises what Jinja raises when a template asks for what is not there."""
    return _environment().get_template(template).render(data).encode("utf-8", "replace")


@functools.cache
def _environment() -> "Environment":
    # Imported at the first page: it costs a tenth of a second and 11 MiB.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("penstock.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        count=words.count,
        duration=words.duration,
        every=words.every,
        json=highlighted_json,
        minute=words.minute,
        moment=words.moment,
        moment_after=words.moment_after,
        object_path=words.object_path,
        pipeline_path=words.pipeline_path,
        span=words.span,
        status_class=words.status_class,
        stream_name=words.stream_name,
        status_words=words.status_words,
    )
    environment.globals.update(
        asset_path=asset_path, instance_name=words.instance_name, run_ms=words.run_ms
    )
    return environment


def asset_path(name: str) -> str:
    """Where a file is loaded from."""
    return f"/static/{name}?v={assets()[name].mark}"


def highlighted_json(document: object) -> "Markup":
    """A document as indented JSON, its names and its texts told apart."""
    from markupsafe import Markup, escape

    text = json.dumps(document, indent=2, ensure_ascii=False)
    parts: list[str] = []
    at = 0
    for match in _JSON_PARTS.finditer(text):
        kind = "name" if match["colon"] else "text"
        parts.append(str(escape(text[at : match.start()])))
        parts.append(f'<span class="json-{kind}">{escape(match["string"])}</span>')
        at = match.end("string")
    parts.append(str(escape(text[at:])))
    return Markup("".join(parts))  # noqa: S704 - each part is escaped above
