"""The DAG, a window of it at a time: the newest commits, those before, or those around one."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch.hub.routes.common import ID_MAX, TheHub
from autoresearch.hub.rules import commits as rules
from autoresearch.hub.store import commits as rows
from autoresearch.hub.store import overview
from autoresearch.hub.store.database import Reader
from autoresearch.hub.window import boards, dag
from autoresearch.hub.window.page import page, remembered

WINDOW = 120
LINE_MAX = 2000  # commits of the best's lineage that are followed


@get("/graph", include_in_schema=False)
async def graph(
    request: Request[Any, Any, Any],
    hub: TheHub,
    before: Annotated[int | None, QueryParameter(required=False, ge=1, le=ID_MAX)] = None,
    focus: Annotated[str | None, QueryParameter(required=False, max_length=40)] = None,
) -> Response[bytes]:
    """Which commit was built on which."""

    def make() -> tuple[dag.Graph, int | None]:
        return window(hub.db.reader, boards.sizes(hub), before, focus)

    found, older = await hub.off_loop(lambda: remembered(hub, ("graph", before, focus), make))
    return page(request, "graph.html", graph=found, older=older, focus=focus or "", paged=before is not None)


def window(reader: Reader, sizes: boards.Sizes, before: int | None, focus: str | None) -> tuple[dag.Graph, int | None]:
    """The commits of one window, newest first, and where the older ones begin. Raises NotFound for an unknown focus."""
    if focus:
        before = int(rules.find(reader, focus)[0]) + WINDOW // 2
    shown = rules.latest(reader, WINDOW, 0, None if before is None else str(before))
    first, last = (shown[-1].seq or 0, shown[0].seq or 0) if shown else (0, 0)
    return dag.lay_out(shown, known(reader, first, last), best_line(reader, sizes, first)), first if len(
        shown
    ) == WINDOW else None


def known(reader: Reader, first: int, last: int) -> dict[str, dag.Known]:
    """What results say of the commits from one seq to another; a later result replaces an earlier one, a record stays."""
    found: dict[str, dag.Known] = {}
    for _, commit_hash, status, value, leads in overview.in_stretch(reader, first, last):
        verdict: dag.Verdict = "record" if leads else status
        if found.get(commit_hash, dag.UNKNOWN).verdict != "record":
            found[commit_hash] = dag.Known(verdict, value, 1.0 if leads else 0.4 if status == "keep" else 0.0)
    return found


def best_line(reader: Reader, sizes: boards.Sizes, first: int) -> set[str]:
    """The lineages of every board's best, as far back as `first`."""
    line: set[str] = set()
    for board in boards.summaries(reader, sizes, 4):
        if board.best and board.best.commit_hash:
            place = rows.place(reader, board.best.commit_hash)
            if place and place[0] >= first:
                line |= {row[1] for row in rows.lineage(reader, place[0], LINE_MAX) if row[0] >= first}
    return line
