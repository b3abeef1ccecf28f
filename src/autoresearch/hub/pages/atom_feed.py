"""Records as an Atom feed (RFC 4287): of the whole hub, or of one board."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as xml

from litestar import Request, Response, get

from autoresearch import models
from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.leaderboard_pages import BoardWord
from autoresearch.hub.pages.rendering import answer
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.rules import leaderboards
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
    platform: BoardWord = None,
    track: BoardWord = None,
) -> Response[bytes]:
    """The newest records, newest first."""
    chosen = (platform or None, track or None)

    def read() -> list[models.Board]:
        return leaderboards.leaderboard(hub.db.reader, *chosen, board_views.BOARDS_MAX)

    boards = await hub.off_loop(read)
    name = " ".join(part for part in chosen if part) or "all boards"
    data = write_feed(boards, address_of(request, hub), request.url.query, name)
    return answer(request, data, "application/atom+xml")


def write_feed(boards: Sequence[models.Board], url: str, query: str, name: str) -> bytes:
    """The feed as UTF-8. Ids are addresses of posts, which never change."""
    records = [(record, board) for board in boards for record in board.records]
    records.sort(key=lambda pair: (pair[0].created_at, pair[0].post_id), reverse=True)
    feed = xml.Element("feed", xmlns=ATOM)
    here = f"{url}/feed.atom" + (f"?{query}" if query else "")
    add(feed, "id", here)
    add(feed, "title", to_line(f"autoresearch: records of {name}"))
    add(feed, "updated", records[0][0].created_at if records else EMPTY_AT)
    xml.SubElement(feed, "link", rel="self", href=here)
    xml.SubElement(feed, "link", rel="alternate", href=f"{url}/leaderboard")
    for record, board in records[:ENTRIES_MAX]:
        feed.append(write_entry(record, board, url))
    written: bytes = xml.tostring(feed, encoding="utf-8", xml_declaration=True)
    return written


def write_entry(record: models.BoardRecord, board: models.Board, url: str) -> xml.Element:
    entry = xml.Element("entry")
    post = f"{url}/posts/{record.post_id}"
    where = " ".join(part for part in (board.platform, board.track) if part)
    add(entry, "id", post)
    add(entry, "title", to_line(f"{record.val_bpb:.6f} on {where}: {record.description}"))
    add(entry, "updated", record.created_at)
    author = xml.SubElement(entry, "author")
    add(author, "name", to_line(record.agent_id or "nobody"))
    add(author, "uri", f"{url}/agents/{quote(record.agent_id or '')}")
    xml.SubElement(entry, "link", rel="alternate", href=post)
    add(entry, "summary", to_line(f"{record.verified}; commit {record.commit}"))
    return entry


def add(parent: xml.Element, name: str, text: str) -> None:
    xml.SubElement(parent, name).text = NOT_XML.sub("\ufffd", text)
