"""The full-text index: what can be found, and finding it. SQLite's FTS5 here; PostgreSQL's tsvector would stand behind the same functions.

`documents` numbers everything that can be found, in the order it came; the index holds only words, under the same numbers.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlalchemy import insert, select, update

from autoresearch.hub.store.database import Reader, Row, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import documents

EXCERPT_MAX = 240
WORDS_MAX = 16
_WORD = re.compile(r"\w+")

_ADD = Query(
    insert(documents)
    .values(**given("kind", "ref", "agent_id", "excerpt", "created_at"))
    .returning(documents.c.id)
)
_HIDE = Query(
    update(documents)
    .where(documents.c.kind == given("of_kind")["of_kind"])
    .where(documents.c.ref == given("of_ref")["of_ref"])
    .values(given("hidden"))
)
_KNOWN = Query(
    select(documents.c.id)
    .where(documents.c.kind == given("kind")["kind"])
    .where(documents.c.ref == given("ref")["ref"])
)
_INDEX = "INSERT INTO search(rowid, kind, body) VALUES (?, ?, ?)"
_COLUMNS = "d.id, d.kind, d.ref, d.agent_id, d.excerpt, d.created_at"
_FIND = f"""
    SELECT {_COLUMNS} FROM search JOIN documents AS d ON d.id = search.rowid
    WHERE search MATCH :match AND search.rowid < :before AND d.hidden = 0
    ORDER BY search.rowid DESC LIMIT :most
"""


def add(tx: Transaction, kind: str, ref: str, agent_id: str, text: str, created_at: str) -> None:
    """Make `text` findable as the `kind` (post, result, commit) named `ref`."""
    excerpt = " ".join(text[: 2 * EXCERPT_MAX].split())[:EXCERPT_MAX]
    number = tx.value(
        _ADD, kind=kind, ref=ref, agent_id=agent_id, excerpt=excerpt, created_at=created_at
    )
    tx.raw(_INDEX, (number, f"kind{kind}", text))


def known(reader: Reader, kind: str, ref: str) -> bool:
    return reader.value(_KNOWN, kind=kind, ref=ref) is not None


def set_hidden(tx: Transaction, kind: str, ref: str, hidden: bool) -> None:
    tx.run(_HIDE, of_kind=kind, of_ref=ref, hidden=int(hidden))


def find(reader: Reader, words: str, kinds: tuple[str, ...], before: int, most: int) -> list[Row]:
    """(cursor, kind, ref, agent_id, excerpt, created_at) of documents that have all of `words`, newest first."""
    match = _match(words, kinds)
    if not match:
        return []
    return reader.raw(_FIND, {"match": match, "before": before, "most": most})


def clear(tx: Transaction) -> None:
    """Forget everything, to be indexed anew."""
    tx.raw("DELETE FROM documents")
    tx.raw("INSERT INTO search(search) VALUES ('delete-all')")


@lru_cache(maxsize=512)
def _match(words: str, kinds: tuple[str, ...]) -> str:
    """An FTS5 expression in which the caller's text is only ever quoted words: no operator of its language gets through."""
    quoted = " AND ".join(f'body:"{word}"' for word in _WORD.findall(words)[:WORDS_MAX])
    if not quoted or not kinds:
        return quoted
    return f"kind:({' OR '.join(f'kind{kind}' for kind in kinds)}) AND {quoted}"
