"""Atom feeds (RFC 4287): records of the whole hub or of one board, results of one agent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as xml

from litestar import Request, Response, get

from autoresearch.hub.pages.leaderboard_pages import BoardWord
from autoresearch.hub.pages.rendering import answer, name_score
from autoresearch.hub.pages.results_table import Agent
from autoresearch.hub.routes.common import TheHub, ThePlatform
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.rules import metric_names, results
from autoresearch.models import Result
from autoresearch.untrusted import to_line

ENTRIES_MAX = 50
ATOM = "http://www.w3.org/2005/Atom"
# what no XML 1.0 document may hold, escaped or not
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
EMPTY_AT = "1970-01-01T00:00:00Z"  # the format wants a time where nothing happened yet


@get("/feed.atom", include_in_schema=False)
async def send_feed(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
    agent: Agent = "",
) -> Response[bytes]:
    """The newest records, newest first; or an agent's newest results."""
    chosen: dict[str, str | int | None] = {"agent": agent}
    if not agent:
        chosen = {"platform": platform or None, "track": track or None, "leads": 1}
    found = await hub.in_long_lane(lambda: results.latest(hub.db.reader, ENTRIES_MAX, 0, **chosen))
    about = " ".join(filter(None, (platform, track))) or "all boards"
    title = f"autoresearch: results of {agent}" if agent else f"autoresearch: records of {about}"
    feed = write_feed(found, address_of(request, hub), request.url.query, title)
    names = await hub.off_loop(lambda: metric_names.of_boards(hub.db.reader, found))
    for result in found:
        value = name_score(result.val_bpb, names[result.platform, result.track])
        verdict = f"{result.status}; {result.verified}" if agent else result.verified
        feed.append(write_entry(result, value, address_of(request, hub), verdict))
    data: bytes = xml.tostring(feed, encoding="utf-8", xml_declaration=True)
    return answer(request, data, "application/atom+xml")


def write_feed(found: Sequence[Result], url: str, query: str, title: str) -> xml.Element:
    """The feed without its entries, whose newest is the first that was found."""
    feed = xml.Element("feed", xmlns=ATOM)
    here = f"{url}/feed.atom" + (f"?{query}" if query else "")
    add(feed, "id", here)
    add(feed, "title", to_line(title))
    add(feed, "updated", found[0].created_at if found else EMPTY_AT)
    xml.SubElement(feed, "link", rel="self", href=here)
    xml.SubElement(feed, "link", rel="alternate", href=f"{url}/leaderboard")
    return feed


def write_entry(result: Result, value: str, url: str, verdict: str) -> xml.Element:
    """One entry. Its id is the address of the result, which never changes."""
    entry = xml.Element("entry")
    page = f"{url}/results/{result.id}"
    where = " ".join(part for part in (result.platform, result.track) if part)
    words = result.description or result.reason
    add(entry, "id", page)
    add(entry, "title", to_line(f"{value} on {where}: {words}"))
    add(entry, "updated", result.created_at)
    author = xml.SubElement(entry, "author")
    add(author, "name", to_line(result.agent_id or "nobody"))
    add(author, "uri", f"{url}/agents/{quote(result.agent_id or '')}")
    xml.SubElement(entry, "link", rel="alternate", href=page)
    add(entry, "summary", to_line(f"{verdict}; commit {result.commit}"))
    return entry


def add(parent: xml.Element, name: str, text: str) -> None:
    xml.SubElement(parent, name).text = NOT_XML.sub("\ufffd", text)
