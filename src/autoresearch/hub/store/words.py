"""Texts as words for PostgreSQL's full-text search: the very words that SQLite would find.

SQLite's own tokenizer reads every text and every question, in a table in memory, so that both
databases give the same answers. PostgreSQL then compares words and their places, with no
language, dictionary or parser of its own.

A tsvector holds up to a megabyte, words of up to 2 KB and 256 places of each, up to place 16,383.
Longer words are hashed; behind those places words are found, but no phrases.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from hashlib import sha256

from autoresearch.hub.store import sqlite
from autoresearch.hub.store.dialect import SQLITE, WORDS_INDEX

WORD_BYTES_MAX = 256
PLACES_MAX = 256
LAST_PLACE = 16_383
VECTOR_BYTES_MAX = 900_000
_threads = threading.local()


def split_words(text: str) -> list[str]:
    """The words of a text in their order, as SQLite's index has them."""
    connection = _open()
    connection.execute("INSERT INTO search (rowid, kind, body) VALUES (1, '', ?)", (text,))
    rows = connection.execute('SELECT term FROM vocabulary ORDER BY "offset"').fetchall()
    connection.execute("INSERT INTO search (search) VALUES ('delete-all')")
    return [_shorten(word) for (word,) in rows]


def make_vector(text: str) -> str:
    """A text as PostgreSQL reads a tsvector."""
    places: dict[str, list[int]] = {}
    size = 0
    for place, word in enumerate(split_words(text), start=1):
        if word not in places:
            size += len(word.encode()) + 8
        size += 2
        if size > VECTOR_BYTES_MAX:
            break
        found = places.setdefault(word, [])
        if len(found) < PLACES_MAX:
            found.append(min(place, LAST_PLACE))
    return " ".join(f"{_quote(word)}:{_join(found)}" for word, found in places.items())


def make_query(phrases: Iterable[str]) -> str:
    """A tsquery for texts that have all the phrases; empty where these hold no word."""
    found = (" <-> ".join(map(_quote, split_words(phrase))) for phrase in phrases)
    return " & ".join(phrase for phrase in found if phrase)


def _open() -> sqlite3.Connection:
    """This thread's table."""
    if not hasattr(_threads, "connection"):
        connection = sqlite.connect(":memory:")
        connection.execute(WORDS_INDEX[SQLITE][0])
        connection.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab(search, instance)")
        _threads.connection = connection
    found: sqlite3.Connection = _threads.connection
    return found


def _shorten(word: str) -> str:
    data = word.encode()
    return word if len(data) <= WORD_BYTES_MAX else sha256(data).hexdigest()


def _quote(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def _join(places: Iterable[int]) -> str:
    return ",".join(map(str, dict.fromkeys(places)))
