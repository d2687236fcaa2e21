"""What each page shows: from a request to a template and its data."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from penstock.console.grid import cells_of, days_over
from penstock.console.http import Request
from penstock.model.caller import Caller
from penstock.model.times import Instant
from penstock.service import watching
from penstock.service.context import Context

_CURSOR = re.compile(r"(-?\d{1,18})\.(\d{1,18})", re.ASCII)
_KEY = re.compile(r"\d{1,18}", re.ASCII)

BUSY_SECONDS = 3
IDLE_SECONDS = 20
"""How often a page looks again: while something is under way, and otherwise."""


class Page(Struct, frozen=True):
    """A template, what it shows, and after how many seconds to look again (0: never)."""

    template: str
    data: Mapping[str, Any]
    refresh_seconds: int = 0
    status: int = 200


View = Callable[[Context, Caller, Request, tuple[str, ...]], Awaitable[Page]]


async def pipelines(context: Context, caller: Caller, request: Request, _: tuple[str, ...]) -> Page:
    """The pipelines of the account."""
    before = request.query.get("before", "")
    key = int(before) if _KEY.fullmatch(before) else None
    found = await watching.list_summaries(context, caller, key)
    busy = any(s.counts.running or s.counts.waiting for s in found.summaries)
    data = {
        "summaries": found.summaries,
        "next_before": found.next_before,
        "first_page": key is None,
        "most": watching.MOST_COUNTED,
    }
    return Page("pipelines.html", data, BUSY_SECONDS if busy else IDLE_SECONDS)


async def pipeline(
    context: Context, caller: Caller, request: Request, parts: tuple[str, ...]
) -> Page:
    """One pipeline: how it stands, its recent intervals, its instances."""
    selection = watching.SELECTIONS.get(request.query.get("show", ""), "all")
    skipped = request.query.get("components", "")
    skipped_components = int(skipped) if _KEY.fullmatch(skipped) else 0
    found = await watching.overview(
        context,
        caller,
        parts[0],
        selection,
        _cursor(request.query.get("before", "")),
        skipped_components,
    )
    counts = found.summary.counts
    data = {
        "overview": found,
        "pipeline": found.summary.pipeline,
        "days": days_over(found.starts),
        "rows": [(strip, cells_of(found.starts, strip.instances)) for strip in found.strips],
        "selection": selection,
        "first_page": "before" not in request.query,
        "skipped": skipped_components,
        "next_skipped": skipped_components + watching.COMPONENTS_PER_PAGE,
        "most": watching.MOST_COUNTED,
    }
    busy = counts.running or counts.waiting
    return Page("pipeline.html", data, BUSY_SECONDS if busy else IDLE_SECONDS)


def _cursor(text: str) -> tuple[Instant, int] | None:
    match = _CURSOR.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


async def definition(
    context: Context, caller: Caller, request: Request, parts: tuple[str, ...]
) -> Page:
    """A pipeline's definition in the command line's form."""
    active = request.query.get("version") == "active"
    found = await watching.written_definition(context, caller, parts[0], active)
    data = {
        "pipeline": found.pipeline,
        "document": found.document,
        "active": active,
        "has_active": found.has_active,
    }
    return Page("definition.html", data)


async def thing(context: Context, caller: Caller, request: Request, parts: tuple[str, ...]) -> Page:
    """An instance's story (also under its attempts' ids), or a component."""
    pipeline_id, object_id = parts
    if not object_id.startswith("@"):
        return await _component(context, caller, pipeline_id, object_id)
    found = await watching.story(context, caller, pipeline_id, object_id)
    data = {
        "pipeline": found.pipeline,
        "instance": found.instance,
        "explanation": found.explanation,
        "attempts": [(each, _reported(each.fields)) for each in reversed(found.attempts)],
        "waiting_on": found.waiting_on,
        "history": found.history[::-1],
        "fields": found.fields,
        "log_ends": found.log_ends,
        "log_location": next(
            (f.string_value for f in found.fields if f.key == "@logLocation"), None
        ),
    }
    over = found.instance.ended_at is not None
    return Page("instance.html", data, IDLE_SECONDS if over else BUSY_SECONDS)


async def _component(context: Context, caller: Caller, pipeline_id: str, component: str) -> Page:
    found = await watching.portrait(context, caller, pipeline_id, component)
    data = {"portrait": found, "pipeline": found.pipeline}
    return Page("component.html", data, IDLE_SECONDS)


def _reported(fields: str | None) -> dict[str, str]:
    """What a runner told of an attempt; masking may have hit the JSON itself."""
    if not fields:
        return {}
    try:
        reported = json.loads(fields)
    except ValueError:
        return {}
    return reported if isinstance(reported, dict) else {}


PAGES: tuple[tuple[re.Pattern[str], View], ...] = (
    (re.compile(r"/"), pipelines),
    (re.compile(r"/pipelines/([^/]+)/?"), pipeline),
    (re.compile(r"/pipelines/([^/]+)/definition"), definition),
    (re.compile(r"/pipelines/([^/]+)/objects/(.+)", re.DOTALL), thing),
)
"""Paths and what stands there."""
