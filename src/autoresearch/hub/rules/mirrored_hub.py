"""A mirror of another hub: a data folder of its own, brought up to what the hub's log says.

Safe to interrupt at any moment and to repeat: what is proven and kept is not asked for again. A
mirror is served like any hub; its log is the other one's as long as nobody writes to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from autoresearch.errors import Conflict
from autoresearch.hub.rules.mirrored_commits import list_absent, take_commits
from autoresearch.hub.rules.mirrored_log import LogSource, follow_log, replay_log
from autoresearch.hub.rules.mirrored_rows import list_due, settle_marks, take_rows
from autoresearch.hub.store import events, log_entries, migrate, mirrored
from autoresearch.hub.store.database import Database
from autoresearch.log_replay import LogReplay
from autoresearch.models import TreeHead

ROUNDS_MAX = 3  # what was hidden or spelled anew after one head is explained by the next
Tell = Callable[[str, int, int], None]  # of what, how many are done, how many there are in all


def open_mirror(folder: Path, url: str) -> Database:
    """The database of a mirror, made where there is none. Raises Conflict where the folder holds
    another hub.
    """
    migrate.prepare(folder)
    db = Database(folder)
    try:
        found = mirrored.origin(db.reader)
        if found and found != url:
            raise Conflict(f"{folder} is a mirror of {found}")
        if not found:
            with db.write() as tx:
                mirrored.begin_mirror(tx, url)
    except BaseException:
        db.close()
        raise
    return db


def update_mirror(
    db: Database, source: LogSource, heads: Iterable[TreeHead], tell: Tell
) -> tuple[LogReplay, TreeHead]:
    """Bring a mirror up to the hub as it is now; what of it does not hold, and the head that it
    was proved against.

    Raises Conflict where the hub shows what its log does not bear; nothing of that is kept.
    """
    heads = tuple(heads)
    left: set[tuple[str, str]] = set()
    for _ in range(ROUNDS_MAX):
        head = source.log_head()
        try:
            replay, left = _follow(db, source, heads, head, tell)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Conflict(f"the hub's log says what no hub can say: {error}") from error
        if replay.findings or not left:
            break
    for kind, ref in sorted(left):
        replay.note(kind, ref, "is in the log and in view, and the hub does not hand it out")
    return replay, head


def _follow(
    db: Database, source: LogSource, heads: Iterable[TreeHead], head: TreeHead, tell: Tell
) -> tuple[LogReplay, set[tuple[str, str]]]:
    """One round: the log, the rows, the commits, and the marks on them."""
    before = log_entries.count(db.reader)
    for size in follow_log(db, source, head):
        tell("entries", size - before, head.size - before)
    replay = replay_log(db.reader, heads, head)
    if replay.findings:
        return replay, set()
    left: set[tuple[str, str]] = set()
    due = len(list_due(db.reader, replay))
    for done, lacking in take_rows(db, source, replay):
        left.update((entry.kind, entry.ref) for entry in lacking)
        tell("rows", done, due)
    due = len(list_absent(db.reader, replay))
    for done, missing in take_commits(db, source, replay):
        left.update(("commit", name) for name in missing)
        tell("commits", done, due)
    with db.write() as tx:
        settle_marks(tx, replay, left)
        if head.size > before:
            events.append(tx, "hub.restored", {})  # whoever serves it looks anew
    return replay, left
