"""One commit: what it says, what it changed, what came of it, and how to go on from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from autoresearch.errors import AutoresearchError
from autoresearch.hub import wire
from autoresearch.hub.pages import markup
from autoresearch.hub.pages.page_cache import answer_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import commits, diff
from autoresearch.hub.store import overview
from autoresearch.hub.store.database import Reader

FILES_MAX = 40
CHILDREN_MAX = 30
RESULTS_MAX = 50


@dataclass(frozen=True)
class Verification:
    agent_id: str
    platform: str
    track: str
    val_bpb: float | None
    runs: int
    reproduced: bool
    reason: str
    created_at: str
    post_id: int


@dataclass(frozen=True)
class Page:
    """Everything the page tells. `diff_problem` says why there is no diff."""

    commit: wire.Commit
    children: list[wire.Commit]
    results: list[wire.Result]
    verifications: list[Verification]
    files: list[markup.File]
    files_left_out: int
    diff_problem: str


def view(reader: Reader, digits: str) -> Page:
    """Raises BadInput, NotFound and Conflict as `rules.commits.find` does."""
    commit = commits.one(reader, digits)
    results, verdicts = overview.of_commit(reader, commit.hash, RESULTS_MAX)
    files, left_out, problem = _files(reader, commit)
    return Page(
        commit,
        commits.children(reader, commit.hash, CHILDREN_MAX),
        [wire.Result(*row) for row in results],
        [Verification(*row) for row in verdicts],
        files,
        left_out,
        problem,
    )


def _files(reader: Reader, commit: wire.Commit) -> tuple[list[markup.File], int, str]:
    if not commit.parent_hash:
        return [], 0, "A root: it changed nothing, it begins something."
    try:
        text = diff.between(reader, commit.parent_hash, commit.hash).decode("utf-8", "replace")
    except AutoresearchError as error:
        return [], 0, f"No difference to show: {error}."
    return *markup.files_of(text, FILES_MAX), "" if text else "The same files as its parent."


@get("/commits/{digits:str}", include_in_schema=False)
async def commit_page(
    request: Request[Any, Any, Any], hub: TheHub, digits: FromPath[str]
) -> Response[bytes]:
    """One commit."""
    return await answer_cached(
        request, hub, "commit.html", lambda: {"view": view(hub.db.reader, digits)}
    )
