"""The DAG, a window of it at a time: the newest commits, those before, or those around one."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch.hub import wire
from autoresearch.hub.pages import graph_layout
from autoresearch.hub.pages.page_cache import answer_cached
from autoresearch.hub.routes.common import ID_MAX, TheHub
from autoresearch.hub.rules import commits as rules
from autoresearch.hub.store import commits as rows
from autoresearch.hub.store import overview, results
from autoresearch.hub.store.database import Reader

WINDOW = 120
LINE_MAX = 2000  # commits of the best's lineage that are followed
BESTS = 4  # boards whose best is followed


@get("/graph", include_in_schema=False)
async def graph(
    request: Request[Any, Any, Any],
    hub: TheHub,
    before: Annotated[int | None, QueryParameter(required=False, ge=1, le=ID_MAX)] = None,
    focus: Annotated[str | None, QueryParameter(required=False, max_length=40)] = None,
) -> Response[bytes]:
    """Which commit was built on which."""

    def make() -> dict[str, object]:
        found, older = window(hub.db.reader, before, focus)
        return {"graph": found, "older": older, "focus": focus or "", "paged": before is not None}

    return await answer_cached(request, hub, "graph.html", make)


def window(
    reader: Reader, before: int | None, focus: str | None
) -> tuple[graph_layout.Graph, int | None]:
    """The commits of one window, newest first, and where the older ones begin. Raises NotFound for an unknown focus."""
    if focus:
        before = int(rules.find(reader, focus)[0]) + WINDOW // 2
    shown = rules.latest(reader, WINDOW, 0, None if before is None else str(before))
    first, last = (shown[-1].seq or 0, shown[0].seq or 0) if shown else (0, 0)
    found = graph_layout.lay_out(shown, known(reader, first, last), best_line(reader, first))
    return found, first if len(shown) == WINDOW else None


def known(reader: Reader, first: int, last: int) -> dict[str, graph_layout.Known]:
    """What results say of the commits from one seq to another; a later result replaces an earlier one, a record stays."""
    found: dict[str, graph_layout.Known] = {}
    for _, commit_hash, status, value, leads, platform, track in overview.in_stretch(
        reader, first, last
    ):
        verdict: graph_layout.Verdict = "record" if leads else status
        if found.get(commit_hash, graph_layout.UNKNOWN).verdict != "record":
            found[commit_hash] = graph_layout.Known(verdict, value, (platform, track))
    return found


def best_line(reader: Reader, first: int) -> set[str]:
    """The lineages of the bests of the boards led last, as far back as `first`."""
    line: set[str] = set()
    for platform, track in results.boards(reader, BESTS):
        best = wire.Result(*results.records(reader, platform, track, 1)[0])
        place = rows.place(reader, best.commit_hash) if best.commit_hash else None
        if place and place[0] >= first:
            most = min(
                LINE_MAX, place[0] - first + 1
            )  # a first parent's seq is lower by one at least
            line |= {row[1] for row in rows.lineage(reader, place[0], most) if row[0] >= first}
    return line
