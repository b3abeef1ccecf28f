"""SQL of commits and their parents, and the walks through history.

`seq` grows from parents to children, which bounds every walk. Hidden commits stay where they are
for git's sake: lists leave them out, a lineage keeps their place but not their words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoresearch.hub.store.acts import pattern_of
from autoresearch.hub.store.statements import Filter, Reader, Transaction, conditions
from autoresearch.hub.values import CommitPlace, ModeratedCommit, NewCommit, StoredCommit
from autoresearch.models import Commit

HASH_DIGITS = 40
_COMMIT = "seq, hash, parents, agent_id, message, created_at"
_STORED = "seq, hash, parents, agent_id, message, created_at, tree, is_leaf, hidden"
_PLACE = "seq, hash, tree, root_seq, generation"
_PLACE_OF = f"SELECT {_PLACE} FROM commits WHERE hash = :hash"
_FILTERS = {
    "agent_id": "agent_id = :agent_id",
    "is_leaf": "is_leaf = 1",
    "parent_seq": "seq IN (SELECT child_seq FROM commit_parents WHERE parent_seq = :parent_seq)",
    "before": "seq < :before",
}
_ADD = """
    INSERT INTO commits (hash, parents, agent_id, message, created_at, tree,
        parent_seq, root_seq, generation, is_leaf)
    VALUES (:hash, :parents, :agent_id, :message, :created_at, :tree,
        :parent_seq, :root_seq, :generation, 1)
    RETURNING seq
"""
_ADD_NUMBERED = _ADD.replace("(hash", "(seq, hash").replace("(:hash", "(:seq, :hash")
_ADD_PARENT = """
    INSERT INTO commit_parents (child_seq, position, parent_seq)
    VALUES (:child_seq, :position, :parent_seq)
"""
_LINE = """
    WITH RECURSIVE line (seq, parent_seq, n) AS (
        SELECT seq, parent_seq, 1 FROM commits WHERE seq = :seq
        UNION ALL
        SELECT commits.seq, commits.parent_seq, line.n + 1
        FROM commits JOIN line ON commits.seq = line.parent_seq WHERE line.n < :most
    )
"""
_LINEAGE = f"""
    {_LINE}
    SELECT seq, hash, parents, agent_id,
        CASE WHEN hidden = 0 THEN message ELSE '' END AS message, created_at
    FROM commits WHERE seq IN (SELECT seq FROM line) ORDER BY seq DESC
"""
_HISTORY = """
    WITH RECURSIVE back (seq) AS (
        SELECT seq FROM commits WHERE seq = :seq
        UNION
        SELECT commit_parents.parent_seq FROM commit_parents JOIN back ON child_seq = back.seq
    )
    SELECT seq FROM back ORDER BY seq
"""


def _commit(
    seq: int, hash: str, parents: str, agent_id: str, message: str, created_at: str
) -> Commit:
    return Commit(hash, parents[:HASH_DIGITS], agent_id, message, created_at, parents.split(), seq)


def latest_commits(reader: Reader, most: int, skip: int = 0, **filters: Filter) -> list[Commit]:
    """Commits that are not hidden, newest first, filtered by any of _FILTERS."""
    sql = f"""
        SELECT {_COMMIT} FROM commits WHERE hidden = 0{conditions(_FILTERS, filters)}
        ORDER BY seq DESC LIMIT :most OFFSET :skip
    """
    return reader.all(_commit, sql, most=most, skip=skip, **filters)


def commits_on_board(
    reader: Reader, platform: str, track: str, before: int, most: int
) -> list[Commit]:
    """Commits in view that have results on a board, newest first."""
    sql = f"""
        WITH measured AS (
            SELECT DISTINCT commit_hash FROM results
            WHERE platform = :platform AND track = :track AND hidden = 0
        )
        SELECT {_COMMIT} FROM measured JOIN commits ON hash = commit_hash
        WHERE hidden = 0 AND seq < :before ORDER BY seq DESC LIMIT :most
    """
    return reader.all(_commit, sql, platform=platform, track=track, before=before, most=most)


def beginning_with(reader: Reader, digits: str) -> list[StoredCommit]:
    """Up to two commits whose hash begins with `digits`, hidden or not."""
    if len(digits) == HASH_DIGITS:
        sql = f"SELECT {_STORED} FROM commits WHERE hash = :hash"
        return reader.all(StoredCommit, sql, hash=digits)
    sql = f"SELECT {_STORED} FROM commits WHERE hash >= :first AND hash < :behind LIMIT 2"
    # "g" sorts behind every hex digit
    return reader.all(StoredCommit, sql, first=digits, behind=f"{digits}g")


def place(reader: Reader, commit_hash: str) -> CommitPlace | None:
    """Where a commit stands in the DAG, hidden or not."""
    return reader.one(CommitPlace, _PLACE_OF, hash=commit_hash)


def place_by_seq(reader: Reader, seq: int) -> CommitPlace:
    found = reader.one(CommitPlace, f"SELECT {_PLACE} FROM commits WHERE seq = :seq", seq=seq)
    assert found is not None  # the foreign keys hold
    return found


def places_by_seq(reader: Reader, seqs: Sequence[int]) -> dict[int, CommitPlace]:
    """The places of some hundred commits, by number."""
    marks = ", ".join(f":seq{number}" for number in range(len(seqs)))
    sql = f"SELECT {_PLACE} FROM commits WHERE seq IN ({marks})"
    values = {f"seq{number}": seq for number, seq in enumerate(seqs)}
    return {place.seq: place for place in reader.all(CommitPlace, sql, **values)}


def parents_by_seq(reader: Reader, seqs: Sequence[int]) -> dict[int, list[int]]:
    """The numbers of the parents of some hundred commits; roots are left out."""
    marks = ", ".join(f":seq{number}" for number in range(len(seqs)))
    sql = f"""
        SELECT child_seq, parent_seq FROM commit_parents WHERE child_seq IN ({marks})
        ORDER BY child_seq, position
    """
    values = {f"seq{number}": seq for number, seq in enumerate(seqs)}
    found: dict[int, list[int]] = {}
    for child, parent in reader.pairs(sql, **values):
        found.setdefault(child, []).append(parent)
    return found


def parent_seqs(reader: Reader, seq: int) -> list[int]:
    sql = "SELECT parent_seq FROM commit_parents WHERE child_seq = :seq ORDER BY position"
    return reader.column(sql, seq=seq)


def child_seqs(reader: Reader, seq: int) -> list[int]:
    return reader.column("SELECT child_seq FROM commit_parents WHERE parent_seq = :seq", seq=seq)


def has_children(reader: Reader, seq: int) -> bool:
    sql = "SELECT child_seq FROM commit_parents WHERE parent_seq = :seq LIMIT 1"
    return reader.value(sql, seq=seq) is not None


def lineage(reader: Reader, seq: int, most: int) -> list[Commit]:
    """A commit and its first parents, at most `most`, newest first."""
    return reader.all(_commit, _LINEAGE, seq=seq, most=most)


def lineage_seqs(reader: Reader, seq: int, most: int) -> list[int]:
    """The numbers of a commit and its first parents, at most `most`, newest first."""
    return reader.column(f"{_LINE} SELECT seq FROM line ORDER BY seq DESC", seq=seq, most=most)


def history(reader: Reader, seq: int) -> list[int]:
    """The numbers of a commit and of everything before it, oldest first."""
    return reader.column(_HISTORY, seq=seq)


def last_seq(reader: Reader) -> int:
    return int(reader.value("SELECT coalesce(max(seq), 0) FROM commits"))


def first(reader: Reader) -> str:
    """The hash of the oldest commit in view; empty where there is none."""
    sql = "SELECT hash FROM commits WHERE hidden = 0 ORDER BY seq LIMIT 1"
    return str(reader.value(sql) or "")


def leaves(reader: Reader, most: int) -> list[str]:
    """The hashes of the newest leaves."""
    sql = "SELECT hash FROM commits WHERE is_leaf = 1 AND hidden = 0 ORDER BY seq DESC LIMIT :most"
    return reader.column(sql, most=most)


def shown_beginning_with(reader: Reader, digits: str, only_leaves: bool) -> list[str]:
    """The hashes of commits in view, or of leaves only, that begin with `digits`; newest first."""
    sql = f"""
        SELECT hash FROM commits WHERE hidden = 0 AND hash >= :first AND hash < :behind
        {"AND is_leaf = 1" if only_leaves else ""} ORDER BY seq DESC
    """
    return reader.column(sql, first=digits, behind=f"{digits}g")


def add_commit(
    tx: Transaction, new: NewCommit, on: Sequence[CommitPlace], seq: int | None = None
) -> None:
    """List a commit on top of `on`, the places of its parents, under the next number or `seq`."""
    first = on[0] if on else None
    seq = tx.value(
        _ADD if seq is None else _ADD_NUMBERED, **({} if seq is None else {"seq": seq}),
        hash=new.hash, parents=new.parents, agent_id=new.agent_id, message=new.message,
        created_at=new.created_at, tree=new.tree,
        parent_seq=first.seq if first else None,
        root_seq=first.root_seq if first else 0,
        generation=first.generation + 1 if first else 0,
    )  # fmt: skip
    if first is None:
        tx.run("UPDATE commits SET root_seq = seq WHERE seq = :seq", seq=seq)
    for position, parent in enumerate(on):
        tx.run(_ADD_PARENT, child_seq=seq, position=position, parent_seq=parent.seq)
        tx.run("UPDATE commits SET is_leaf = 0 WHERE seq = :seq AND is_leaf = 1", seq=parent.seq)


def every_commit(reader: Reader) -> Iterator[StoredCommit]:
    """Every commit, hidden or not, oldest first, page by page."""
    sql = f"SELECT {_STORED} FROM commits WHERE seq > :behind"
    return reader.every(StoredCommit, sql, "seq")


def after(reader: Reader, seq: int, most: int) -> list[StoredCommit]:
    """The next commits behind a number, hidden or not, oldest first."""
    sql = f"SELECT {_STORED} FROM commits WHERE seq > :seq ORDER BY seq LIMIT :most"
    return reader.all(StoredCommit, sql, seq=seq, most=most)


def moderated_commits(reader: Reader, most: int, words: str = "") -> list[ModeratedCommit]:
    """The newest commits with the beginnings of their messages, hidden or not, whose hash, author
    or message holds the words."""
    sql = """
        SELECT hash, agent_id, substr(message, 1, 400) AS text, hidden FROM commits
        WHERE lower(hash || ' ' || agent_id || ' ' || message) LIKE :pattern ESCAPE '!'
        ORDER BY seq DESC LIMIT :most
    """
    return reader.all(ModeratedCommit, sql, pattern=pattern_of(words), most=most)


def set_hidden(tx: Transaction, commit_hash: str, hidden: bool) -> None:
    sql = "UPDATE commits SET hidden = :hidden WHERE hash = :hash"
    tx.run(sql, hash=commit_hash, hidden=int(hidden))


def hidden_commits(reader: Reader) -> list[str]:
    return reader.column("SELECT hash FROM commits WHERE hidden = 1")


def hidden_seqs(reader: Reader) -> list[int]:
    """Newest first."""
    return reader.column("SELECT seq FROM commits WHERE hidden = 1 ORDER BY seq DESC")


def seqs_behind(reader: Reader, behind: int, most: int) -> list[int]:
    """The numbers of the next commits, hidden or not, oldest first."""
    sql = "SELECT seq FROM commits WHERE seq > :behind ORDER BY seq LIMIT :most"
    return reader.column(sql, behind=behind, most=most)


def count_visible_children(reader: Reader, seq: int) -> int:
    sql = """
        SELECT count(*) FROM commit_parents JOIN commits ON commits.seq = child_seq
        WHERE commit_parents.parent_seq = :seq AND commits.hidden = 0
    """
    return int(reader.value(sql, seq=seq))


def clear(tx: Transaction) -> None:
    """Forget every commit, to be indexed anew from the objects."""
    tx.run("DELETE FROM commit_parents")
    tx.run("DELETE FROM commits")


def root(reader: Reader) -> str:
    """The hash of the hub's canonical root; empty where the operator has published none."""
    return str(reader.value("SELECT value FROM settings WHERE name = 'root'") or "")


def set_root(tx: Transaction, commit_hash: str) -> None:
    sql = """
        INSERT INTO settings (name, value) VALUES ('root', :hash)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
    """
    tx.run(sql, hash=commit_hash)
