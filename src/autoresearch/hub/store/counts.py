"""SQL that counts: how many posts, commits, results and verifications each agent made.

Rows get ascending numbers in the order they are committed, so what is new lies behind a number.
"""

from __future__ import annotations

from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import BoardName, RecordCount, ResultCount

_NUMBERS = {  # noun: table and the column that numbers its rows
    "results": ("results", "id"),
    "posts": ("posts", "id"),
    "commits": ("commits", "seq"),
    "checks": ("verifications", "id"),
}
_COMMITS = "SELECT hash FROM commits WHERE seq > :behind AND seq <= :newest"


def newest_number(reader: Reader, noun: str) -> int:
    table, number = _NUMBERS[noun]
    return int(reader.value(f"SELECT max({number}) FROM {table}") or 0)


def count_by_agent(reader: Reader, noun: str, behind: int, newest: int) -> dict[str, int]:
    """How many each agent made that are numbered over `behind`, up to `newest`; without hidden
    ones. Nobody (an empty name) made commits that nobody pushed as their own.
    """
    table, number = _NUMBERS[noun]
    sql = f"""
        SELECT agent_id, count(*) AS count FROM {table}
        WHERE {number} > :behind AND {number} <= :newest AND hidden = 0
        GROUP BY agent_id
    """
    return dict(reader.pairs(sql, behind=behind, newest=newest))


def count_results(reader: Reader, behind: int, newest: int) -> list[ResultCount]:
    """The same for results, by agent and board."""
    sql = """
        SELECT agent_id, platform, track, count(*) AS results,
            sum(CASE WHEN status = 'keep' THEN 1 ELSE 0 END) AS kept,
            max(id) AS newest_id, max(created_at) AS newest_at
        FROM results WHERE id > :behind AND id <= :newest AND hidden = 0
        GROUP BY agent_id, platform, track
    """
    return reader.all(ResultCount, sql, behind=behind, newest=newest)


def boards_of_commits(reader: Reader, behind: int, newest: int) -> list[BoardName]:
    """The boards of results whose commits are numbered over `behind`, up to `newest`."""
    sql = f"SELECT DISTINCT platform, track FROM results WHERE commit_hash IN ({_COMMITS})"
    return reader.all(BoardName, sql, behind=behind, newest=newest)


def platforms_of_commits(reader: Reader, behind: int, newest: int) -> list[str]:
    """The platforms on which these commits were run again."""
    sql = f"SELECT DISTINCT platform FROM verifications WHERE commit_hash IN ({_COMMITS})"
    return reader.column(sql, behind=behind, newest=newest)


def platforms_of_checks(reader: Reader, behind: int, newest: int) -> list[str]:
    """The platforms of verifications numbered over `behind`, up to `newest`."""
    sql = "SELECT DISTINCT platform FROM verifications WHERE id > :behind AND id <= :newest"
    return reader.column(sql, behind=behind, newest=newest)


def count_records(reader: Reader) -> list[RecordCount]:
    """By agent: the results that were the best of their board when they came."""
    sql = """
        SELECT min(agent_id) AS agent_id, count(*) AS records,
            sum(CASE WHEN verified <> 'unverified' THEN 1 ELSE 0 END) AS checked,
            sum(CASE WHEN verified = 'reproduced' THEN 1 ELSE 0 END) AS reproduced
        FROM results WHERE leads = 1 AND hidden = 0 GROUP BY agent_id || ''
    """  # by an expression: SQLite would walk every result for the sake of the index's order
    return reader.all(RecordCount, sql)


def count_results_by_hour(reader: Reader, behind: int, newest: int) -> dict[str, int]:
    """The results numbered over `behind`, up to `newest`, by the hour in which they came, such as
    `2026-01-31T12`."""
    sql = """
        SELECT substr(created_at, 1, 13) AS hour, count(*) AS count FROM results
        WHERE id > :behind AND id <= :newest AND hidden = 0 GROUP BY substr(created_at, 1, 13)
    """
    return dict(reader.pairs(sql, behind=behind, newest=newest))
