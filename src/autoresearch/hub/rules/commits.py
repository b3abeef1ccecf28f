"""Reading the DAG: which commit is meant, and lists of them.

Knows nothing of HTTP; taking commits in is `push`, handing them out `fetch`.
"""

from __future__ import annotations

from array import array

from autoresearch import entries
from autoresearch.errors import BadInput, Conflict, NotFound
from autoresearch.git.fsck import COMMIT, KINDS
from autoresearch.hub.store import commits, events, log_entries, objects, results, search
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import BoardName, CommitPlace, StoredCommit
from autoresearch.models import Commit

DIGITS_MIN, DIGITS_MAX = 4, 40
_HEX = frozenset("0123456789abcdef")
LINEAGE_MAX = 10_000  # commits of one answer
BEST_LINEAGE_MAX = 2000  # commits of a best lineage that are followed


def find(reader: Reader, digits: str) -> StoredCommit:
    """The one commit whose hash begins with `digits` (4 to 40 hex digits, any case).

    Raises BadInput for what is no hash, Conflict for an ambiguous one, NotFound for an unknown or
    hidden one.
    """
    lower = digits.lower()
    if not DIGITS_MIN <= len(lower) <= DIGITS_MAX or set(lower) - _HEX:
        raise BadInput(
            f"{digits[:64]!r} is no hash: it has {DIGITS_MIN} to {DIGITS_MAX} hex digits"
        )
    found = commits.beginning_with(reader, lower)
    if len(found) > 1:
        raise Conflict(
            f"{lower!r} is ambiguous: it begins {found[0].hash} and {found[1].hash};"
            " give more digits"
        )
    if not found:
        raise NotFound(_why_not(reader, lower))
    if found[0].hidden:
        raise NotFound(f"commit {found[0].hash} was hidden by this hub's operator")
    return found[0]


def _why_not(reader: Reader, lower: str) -> str:
    kind = objects.kind(reader, bytes.fromhex(lower)) if len(lower) == DIGITS_MAX else None
    if kind is not None and kind != COMMIT:
        return f"{lower} is a {KINDS[kind]}, not a commit"
    return f"no commit {lower!r}; GET /api/git/commits lists those this hub has"


def one(reader: Reader, digits: str) -> Commit:
    found = find(reader, digits)
    return Commit(
        found.hash, found.parents[:DIGITS_MAX], found.agent_id, found.message, found.created_at,
        found.parents.split(), found.seq,
    )  # fmt: skip


def latest(
    reader: Reader, most: int, skip: int = 0, before: str | None = None, agent: str | None = None
) -> list[Commit]:
    """Commits newest first, of everyone or of one agent."""
    behind = find_cursor(reader, before)
    return commits.latest_commits(reader, most, skip, agent_id=agent or None, before=behind)


def leaves(reader: Reader, most: int, skip: int = 0, before: str | None = None) -> list[Commit]:
    """Commits nobody has built on, newest first."""
    return commits.latest_commits(reader, most, skip, is_leaf=1, before=find_cursor(reader, before))


def newest_leaves(reader: Reader, most: int) -> list[str]:
    """The hashes of the newest commits that nobody has built on."""
    return commits.leaves(reader, most)


def children(
    reader: Reader, digits: str, most: int, skip: int = 0, before: str | None = None
) -> list[Commit]:
    """Commits that name this one as a parent, first or other, newest first."""
    parent_seq = find_seq(reader, digits)
    behind = find_cursor(reader, before)
    return commits.latest_commits(reader, most, skip, parent_seq=parent_seq, before=behind)


def lineage(reader: Reader, digits: str, most: int, before: str | None = None) -> list[Commit]:
    """A commit and its first parents, newest first.

    `before`, the last one of a page, continues behind it.
    """
    start = find_seq(reader, digits)
    last = find_cursor(reader, before)
    if last is None:
        return commits.lineage(reader, start, most)
    return commits.lineage(reader, min(last, start), most + 1)[1:]


def find_cursor(reader: Reader, before: str | None) -> int | None:
    """`before` as a seq: given as the `seq` of a commit, or as its hash.

    Digits beyond every number of this hub's are a hash where there is such a commit: as a number
    they would give the first page again, for ever.
    """
    if before is None:
        return None
    if not (before.isascii() and before.isdecimal() and len(before) < 19):
        return find_seq(reader, before)
    may_be_hash = len(before) >= DIGITS_MIN and (
        before[0] == "0" or int(before) > commits.last_seq(reader)
    )
    if may_be_hash and commits.beginning_with(reader, before):
        return find_seq(reader, before)
    return int(before)


def find_seq(reader: Reader, digits: str) -> int:
    """The number of the one commit whose hash begins with `digits`. Raises as `find` does."""
    return find(reader, digits).seq


def leading_seqs(reader: Reader, most_boards: int) -> list[int]:
    """The numbers of the commits that lead a board, of the boards that were led last."""
    places = (_place_best(reader, board) for board in results.led_boards(reader, most_boards))
    return [place.seq for place in places if place is not None]


def line_seqs(reader: Reader, seq: int) -> array[int]:
    """The numbers of a commit and its first parents, newest first. They never change."""
    return array("q", commits.lineage_seqs(reader, seq, BEST_LINEAGE_MAX))


def _place_best(reader: Reader, board: BoardName) -> CommitPlace | None:
    best = results.leaders(reader, *board, 1)
    return commits.place(reader, best[0].commit_hash) if best and best[0].commit_hash else None


def best_lineage(reader: Reader, board: BoardName, first_seq: int, most: int) -> list[Commit]:
    """The best commit of a board and its first parents, newest first, back to that number."""
    place = _place_best(reader, board)
    if place is None or place.seq < first_seq:
        return []
    # a first parent's seq is lower by one at least
    most = min(most, place.seq - first_seq + 1)
    return [c for c in commits.lineage(reader, place.seq, most) if c.seq >= first_seq]


def on_board(reader: Reader, board: BoardName, before: int | None, most: int) -> list[Commit]:
    """Commits that have results on a board, newest first."""
    last = commits.last_seq(reader) + 1 if before is None else before
    return commits.commits_on_board(reader, *board, last, most)


def check_hash(reader: Reader, commit_hash: str) -> None:
    """Raises NotFound for what is not the whole hash of a commit here, hidden or not."""
    if commits.place(reader, commit_hash) is None:
        raise NotFound(
            f"no commit {commit_hash!r} here; a whole hash is needed, `ah log --json` shows them"
        )


def hide(tx: Transaction, digits: str, hidden: bool) -> str:
    """Take a commit from view, or bring it back; its hash. What others built on it stays.

    A whole hash names any commit, fewer digits one in view. Raises NotFound.
    """
    if len(digits) == DIGITS_MAX and commits.place(tx, digits.lower()) is not None:
        commit_hash = digits.lower()
    else:
        commit_hash = find(tx, digits).hash
    commits.set_hidden(tx, commit_hash, hidden)
    search.set_hidden(tx, "commit", commit_hash, hidden)
    log_entries.append(tx, entries.hiding("commit", commit_hash, hidden, tx.now))
    events.append(tx, "hidden" if hidden else "restored", {"kind": "commit", "id": commit_hash})
    return commit_hash


def describe_hiding(reader: Reader, commit_hash: str, hidden: bool) -> str:
    """What hiding a commit, or showing it again, comes to."""
    if not hidden:
        return f"commit {commit_hash} is shown again"
    place = commits.place(reader, commit_hash)
    children = commits.count_visible_children(reader, place.seq) if place else 0
    built = (
        f"; {children} commits in view build on it, and whoever clones those still gets it"
        if children
        else ""
    )
    return f"commit {commit_hash} is hidden{built}"


def root_hash(reader: Reader) -> str:
    """The hash of the commit everybody should start from; empty where the operator has published
    none.
    """
    return commits.root(reader)


def root(reader: Reader) -> Commit:
    """The commit everybody should start from.

    Raises NotFound where the operator has published none.
    """
    canonical = commits.root(reader)
    if not canonical:
        raise NotFound(
            "this hub has no canonical root; push your own baseline,"
            " or build on a leaf (GET /api/git/leaves)"
        )
    return one(reader, canonical)
