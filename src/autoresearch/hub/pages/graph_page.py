"""The DAG, 120 commits at a time: the newest, those before a commit, or those around one."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch.hub.pages import board_views, graph_layout
from autoresearch.hub.pages.graph_layout import CommitVerdict
from autoresearch.hub.pages.leaderboard_pages import BoardWord
from autoresearch.hub.pages.rendering import answer_cached
from autoresearch.hub.routes.common import ID_MAX, TheHub, ThePlatform
from autoresearch.hub.rules import commits, leaderboards, metric_names
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName
from autoresearch.models import Commit, Result

COMMITS_MAX = 120
BOARDS_MAX = 60  # boards whose best lineage is drawn


@get("/graph", include_in_schema=False)
async def show_graph(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    before: Annotated[int | None, QueryParameter(required=False, ge=1, le=ID_MAX)] = None,
    focus: Annotated[str | None, QueryParameter(required=False, max_length=40)] = None,
    track: BoardWord = None,
) -> Response[bytes]:
    """Which commit was built on which: of the whole hub, or of one board."""
    board = BoardName(platform, track or "") if platform else None

    def read() -> dict[str, object]:
        found, older = (
            read_board_graph(hub, board, before) if board else read_graph(hub, before, focus)
        )
        return {
            "graph": found,
            "older": older,
            "focus": focus or "",
            "paged": before is not None,
            "board": board,
            "metrics": {name: metric_names.of_board(hub.db.reader, *name) for name in found.boards},
            "every": board_views.list_boards(hub),
        }

    return await answer_cached(request, hub, "graph.html", read)


def read_board_graph(
    hub: Services, board: BoardName, before: int | None
) -> tuple[graph_layout.GraphLayout, int | None]:
    """The commits with results on a board, and between them the lineage of its best."""
    reader = hub.db.reader
    measured = commits.on_board(reader, board, before, COMMITS_MAX)
    first, last = (measured[-1].seq, measured[0].seq) if measured else (0, 0)
    line = commits.best_lineage(reader, board, first, COMMITS_MAX)
    known = {c.hash: c for c in (*line, *measured) if c.seq <= last}
    shown = sorted(known.values(), key=lambda commit: -commit.seq)[:COMMITS_MAX]
    hashes = [commit.hash for commit in shown]
    verdicts = note_verdicts(leaderboards.board_points_of(reader, board, hashes))
    found = graph_layout.lay_out(shown, verdicts, {commit.hash for commit in line})
    return found, shown[-1].seq if len(measured) == COMMITS_MAX else None


def read_graph(
    hub: Services, before: int | None, focus: str | None
) -> tuple[graph_layout.GraphLayout, int | None]:
    """The graph, newest commit first, and where the older commits begin.

    Raises NotFound for an unknown focus.
    """
    reader = hub.db.reader
    if focus:
        before = commits.find_seq(reader, focus) + COMMITS_MAX // 2
    shown = commits.latest(reader, COMMITS_MAX, 0, None if before is None else str(before))
    first, last = (shown[-1].seq, shown[0].seq) if shown else (0, 0)
    on_best = find_on_best(hub, shown)
    found = graph_layout.lay_out(shown, read_verdicts(hub, first, last), on_best)
    return found, first if len(shown) == COMMITS_MAX else None


def find_on_best(hub: Services, shown: Sequence[Commit]) -> set[str]:
    """Those of the commits shown, newest first, on which the best of a board was built."""
    by_seq = {commit.seq: commit.hash for commit in shown}
    leading = commits.leading_seqs(hub.db.reader, BOARDS_MAX)
    lines = [_read_line(hub, seq) for seq in leading if shown and seq >= shown[-1].seq]
    return {by_seq[seq] for line in lines for seq in by_seq.keys() & set(line)}


def _read_line(hub: Services, seq: int) -> array[int]:
    """Read once: sixty lineages of thousands of commits take most of a second."""
    return hub.page_cache.get_in_thread(
        ("line", seq), 0, lambda: commits.line_seqs(hub.db.reader, seq)
    )


def read_verdicts(hub: Services, first_seq: int, last_seq: int) -> dict[str, CommitVerdict]:
    """By commit: what its results say."""
    return note_verdicts(leaderboards.commit_results(hub.db.reader, first_seq, last_seq))


def note_verdicts(reported: Iterable[Result]) -> dict[str, CommitVerdict]:
    """Results oldest first. A later one replaces an earlier one of its commit, never a record."""
    found: dict[str, CommitVerdict] = {}
    for result in reported:
        commit_hash = result.commit_hash or ""
        old = found.get(commit_hash)
        if old is None or old.verdict != "record":
            verdict: graph_layout.Verdict = "record" if result.leads else result.status
            board = (result.platform, result.track)
            found[commit_hash] = CommitVerdict(verdict, result.val_bpb, board)
    return found
