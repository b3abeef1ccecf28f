"""Rows of commits and their parents, and the walks through history. `seq` grows from parents to children, which bounds every walk.

Hidden commits stay where they are for git's sake; lists leave them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Integer, Select, delete, func, insert, literal, select, update

from autoresearch.hub.store.database import Reader, Row, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import commit_parents, commits, settings

_C, _P = commits.c, commit_parents.c
COMMIT = (_C.seq, _C.hash, _C.parents, _C.agent_id, _C.message, _C.created_at, _C.hidden)
_NEW = (
    "hash",
    "parents",
    "agent_id",
    "message",
    "created_at",
    "tree",
    "parent_seq",
    "root_seq",
    "generation",
)

_ADD = Query(insert(commits).values(**given(*_NEW), is_leaf=1).returning(_C.seq))
_SET_ROOT = Query(update(commits).where(_C.seq == given("of")["of"]).values(root_seq=_C.seq))
_ADD_PARENT = Query(insert(commit_parents).values(**given("child_seq", "position", "parent_seq")))
_NO_LEAF = Query(
    update(commits).where(_C.seq == given("of")["of"], _C.is_leaf == 1).values(is_leaf=0)
)
_HIDE = Query(update(commits).where(_C.hash == given("of")["of"]).values(given("hidden")))
_PLACE = Query(
    select(_C.seq, _C.root_seq, _C.generation, _C.tree).where(_C.hash == given("hash")["hash"])
)
_BY_HASH = Query(select(*COMMIT).where(_C.hash == given("hash")["hash"]))
_BY_DIGITS = Query(
    select(*COMMIT)
    .where(_C.hash >= given("first")["first"], _C.hash < given("behind")["behind"])
    .limit(2)
)
_PARENT_SEQS = Query(
    select(_P.parent_seq).where(_P.child_seq == given("of")["of"]).order_by(_P.position)
)
_BY_SEQ = Query(select(_C.hash, _C.tree).where(_C.seq == given("of")["of"]))
_CLEAR = [Query(delete(commit_parents)), Query(delete(commits))]
_EVERY = Query(
    select(*COMMIT, _C.tree, _C.is_leaf)
    .where(_C.seq > given("behind")["behind"])
    .order_by(_C.seq)
    .limit(given("most")["most"])
)
_CHILD = Query(select(_P.child_seq).where(_P.parent_seq == given("of")["of"]).limit(1))
_PAGE = 500
_COUNT = Query(select(func.count()).select_from(commits))
_LEAVES = Query(
    select(_C.hash)
    .where(_C.is_leaf == 1, _C.hidden == 0)
    .order_by(_C.seq.desc())
    .limit(given("most")["most"])
)
_SETTING = Query(select(settings.c.value).where(settings.c.name == given("name")["name"]))
_SET = [
    Query(delete(settings).where(settings.c.name == given("name")["name"])),
    Query(insert(settings).values(**given("name", "value"))),
]

_line = (
    select(_C.seq, _C.parent_seq, literal(1, Integer).label("n"))
    .where(_C.seq == given("of")["of"])
    .cte("line", recursive=True)
)
_line = _line.union_all(
    select(_C.seq, _C.parent_seq, _line.c.n + 1)
    .join(_line, _C.seq == _line.c.parent_seq)
    .where(_line.c.n < given("most")["most"])
)
_LINEAGE = Query(select(*COMMIT).join(_line, _line.c.seq == _C.seq).order_by(_C.seq.desc()))
_back = select(given("of")["of"].label("seq")).cte("back", recursive=True)
_back = _back.union(select(_P.parent_seq).join(_back, _P.child_seq == _back.c.seq))
_HISTORY = Query(
    select(_C.seq, _C.hash, _C.tree).join(_back, _back.c.seq == _C.seq).order_by(_C.seq)
)


@lru_cache(maxsize=64)
def _list(kind: str, paged: bool) -> Query:
    """Commits newest first: all, those of an agent, leaves, or the children of one."""
    statement: Select[tuple[object, ...]] = (
        select(*COMMIT).where(_C.hidden == 0).order_by(_C.seq.desc())
    )
    if kind == "agent":
        statement = statement.where(_C.agent_id == given("of")["of"])
    elif kind == "leaves":
        statement = statement.where(_C.is_leaf == 1)
    elif kind == "children":
        statement = statement.join(commit_parents, _P.child_seq == _C.seq).where(
            _P.parent_seq == given("of")["of"]
        )
        statement = statement.distinct()  # a merge may name a parent twice
    if paged:
        statement = statement.where(_C.seq < given("before")["before"])
    return Query(statement.limit(given("most")["most"]).offset(given("skip")["skip"]))


def latest(
    reader: Reader,
    kind: str,
    most: int,
    skip: int = 0,
    before: int | None = None,
    of: int | str | None = None,
) -> list[Row]:
    """COMMIT columns, newest first; `kind` is all, agent, leaves or children, `of` the agent's id or the parent's seq."""
    values: dict[str, object] = {"most": most, "skip": skip}
    if of is not None:
        values["of"] = of
    if before is not None:
        values["before"] = before
    return reader.rows(_list(kind, before is not None), **values)


def by_digits(reader: Reader, digits: str) -> list[Row]:
    """COMMIT columns of up to two commits whose hash begins with `digits`."""
    if len(digits) == 40:
        return reader.rows(_BY_HASH, hash=digits)
    return reader.rows(
        _BY_DIGITS, first=digits, behind=f"{digits}g"
    )  # "g" sorts behind every hex digit


def place(reader: Reader, commit_hash: str) -> Row | None:
    """(seq, root_seq, generation, tree)."""
    return reader.row(_PLACE, hash=commit_hash)


def parent_seqs(reader: Reader, seq: int) -> list[int]:
    return [row[0] for row in reader.rows(_PARENT_SEQS, of=seq)]


def by_seq(reader: Reader, seq: int) -> tuple[str, bytes]:
    """Hash and tree of the commit numbered `seq`."""
    row = reader.row(_BY_SEQ, of=seq)
    assert row is not None  # the foreign keys hold
    return row[0], row[1]


def lineage(reader: Reader, seq: int, most: int) -> list[Row]:
    """COMMIT columns of a commit and its first parents, at most `most`, newest first."""
    return reader.rows(_LINEAGE, of=seq, most=most)


def history(reader: Reader, seq: int) -> list[Row]:
    """(seq, hash, tree) of a commit and everything before it, oldest first."""
    return reader.rows(_HISTORY, of=seq)


def leaves(reader: Reader, most: int) -> list[str]:
    """The hashes of the newest leaves."""
    return [row[0] for row in reader.rows(_LEAVES, most=most)]


def add(tx: Transaction, on: Sequence[Row], **values: object) -> int:
    """Store a commit on top of `on`, its parents, each as `place` tells it; its seq. `values`: hash, parents, agent_id, message, created_at, tree."""
    first = on[0] if on else None
    seq = int(
        tx.value(
            _ADD,
            parent_seq=first[0] if first else None,
            root_seq=first[1] if first else 0,
            generation=first[2] + 1 if first else 0,
            **values,
        )
    )
    if first is None:
        tx.run(_SET_ROOT, of=seq)
    for position, parent in enumerate(on):
        tx.run(_ADD_PARENT, child_seq=seq, position=position, parent_seq=parent[0])
        tx.run(_NO_LEAF, of=parent[0])
    return seq


class Listed(NamedTuple):
    """A whole row."""

    seq: int
    hash: str
    parents: str
    agent_id: str
    message: str
    created_at: str
    hidden: int
    tree: bytes
    is_leaf: int


def every(reader: Reader) -> Iterator[Listed]:
    """Every commit, oldest first, page by page."""
    behind = 0
    while rows := reader.rows(_EVERY, behind=behind, most=_PAGE):
        yield from (Listed(*row) for row in rows)
        behind = rows[-1][0]


def has_children(reader: Reader, seq: int) -> bool:
    return reader.value(_CHILD, of=seq) is not None


def set_hidden(tx: Transaction, commit_hash: str, hidden: bool) -> None:
    tx.run(_HIDE, of=commit_hash, hidden=int(hidden))


def count(reader: Reader) -> int:
    return int(reader.value(_COUNT))


def clear(tx: Transaction) -> None:
    """Forget every commit, to be indexed anew from the objects."""
    for query in _CLEAR:
        tx.run(query)


def root(reader: Reader) -> str:
    """The hash of the hub's canonical root; empty where the operator has published none."""
    return str(reader.value(_SETTING, name="root") or "")


def set_root(tx: Transaction, commit_hash: str) -> None:
    remove, put = _SET
    tx.run(remove, name="root")
    tx.run(put, name="root", value=commit_hash)
