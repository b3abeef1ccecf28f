"""Reading the DAG: which commit is meant, and lists of them. Knows nothing of HTTP; taking commits in is `push`, handing them out `fetch`."""

from __future__ import annotations

from collections.abc import Sequence

from autoresearch import models
from autoresearch.errors import BadInput, Conflict, NotFound
from autoresearch.git.fsck import COMMIT, KINDS
from autoresearch.hub.store import commits, events, objects, results, search
from autoresearch.hub.store.database import Reader, Row, Transaction

DIGITS_MIN, DIGITS_MAX = 4, 40
_HEX = frozenset("0123456789abcdef")
LINEAGE_MAX = 10_000  # commits of one answer
BEST_LINEAGE_MAX = 2000  # commits of a best lineage that are followed


def find(reader: Reader, digits: str) -> Row:
    """COMMIT columns of the one commit whose hash begins with `digits` (4 to 40 hex digits, any case).

    Raises BadInput for what is no hash, Conflict for an ambiguous one, NotFound for an unknown or hidden one.
    """
    lower = digits.lower()
    if not DIGITS_MIN <= len(lower) <= DIGITS_MAX or set(lower) - _HEX:
        raise BadInput(
            f"{digits[:64]!r} is no hash: it has {DIGITS_MIN} to {DIGITS_MAX} hex digits"
        )
    found = commits.by_digits(reader, lower)
    if len(found) > 1:
        raise Conflict(
            f"{lower!r} is ambiguous: it begins {found[0][1]} and {found[1][1]}; give more digits"
        )
    if not found:
        raise NotFound(_why_not(reader, lower))
    if found[0][6]:
        raise NotFound(f"commit {found[0][1]} was hidden by this hub's operator")
    return found[0]


def _why_not(reader: Reader, lower: str) -> str:
    kind = objects.kind(reader, bytes.fromhex(lower)) if len(lower) == DIGITS_MAX else None
    if kind is not None and kind != COMMIT:
        return f"{lower} is a {KINDS[kind]}, not a commit"
    return f"no commit {lower!r}; GET /api/git/commits lists those this hub has"


def told(row: Row) -> models.Commit:
    """A row as the wire tells it; a hidden one keeps its place but not its words."""
    _, commit_hash, parents, agent_id, message, created_at, hidden = row
    return models.Commit(
        commit_hash,
        parents[:40],
        agent_id,
        "" if hidden else message,
        created_at,
        parents.split(),
        row[0],
    )


def _told(rows: Sequence[Row]) -> list[models.Commit]:
    return [told(row) for row in rows]


def one(reader: Reader, digits: str) -> models.Commit:
    return told(find(reader, digits))


def latest(
    reader: Reader, most: int, skip: int = 0, before: str | None = None, agent: str | None = None
) -> list[models.Commit]:
    """Commits newest first, of everyone or of one agent."""
    return _told(
        commits.latest(
            reader, "agent" if agent else "all", most, skip, cursor(reader, before), agent or None
        )
    )


def leaves(
    reader: Reader, most: int, skip: int = 0, before: str | None = None
) -> list[models.Commit]:
    """Commits nobody has built on, newest first."""
    return _told(commits.latest(reader, "leaves", most, skip, cursor(reader, before)))


def children(
    reader: Reader, digits: str, most: int, skip: int = 0, before: str | None = None
) -> list[models.Commit]:
    """Commits that name this one as a parent, first or other, newest first."""
    of = find(reader, digits)[0]
    return _told(commits.latest(reader, "children", most, skip, cursor(reader, before), of))


def lineage(
    reader: Reader, digits: str, most: int, before: str | None = None
) -> list[models.Commit]:
    """A commit and its first parents, newest first. `before`, the last one of a page, continues behind it."""
    start = find(reader, digits)[0]
    last = cursor(reader, before)
    if last is None:
        return _told(commits.lineage(reader, start, most))
    return _told(commits.lineage(reader, min(last, start), most + 1)[1:])


def cursor(reader: Reader, before: str | None) -> int | None:
    """`before` as a seq: given as the `seq` of a commit, or as its hash."""
    if before is None:
        return None
    if before.isascii() and before.isdecimal() and len(before) < 19:
        return int(before)
    return int(find(reader, before)[0])


def find_seq(reader: Reader, digits: str) -> int:
    """The number of the one commit whose hash begins with `digits`. Raises as `find` does."""
    return int(find(reader, digits)[0])


def best_lineages(reader: Reader, first_seq: int, most_boards: int) -> set[str]:
    """The hashes of the best commits and of their first parents, back to the one numbered `first_seq`.

    Best of the boards that were led last.
    """
    line: set[str] = set()
    for platform, track in results.boards(reader, most_boards):
        best = models.Result(*results.records(reader, platform, track, 1)[0])
        place = commits.place(reader, best.commit_hash) if best.commit_hash else None
        if place and place[0] >= first_seq:
            # a first parent's seq is lower by one at least
            most = min(BEST_LINEAGE_MAX, place[0] - first_seq + 1)
            line |= {
                row[1] for row in commits.lineage(reader, place[0], most) if row[0] >= first_seq
            }
    return line


def hide(tx: Transaction, digits: str, hidden: bool) -> str:
    """Take a commit from view, or bring it back; its hash. What others built on it stays.

    A whole hash names any commit, fewer digits one in view. Raises NotFound.
    """
    if len(digits) == DIGITS_MAX and commits.place(tx, digits.lower()) is not None:
        commit_hash = digits.lower()
    else:
        commit_hash = str(find(tx, digits)[1])
    commits.set_hidden(tx, commit_hash, hidden)
    search.set_hidden(tx, "commit", commit_hash, hidden)
    events.append(tx, "hidden" if hidden else "restored", {"kind": "commit", "id": commit_hash})
    return commit_hash


def root_hash(reader: Reader) -> str:
    """The hash of the commit everybody should start from; empty where the operator has published none."""
    return commits.root(reader)


def root(reader: Reader) -> models.Commit:
    """The commit everybody should start from. Raises NotFound where the operator has published none."""
    canonical = commits.root(reader)
    if not canonical:
        raise NotFound(
            "this hub has no canonical root; push your own baseline, or build on a leaf (GET /api/git/leaves)"
        )
    return one(reader, canonical)
