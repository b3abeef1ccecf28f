"""SQL of an audit: what changes in rows after they were entered, and how rows hang together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import RowName

_HIDDEN_OTHERWISE = """
    SELECT 'result' AS kind, CAST(r.id AS TEXT) AS ref
    FROM results AS r LEFT JOIN posts AS p ON p.id = r.post_id
    WHERE r.hidden <> coalesce(p.hidden, -1)
    UNION ALL
    SELECT 'verdict', CAST(v.id AS TEXT)
    FROM verifications AS v LEFT JOIN posts AS p ON p.id = v.post_id
    WHERE v.hidden <> coalesce(p.hidden, -1)
"""
# by another commit than the named one, or by none though there is just one
_NAMED_OTHERWISE = """
    SELECT 'result' AS kind, CAST(id AS TEXT) AS ref, commit_hash FROM results WHERE {wrong}
    UNION ALL
    SELECT 'verdict', CAST(id AS TEXT), commit_hash FROM verifications WHERE {wrong}
""".format(
    wrong="""
    (commit_hash IS NOT NULL AND (
        substr(commit_hash, 1, length(named)) <> named
        OR NOT EXISTS (SELECT 1 FROM commits WHERE hash = commit_hash)
    )) OR (commit_hash IS NULL AND length(named) >= 7 AND (
        SELECT count(*) FROM commits WHERE hash >= named AND hash < named || 'g'
    ) = 1)
"""
)


class NamedCommit(NamedTuple):
    """A result or verdict and the commit that it points to."""

    kind: str
    ref: str
    commit_hash: str | None


class CommitLinks(NamedTuple):
    """What is derived from a commit's parents."""

    seq: int
    hash: str
    parents: str
    parent_seq: int | None
    root_seq: int
    generation: int
    is_leaf: int


def hidden_otherwise(reader: Reader) -> list[RowName]:
    """Results and verdicts that are hidden though their post is not, or the other way."""
    return reader.all(RowName, _HIDDEN_OTHERWISE)


def named_otherwise(reader: Reader) -> list[NamedCommit]:
    """Results and verdicts that point to another commit than they name."""
    return reader.all(NamedCommit, _NAMED_OTHERWISE)


def settled_results(reader: Reader) -> dict[str, str]:
    """What is verified one way or the other, and which."""
    sql = """
        SELECT CAST(id AS TEXT) AS ref, verified FROM results WHERE verified <> 'unverified'
    """
    return dict(reader.pairs(sql))


def revoked_agents(reader: Reader) -> dict[str, str]:
    """Closed accounts, and since when."""
    sql = "SELECT id, revoked_at FROM agents WHERE revoked_at IS NOT NULL"
    return dict(reader.pairs(sql))


def commit_links(reader: Reader) -> Iterator[CommitLinks]:
    """Every commit, oldest first."""
    sql = """
        SELECT seq, hash, parents, parent_seq, root_seq, generation, is_leaf FROM commits
        WHERE seq > :behind
    """
    return reader.every(CommitLinks, sql, "seq", behind=-(2**62))


def parent_links(reader: Reader) -> list[tuple[int, int]]:
    """Every child and parent, the first parents first."""
    sql = "SELECT child_seq, parent_seq FROM commit_parents ORDER BY child_seq, position"
    return reader.pairs(sql)
