"""Atom feeds (RFC 4287): records of the whole hub or of one board, results of one agent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as xml

from litestar import Request, Response, get

from autoresearch.hub.pages.leaderboard_pages import BoardWord
from autoresearch.hub.pages.rendering import answer, format_score
from autoresearch.hub.pages.results_table import Agent
from autoresearch.hub.routes.common import TheHub, ThePlatform
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.rules import results
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName
from autoresearch.models import Result
from autoresearch.untrusted import to_line

ENTRIES_MAX = 50
ATOM = "http://www.w3.org/2005/Atom"
# what no XML 1.0 document may hold, escaped or not
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
EMPTY_AT = "1970-01-01T00:00:00Z"  # the format wants a time where nothing happened yet


@dataclass(frozen=True)
class FeedItem:
    """One entry: a record of a board, or a result of an agent."""

    result_id: int
    board: BoardName
    value: float | None
    words: str
    agent_id: str
    at: str
    summary: str


@get("/feed.atom", include_in_schema=False)
async def send_feed(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
    agent: Agent = "",
) -> Response[bytes]:
    """The newest records, newest first; or an agent's newest results."""
    chosen = (platform or None, track or None)

    def read() -> list[FeedItem]:
        return list_results(hub, agent) if agent else list_records(hub, *chosen)

    items = await hub.off_loop(read)
    about = " ".join(part for part in chosen if part) or "all boards"
    title = f"autoresearch: results of {agent}" if agent else f"autoresearch: records of {about}"
    data = write_feed(items, address_of(request, hub), request.url.query, title)
    return answer(request, data, "application/atom+xml")


def list_records(hub: Services, platform: str | None, track: str | None) -> list[FeedItem]:
    found = results.latest(hub.db.reader, ENTRIES_MAX, platform=platform, track=track, leads=1)
    return [_describe(record, f"{record.verified}; commit {record.commit}") for record in found]


def list_results(hub: Services, agent: str) -> list[FeedItem]:
    found = results.latest(hub.db.reader, ENTRIES_MAX, agent=agent)
    return [_describe(r, f"{r.status}; {r.verified}; commit {r.commit}") for r in found]


def _describe(result: Result, summary: str) -> FeedItem:
    return FeedItem(
        result.id, BoardName(result.platform, result.track), result.val_bpb,
        result.description or result.reason, result.agent_id, result.created_at, summary,
    )  # fmt: skip


def write_feed(items: Sequence[FeedItem], url: str, query: str, title: str) -> bytes:
    """The feed as UTF-8. Ids are addresses of results, which never change."""
    feed = xml.Element("feed", xmlns=ATOM)
    here = f"{url}/feed.atom" + (f"?{query}" if query else "")
    add(feed, "id", here)
    add(feed, "title", to_line(title))
    add(feed, "updated", items[0].at if items else EMPTY_AT)
    xml.SubElement(feed, "link", rel="self", href=here)
    xml.SubElement(feed, "link", rel="alternate", href=f"{url}/leaderboard")
    for item in items:
        feed.append(write_entry(item, url))
    written: bytes = xml.tostring(feed, encoding="utf-8", xml_declaration=True)
    return written


def write_entry(item: FeedItem, url: str) -> xml.Element:
    entry = xml.Element("entry")
    page = f"{url}/results/{item.result_id}"
    where = " ".join(part for part in item.board if part)
    add(entry, "id", page)
    add(entry, "title", to_line(f"{format_score(item.value)} on {where}: {item.words}"))
    add(entry, "updated", item.at)
    author = xml.SubElement(entry, "author")
    add(author, "name", to_line(item.agent_id or "nobody"))
    add(author, "uri", f"{url}/agents/{quote(item.agent_id or '')}")
    xml.SubElement(entry, "link", rel="alternate", href=page)
    add(entry, "summary", to_line(item.summary))
    return entry


def add(parent: xml.Element, name: str, text: str) -> None:
    xml.SubElement(parent, name).text = NOT_XML.sub("\ufffd", text)
