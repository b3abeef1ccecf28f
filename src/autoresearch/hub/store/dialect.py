"""Where PostgreSQL's words are not SQLite's.

Statements are written once, as SQLite reads them with named parameters; `translate` says them to
PostgreSQL. What has no common form stands here for both, under the name of the dialect. Leaves
to others: connections, locks and errors (`sqlite`, `postgres`).
"""

from __future__ import annotations

import re
from functools import lru_cache

SQLITE, POSTGRESQL = "sqlite", "postgresql"
NAME = "[a-z_][a-z0-9_]*"
_MARKS = re.compile(f"(?P<text>'(?:[^']|'')*')|:(?P<name>{NAME})|(?P<percent>%)")
_SAME_DAYS = r"(extract(epoch FROM CAST(CAST(\1 AS text) AS timestamptz)) / 86400)"
_DAYS = re.compile(rf"julianday\((:?{NAME})\)")

ROW = {SQLITE: "rowid", POSTGRESQL: "ctid"}  # where a row lies, whatever its key
HAS_VERSION = {  # whether the tables were made
    SQLITE: "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'",
    POSTGRESQL: "SELECT count(*) FROM pg_class WHERE oid = to_regclass('alembic_version')",
}
WORDS_INDEX = {  # words only, under the numbers of `documents`; the text stays where it was
    SQLITE: (
        "CREATE VIRTUAL TABLE search"
        " USING fts5(kind, body, content='', tokenize='unicode61 remove_diacritics 2')",
    ),
    POSTGRESQL: (
        "CREATE TABLE search (number BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)",
        "CREATE INDEX ix_search_words ON search USING gin (words)",
    ),
}
ADD_WORDS = {
    SQLITE: "INSERT INTO search (rowid, kind, body) VALUES (:number, :kind, :words)",
    POSTGRESQL: "INSERT INTO search (number, words) VALUES (:number, CAST(:words AS tsvector))",
}
FORGET_WORDS = {  # an index without texts is told them again, and finds what is to go
    SQLITE: "INSERT INTO search (search, rowid, kind, body)"
    " VALUES ('delete', :number, :kind, :words)",
    POSTGRESQL: "DELETE FROM search WHERE number = :number",
}
# SQLite's index only notes what is gone, until its parts are merged; the first step, to merge all
# of it into one, has a negative number of pages
MERGE_WORDS = "INSERT INTO search (search, rank) VALUES ('merge', :pages)"
FIND_WORDS = {
    SQLITE: """
        SELECT d.id AS cursor, d.kind, d.ref AS id, d.agent_id, d.excerpt, d.created_at
        FROM search JOIN documents AS d ON d.id = search.rowid
        WHERE search MATCH :match AND search.rowid < :before AND d.hidden = 0
        ORDER BY search.rowid DESC LIMIT :most
    """,
    POSTGRESQL: """
        SELECT d.id AS cursor, d.kind, d.ref AS id, d.agent_id, d.excerpt, d.created_at
        FROM search JOIN documents AS d ON d.id = search.number
        WHERE search.words @@ CAST(:match AS tsquery) AND search.number < :before AND d.hidden = 0
        ORDER BY search.number DESC LIMIT :most
    """,
}
LAST_NUMBER = {  # that a table gave to a row, whether or not it is still there
    SQLITE: "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = :table",
    POSTGRESQL: """
        SELECT coalesce(pg_sequence_last_value(
            CAST(pg_get_serial_sequence(:table, :column) AS regclass)
        ), 0)
    """,
}
SET_NUMBER = {
    SQLITE: (
        "DELETE FROM sqlite_sequence WHERE name = :table",
        "INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)",
    ),
    POSTGRESQL: (
        "SELECT setval(CAST(pg_get_serial_sequence(:table, :column) AS regclass), :number)",
    ),
}
TABLE_BYTES = {  # a table's name, or a part's of it, and the bytes with its indexes
    SQLITE: """
        SELECT coalesce(m.tbl_name, s.name), s.pgsize FROM dbstat AS s
        LEFT JOIN sqlite_master AS m ON m.name = s.name WHERE s.aggregate = 1
    """,
    POSTGRESQL: """
        SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class AS c
        WHERE c.relkind = 'r' AND c.relnamespace = CAST(current_schema() AS regnamespace)
    """,
}
COMPACT = {  # what is free in the tables goes back to the disk, or is used again
    SQLITE: ("VACUUM",),
    POSTGRESQL: ("SET statement_timeout = 0", "VACUUM", "SET statement_timeout = '60s'"),
}
UNHURRIED = {  # before a transaction whose statements take their time
    SQLITE: (),
    POSTGRESQL: ("SET LOCAL statement_timeout = 0",),
}
TAKE_STATISTICS = {  # so that the planner knows what a new table holds; SQLite's needs none
    SQLITE: (),
    POSTGRESQL: ("ANALYZE {table}",),
}
CLEAR_WORDS = {
    SQLITE: "INSERT INTO search (search) VALUES ('delete-all')",
    POSTGRESQL: "DELETE FROM search",
}


@lru_cache(maxsize=2048)
def translate(sql: str) -> str:
    """A statement as psycopg takes it: `:name` becomes `%(name)s`, and SQLite's count of days
    PostgreSQL's.
    """
    days = _DAYS.sub(_SAME_DAYS, sql)
    return _MARKS.sub(_mark, days)


def _mark(found: re.Match[str]) -> str:
    if found["name"]:
        return f"%({found['name']})s"
    return (found["text"] or "%").replace("%", "%%")
