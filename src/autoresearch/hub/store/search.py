"""The full-text index: what can be found, and finding it.

`documents` numbers everything that can be found, in the order it came; the index holds only
words, under the same numbers. The index is each database's own: FTS5 in SQLite, a tsvector in
PostgreSQL, of the same words (`words`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile

from autoresearch.hub.store.dialect import (
    ADD_WORDS,
    CLEAR_WORDS,
    FIND_WORDS,
    FORGET_WORDS,
    MERGE_WORDS,
    POSTGRESQL,
    SQLITE,
)
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.store.words import make_query, make_vector, split_words
from autoresearch.hub.values import OldPost, RowName
from autoresearch.models import Found

EXCERPT_MAX = 240
FORGOTTEN = "forgotten_posts"  # the setting: the last post that is no longer found
MERGED = "merged_posts"  # and the last one of which nothing is left in the index
LOOSE_LEAST, LOOSE_PART = 1000, 8  # posts, or the eighth part of all: then the index is merged
MERGE_PAGES = 16  # written in one step: some 10 ms
WORDS_MAX = 16
_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(  # Thai to Khmer, Hangul, kana, Han with its extensions
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U000323af]"
)
_ADD = """
    INSERT INTO documents (kind, ref, agent_id, excerpt, created_at)
    VALUES (:kind, :ref, :agent_id, :excerpt, :created_at) RETURNING id
"""
_SOURCES = {  # kind: the table of what can be found, and the column that documents name it by
    "post": ("posts", "id"),
    "result": ("results", "id"),
    "commit": ("commits", "hash"),
}


def add(tx: Transaction, kind: str, ref: str, agent_id: str, text: str, created_at: str) -> None:
    """Make `text` findable as the `kind` (post, result, commit) named `ref`."""
    excerpt = " ".join(text[: 2 * EXCERPT_MAX].split())[:EXCERPT_MAX]
    number = tx.value(
        _ADD, kind=kind, ref=ref, agent_id=agent_id, excerpt=excerpt, created_at=created_at
    )
    _add_words(tx, number, kind, text)


def add_words(tx: Transaction, kind: str, ref: str, text: str) -> None:
    """Make a document findable by the words of its text anew, under the number that it has."""
    sql = "SELECT id FROM documents WHERE kind = :kind AND ref = :ref"
    number = tx.value(sql, kind=kind, ref=ref)
    if number is not None:
        _add_words(tx, number, kind, text)


def _add_words(tx: Transaction, number: int, kind: str, text: str) -> None:
    sql = ADD_WORDS[tx.dialect]
    if tx.dialect == SQLITE:
        tx.run(sql, number=number, **_sqlite_words(kind, text))
    else:
        tx.run(sql, number=number, words=f"'kind:{kind}' {make_vector(_split_scripts(text))}")


def _sqlite_words(kind: str, text: str) -> dict[str, str]:
    return {"kind": f"kind{kind}", "words": _split_scripts(text)}


def find_old_posts(reader: Reader, moment: str, most: int) -> list[OldPost]:
    """Up to `most` posts that are still found, from the oldest on, of before a moment."""
    sql = "SELECT id, created_at, content FROM posts WHERE id > :last ORDER BY id LIMIT :most"
    posts = reader.all(OldPost, sql, last=_last_forgotten(reader), most=most)
    return list(takewhile(lambda post: post.created_at < moment, posts))


def forget_posts(tx: Transaction, posts: Sequence[OldPost]) -> None:
    """From now on these are not found by their words; another node may have forgotten them."""
    for post in posts:
        sql = "DELETE FROM documents WHERE kind = 'post' AND ref = :ref RETURNING id"
        number = tx.value(sql, ref=str(post.id))
        if number is not None:
            words = {} if tx.dialect == POSTGRESQL else _sqlite_words("post", post.content)
            tx.run(FORGET_WORDS[tx.dialect], number=number, **words)
    _set_number(tx, FORGOTTEN, max(posts[-1].id, _last_forgotten(tx)))


def is_loose(reader: Reader) -> bool:
    """Whether the index still holds so much of forgotten posts that it is worth a merge: it writes
    all of the index anew. PostgreSQL cleans up by itself."""
    gone = _last_forgotten(reader) - _number(reader, MERGED)
    if reader.dialect == POSTGRESQL or gone < LOOSE_LEAST:
        return False
    return gone * LOOSE_PART >= int(reader.value("SELECT count(*) FROM documents"))


def begin_merge(tx: Transaction) -> None:
    tx.run(MERGE_WORDS, pages=-MERGE_PAGES)


def merge_on(tx: Transaction) -> bool:
    """One more step of a merge; False where it was the last."""
    before = int(tx.value("SELECT total_changes()"))
    tx.run(MERGE_WORDS, pages=MERGE_PAGES)
    if int(tx.value("SELECT total_changes()")) - before >= 2:  # the command itself counts one
        return True
    _set_number(tx, MERGED, _last_forgotten(tx))
    return False


def _last_forgotten(reader: Reader) -> int:
    return _number(reader, FORGOTTEN)


def _number(reader: Reader, name: str) -> int:
    return int(reader.value("SELECT value FROM settings WHERE name = :name", name=name) or 0)


def _set_number(tx: Transaction, name: str, number: int) -> None:
    sql = """
        INSERT INTO settings (name, value) VALUES (:name, :value)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
    """
    tx.run(sql, name=name, value=str(number))


def has(reader: Reader, kind: str, ref: str) -> bool:
    """Whether such a thing can be found, hidden or not."""
    sql = "SELECT id FROM documents WHERE kind = :kind AND ref = :ref"
    return reader.value(sql, kind=kind, ref=ref) is not None


def set_hidden(tx: Transaction, kind: str, ref: str, hidden: bool) -> None:
    sql = "UPDATE documents SET hidden = :hidden WHERE kind = :kind AND ref = :ref"
    tx.run(sql, kind=kind, ref=ref, hidden=int(hidden))


def copy_hidden(tx: Transaction) -> None:
    """Hide whatever is hidden where it was written."""
    for kind, (table, name) in _SOURCES.items():
        sql = f"""
            UPDATE documents SET hidden = 1 WHERE kind = :kind
            AND ref IN (SELECT CAST({name} AS TEXT) FROM {table} WHERE hidden = 1)
        """
        tx.run(sql, kind=kind)


def find_unindexed(reader: Reader, most: int) -> list[RowName]:
    """Up to `most` posts, results and commits each that cannot be found and should."""
    found: list[RowName] = []
    for kind, (table, name) in _SOURCES.items():
        newer = f" AND s.id > {_last_forgotten(reader)}" if kind == "post" else ""
        sql = f"""
            SELECT '{kind}' AS kind, CAST(s.{name} AS TEXT) AS ref FROM {table} AS s
            WHERE NOT EXISTS (
                SELECT 1 FROM documents WHERE kind = '{kind}' AND ref = CAST(s.{name} AS TEXT)
            ){newer} LIMIT :most
        """
        found += reader.all(RowName, sql, most=most)
    return found


def find(reader: Reader, words: str, kinds: tuple[str, ...], before: int, most: int) -> list[Found]:
    """Documents that have all of `words`, newest first."""
    match = _MATCHES[reader.dialect](words, kinds)
    sql = FIND_WORDS[reader.dialect]
    return reader.all(Found, sql, match=match, before=before, most=most) if match else []


def clear(tx: Transaction) -> None:
    """Forget everything, to be indexed anew, old posts too."""
    tx.run("DELETE FROM documents")
    for name in (FORGOTTEN, MERGED):
        tx.run("DELETE FROM settings WHERE name = :name", name=name)
    clear_words(tx)


def clear_words(tx: Transaction) -> None:
    """Forget the words of all documents, which keep their numbers."""
    tx.run(CLEAR_WORDS[tx.dialect])


def _split_scripts(text: str) -> str:
    """Letters of scripts that put no spaces between words, each as a word of its own.

    A word is then found as a phrase of letters, wherever it stands.
    """
    return _UNSPACED.sub(r" \g<0> ", text)


@lru_cache(maxsize=512)
def _match(words: str, kinds: tuple[str, ...]) -> str:
    """An FTS5 expression in which a caller's text is only ever quoted words: no operator gets
    through.
    """
    phrases = map(_split_scripts, _WORD.findall(words)[:WORDS_MAX])
    # a phrase without a word, such as _, would match nothing
    quoted = " AND ".join(f'body:"{phrase}"' for phrase in phrases if split_words(phrase))
    if not quoted or not kinds:
        return quoted
    return f"kind:({' OR '.join(f'kind{kind}' for kind in kinds)}) AND {quoted}"


@lru_cache(maxsize=512)
def _match_vector(words: str, kinds: tuple[str, ...]) -> str:
    """The same for PostgreSQL, where the kind is a word that no text can hold."""
    found = make_query(map(_split_scripts, _WORD.findall(words)[:WORDS_MAX]))
    if not found or not kinds:
        return found
    chosen = " | ".join(f"'kind:{kind}'" for kind in kinds)
    return f"({chosen}) & {found}"


_MATCHES = {SQLITE: _match, POSTGRESQL: _match_vector}
