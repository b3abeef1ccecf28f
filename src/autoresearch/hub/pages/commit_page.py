"""One commit: its message, its diff, its results and reproductions, and how to start from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from autoresearch import models
from autoresearch.errors import AutoresearchError
from autoresearch.hub.pages import markup
from autoresearch.hub.pages.rendering import answer_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import commits, diff, metric_names, results
from autoresearch.hub.services import Services

FILES_MAX = 40
CHILDREN_MAX = 30
RESULTS_MAX = 50


@dataclass(frozen=True)
class CommitDiff:
    """What a commit changed. `problem` says why there are no files."""

    files: list[markup.DiffFile]
    files_left_out: int
    problem: str


def read_commit(hub: Services, digits: str) -> dict[str, object]:
    """Everything the page shows. Raises BadInput, NotFound and Conflict as `rules.commits.find`."""
    reader = hub.db.reader
    commit = commits.one(reader, digits)
    reported = results.of_commit(reader, commit.hash, RESULTS_MAX)
    return {
        "commit": commit,
        "children": commits.children(reader, commit.hash, CHILDREN_MAX),
        "results": reported,
        "metrics": metric_names.of_boards(reader, reported),
        "verifications": results.verifications_of_commit(reader, commit.hash, RESULTS_MAX),
        "diff": read_diff(hub, commit),
    }


def find_diff(hub: Services, commit_hash: str | None) -> CommitDiff:
    """The diff of a commit that may not be here."""
    if commit_hash is None:
        return CommitDiff([], 0, "The commit was not pushed to this hub.")
    try:
        return read_diff(hub, commits.one(hub.db.reader, commit_hash))
    except AutoresearchError as error:
        return CommitDiff([], 0, f"The diff cannot be shown: {error}.")


def diff_commits(hub: Services, old: str | None, new: str | None) -> CommitDiff:
    """What changes from one commit to another, either of which may not be here."""
    if old is None or new is None:
        return CommitDiff([], 0, "One of the two commits was not pushed to this hub.")
    if old == new:
        return CommitDiff([], 0, "They are the same commit.")
    return _show_diff(hub, old, new, "The same files in both.")


def read_diff(hub: Services, commit: models.Commit) -> CommitDiff:
    if not commit.parent_hash:
        return CommitDiff([], 0, "This commit is a root: it has no parent to compare it with.")
    return _show_diff(hub, commit.parent_hash, commit.hash, "The same files as its parent.")


def _show_diff(hub: Services, old: str, new: str, alike: str) -> CommitDiff:
    try:
        found = diff.between(hub.db.reader, old, new)
    except AutoresearchError as error:
        return CommitDiff([], 0, f"The diff cannot be shown: {error}.")
    files, left_out = markup.read_diff(found.decode("utf-8", "replace"), FILES_MAX)
    return CommitDiff(files, left_out, "" if found else alike)


@get("/commits/{digits:str}", include_in_schema=False)
async def show_commit(
    request: Request[Any, Any, Any], hub: TheHub, digits: FromPath[str]
) -> Response[bytes]:
    """One commit."""
    return await answer_cached(
        request, hub, "commit.html", lambda: {"view": read_commit(hub, digits)}
    )
