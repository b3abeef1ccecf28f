"""SQL of results and verifications, as read from posts.

What leads a board is decided in `rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from autoresearch.hub.store.statements import Filter, Reader, Transaction, conditions
from autoresearch.hub.values import BoardName, BoardQueue, ToldIdea, Verification
from autoresearch.models import Result

_RESULT = """
    named AS "commit", platform, track, val_bpb, vram_gb, status, description, reason, problem,
    id, post_id, agent_id, commit_hash, created_at, leads, verified, runs, sd, signed_by
"""
_VERIFICATION = """
    named AS "commit", platform, track, val_bpb, runs, reproduced, reason, replayed,
    post_id, agent_id, commit_hash, created_at, weight
"""
_ON_BOARD = "platform = :platform AND track = :track"
_IS_POINT = "hidden = 0 AND (status = 'crash' OR (problem = '' AND val_bpb IS NOT NULL))"
_POINTS = f"""
    SELECT {_RESULT} FROM results WHERE {_ON_BOARD} AND id > :behind AND {_IS_POINT} ORDER BY id
"""
_MARKED_POINTS = f"""
    SELECT {_RESULT} FROM results WHERE {_ON_BOARD} AND leads = 1 AND {_IS_POINT}
    UNION ALL
    SELECT {_RESULT} FROM results
    WHERE {_ON_BOARD} AND verified <> 'unverified' AND id > 0 AND leads = 0 AND {_IS_POINT}
"""  # id > 0: without it SQLite walks through all of the board
_FILTERS = {
    "post_id": "post_id = :post_id",
    "agent": "agent_id = :agent",
    "platform": "platform = :platform",
    "track": "track = :track",
    "status": "status = :status",
    "verified": "verified = :verified",
    "before": "id < :before",
    "after": "id > :after",
    "commit_hash": "commit_hash = :commit_hash",
    # "g" sorts behind every hex digit
    "named": "named BETWEEN :named AND :named || 'g'",
    "leads": "leads = 1",
    "commit": """(named BETWEEN :commit AND :commit || 'g'
                  OR commit_hash BETWEEN :commit AND :commit || 'g')""",
}
_ORDERS = {  # what a table may be sorted by: its column, and which way
    "value": ("val_bpb", "ASC"),
    "memory": ("vram_gb", "ASC"),
    "runs": ("runs", "DESC"),
    "spread": ("sd", "ASC"),
}
_ADD = """
    INSERT INTO results (post_id, agent_id, named, commit_hash, platform, track, val_bpb, vram_gb,
        status, description, reason, problem, created_at, leads, runs, sd,
        signed_by)
    VALUES (:post_id, :agent_id, :commit, :commit_hash, :platform, :track, :val_bpb, :vram_gb,
        :status, :description, :reason, :problem, :now, 0, :runs, :sd,
        :signed_by)
    RETURNING id
"""
_ADD_VERIFICATION = """
    INSERT INTO verifications (post_id, agent_id, named, commit_hash, platform, track, val_bpb,
        runs, reproduced, reason, replayed, created_at)
    VALUES (:post_id, :agent_id, :commit, :commit_hash, :platform, :track, :val_bpb,
        :runs, :reproduced, :reason, :replayed, :now)
    RETURNING id
"""
# each next name is one step in the index, however many rows there are
_PLATFORMS = """
    WITH RECURSIVE names(name) AS (
        SELECT min(platform) FROM {table}
        UNION ALL
        SELECT (SELECT min(platform) FROM {table} WHERE platform > name)
        FROM names WHERE name IS NOT NULL
    )
    SELECT name FROM names WHERE name IS NOT NULL
"""
_TABLES = ("results", "verifications")
# kept, pushed, and neither disputed nor doubted
_COUNTS = """
    hidden = 0 AND problem = '' AND status = 'keep' AND commit_hash IS NOT NULL
    AND verified <> 'disputed' AND coalesce((
        SELECT sum(CASE WHEN reproduced = 1 THEN weight ELSE -weight END) FROM verifications
        WHERE result_id = results.id AND verifications.hidden = 0
    ), 0) > -:doubted
"""
# of each network its best results that do not count and are better, all networks in turn; whole
# rows are read of those alone: an index has the rest
_WAITING = f"""
    SELECT {_RESULT} FROM results JOIN (
        SELECT waiting.id AS number, row_number() OVER (
            PARTITION BY CASE WHEN network = '' THEN agents.id ELSE network END
            ORDER BY val_bpb, waiting.id
        ) AS turn
        FROM results AS waiting JOIN agents ON agents.id = agent_id
        WHERE platform = :platform AND track = :track AND hidden = 0 AND leads = 0
            AND problem = '' AND status = 'keep' AND verified <> 'reproduced' AND val_bpb < :below
    ) AS turns ON number = id
    WHERE turn <= :each ORDER BY turn, val_bpb, id LIMIT :most
"""
_UNSETTLED = f"""
    SELECT {_RESULT} FROM results
    WHERE {_ON_BOARD} AND hidden = 0 AND problem = '' AND status = 'keep'
        AND val_bpb IS NOT NULL AND commit_hash IS NOT NULL
        AND (verified = 'unverified' OR EXISTS (
            SELECT 1 FROM verifications
            WHERE result_id = results.id AND challenges = 1 AND verifications.hidden = 0
        ))
        AND NOT EXISTS (
            SELECT 1 FROM work_leases
            WHERE result_id = results.id AND ended_at IS NULL AND expires_at > :now
        )
        AND NOT EXISTS (SELECT 1 FROM commits WHERE hash = commit_hash AND commits.hidden = 1)
        AND EXISTS (SELECT 1 FROM agents WHERE agents.id = agent_id AND revoked_at IS NULL)
    ORDER BY id {{order}} LIMIT :most
"""


def add_result(tx: Transaction, **columns: object) -> int:
    """Store a result, its columns by name; its id."""
    return int(tx.value(_ADD, now=tx.now, **columns))


def add_verification(tx: Transaction, **columns: object) -> int:
    """Store a verification, its columns by name; its id."""
    return int(tx.value(_ADD_VERIFICATION, now=tx.now, **columns))


def latest_results(reader: Reader, most: int, skip: int = 0, **filters: Filter) -> list[Result]:
    """Results that are not hidden, newest first, filtered by any of _FILTERS."""
    sql = f"""
        SELECT {_RESULT} FROM results WHERE hidden = 0{conditions(_FILTERS, filters)}
        ORDER BY id DESC LIMIT :most OFFSET :skip
    """
    return reader.all(Result, sql, most=most, skip=skip, **filters)


def latest_ideas(reader: Reader, most: int, after: int = 0) -> list[ToldIdea]:
    """What the newest results describe that are in view and have numbers over `after`."""
    sql = """
        results WHERE hidden = 0 AND description <> '' AND id > :after
        ORDER BY id DESC LIMIT :most
    """
    return reader.texts(ToldIdea, "id, agent_id, description", sql, after=after, most=most)


def sorted_results(
    reader: Reader, order: str, most: int, skip: int = 0, **filters: Filter
) -> list[Result]:
    """The same in another order: one of _ORDERS. What has no such value is left out."""
    column, way = _ORDERS[order]
    sql = f"""
        SELECT {_RESULT} FROM results
        WHERE hidden = 0 AND {column} IS NOT NULL{conditions(_FILTERS, filters)}
        ORDER BY {column} {way}, id DESC LIMIT :most OFFSET :skip
    """
    return reader.all(Result, sql, most=most, skip=skip, **filters)


def latest_verifications(reader: Reader, most: int, **filters: Filter) -> list[Verification]:
    """Verifications that are not hidden, newest first, filtered by any of _FILTERS."""
    sql = f"""
        SELECT {_VERIFICATION} FROM verifications WHERE hidden = 0{conditions(_FILTERS, filters)}
        ORDER BY id DESC LIMIT :most
    """
    return reader.all(Verification, sql, most=most, **filters)


def every_result(reader: Reader) -> Iterator[Result]:
    """Every result, hidden or not, oldest first, page by page."""
    return reader.every(Result, f"SELECT {_RESULT} FROM results WHERE id > :behind", "id")


def of_post(reader: Reader, post_id: int) -> list[Result]:
    """The results in a post, hidden or not, in its order."""
    sql = f"SELECT {_RESULT} FROM results WHERE post_id = :post_id ORDER BY id"
    return reader.all(Result, sql, post_id=post_id)


def result(reader: Reader, result_id: int) -> Result | None:
    """A result that is not hidden."""
    sql = f"SELECT {_RESULT} FROM results WHERE id = :id AND hidden = 0"
    return reader.one(Result, sql, id=result_id)


def leader_before(reader: Reader, platform: str, track: str, before: int) -> Result | None:
    """The best of a board when the result numbered `before` came."""
    sql = f"""
        SELECT {_RESULT} FROM results
        WHERE {_ON_BOARD} AND hidden = 0 AND leads = 1 AND id < :before
        ORDER BY id DESC LIMIT 1
    """
    return reader.one(Result, sql, platform=platform, track=track, before=before)


def leading_values(reader: Reader, platform: str, track: str, most: int) -> list[float]:
    """The values of a board's newest records, newest first."""
    sql = f"""
        SELECT val_bpb FROM results WHERE {_ON_BOARD} AND hidden = 0 AND leads = 1
        ORDER BY id DESC LIMIT :most
    """
    return reader.column(sql, platform=platform, track=track, most=most)


def leading_value(reader: Reader, platform: str, track: str) -> float | None:
    """The best value of a board so far."""
    return next(iter(leading_values(reader, platform, track, 1)), None)


def leaders(reader: Reader, platform: str, track: str, most: int) -> list[Result]:
    """Results that were the best of their board when they came, newest first."""
    sql = f"""
        SELECT {_RESULT} FROM results WHERE {_ON_BOARD} AND hidden = 0 AND leads = 1
        ORDER BY id DESC LIMIT :most
    """
    return reader.all(Result, sql, platform=platform, track=track, most=most)


def led_boards(reader: Reader, most: int) -> list[BoardName]:
    """Boards that have a leader, the most recently led first."""
    sql = """
        SELECT platform, track FROM results WHERE hidden = 0 AND leads = 1
        GROUP BY platform, track ORDER BY max(id) DESC LIMIT :most
    """
    return reader.all(BoardName, sql, most=most)


def all_boards(reader: Reader) -> list[BoardName]:
    """Every board, led or not."""
    return reader.all(BoardName, "SELECT DISTINCT platform, track FROM results")


def has_platform(reader: Reader, name: str) -> bool:
    """Whether anything is stored under exactly this platform."""
    return any(
        reader.column(f"SELECT 1 FROM {table} WHERE platform = :name LIMIT 1", name=name)
        for table in _TABLES
    )


def list_unsettled(
    reader: Reader, board: BoardName, now: str, is_newest: bool, most: int
) -> list[Result]:
    """Kept and pushed results of a board that verdicts have not settled, or that somebody
    challenged: in view, of open accounts, and in nobody's hands. The newest, or the oldest.
    """
    sql = _UNSETTLED.format(order="DESC" if is_newest else "ASC")
    return reader.all(Result, sql, platform=board.platform, track=board.track, now=now, most=most)


def count_unsettled(reader: Reader, most: int) -> list[BoardQueue]:
    """The boards with most kept and pushed results that verdicts have not settled."""
    sql = """
        SELECT platform, track, count(*) AS waiting, min(created_at) AS oldest_at FROM results
        WHERE hidden = 0 AND problem = '' AND status = 'keep' AND val_bpb IS NOT NULL
            AND commit_hash IS NOT NULL AND verified = 'unverified'
        GROUP BY platform, track ORDER BY waiting DESC, platform, track LIMIT :most
    """
    return reader.all(BoardQueue, sql, most=most)


def list_platforms(reader: Reader) -> list[str]:
    """Every platform that anything is stored under."""
    found = (reader.column(_PLATFORMS.format(table=table)) for table in _TABLES)
    return sorted({name for names in found for name in names})


def list_tracks(reader: Reader, platform: str) -> list[str]:
    """The tracks that a platform has results on."""
    sql = "SELECT DISTINCT track FROM results WHERE platform = :platform"
    return reader.column(sql, platform=platform)


def first_use(reader: Reader, platform: str) -> int:
    """The post that first named a platform."""
    used = " UNION ALL ".join(
        f"SELECT post_id FROM {table} WHERE platform = :platform" for table in _TABLES
    )
    return int(reader.value(f"SELECT min(post_id) FROM ({used}) AS used", platform=platform))


def rename_platform(tx: Transaction, old: str, new: str) -> None:
    """What was stored under one spelling of a device is stored under another."""
    for table in _TABLES:
        tx.run(f"UPDATE {table} SET platform = :new WHERE platform = :old", old=old, new=new)


def may_lead(reader: Reader, platform: str, track: str, doubted: float) -> list[Result]:
    """Every kept and pushed result of the board that is not disputed, and whose verdicts add up
    to more than `-doubted`, oldest first."""
    sql = f"SELECT {_RESULT} FROM results WHERE {_ON_BOARD} AND {_COUNTS} ORDER BY id"
    return reader.all(Result, sql, platform=platform, track=track, doubted=doubted)


def has_verified(reader: Reader, platform: str, track: str) -> bool:
    """Whether others reproduced any result of the board."""
    sql = f"""
        SELECT 1 FROM results
        WHERE {_ON_BOARD} AND verified <> 'unverified' AND verified = 'reproduced' AND hidden = 0
        LIMIT 1
    """
    return reader.value(sql, platform=platform, track=track) is not None


def list_waiting(
    reader: Reader, platform: str, track: str, below: float, each: int, most: int
) -> list[Result]:
    """Kept results that do not count and are under `below`: of each network its best `each`."""
    return reader.all(
        Result, _WAITING, platform=platform, track=track, below=below, each=each, most=most
    )


def of_commit_on(reader: Reader, commit_hash: str, platform: str) -> list[Result]:
    """The kept results of a commit on a platform."""
    sql = f"""
        SELECT {_RESULT} FROM results
        WHERE commit_hash = :commit_hash AND platform = :platform AND hidden = 0
            AND problem = '' AND status = 'keep' ORDER BY id
    """
    return reader.all(Result, sql, commit_hash=commit_hash, platform=platform)


def with_ids(reader: Reader, ids: Iterable[int]) -> list[Result]:
    """These results, hidden or not."""
    sql = f"SELECT {_RESULT} FROM results WHERE id = :id"
    return [result for number in ids for result in reader.all(Result, sql, id=number)]


def set_leaders(tx: Transaction, platform: str, track: str, leaders: Iterable[int]) -> None:
    """These results, and no others, were the best of their board when they came."""
    sql = f"UPDATE results SET leads = 0 WHERE {_ON_BOARD} AND leads = 1"
    tx.run(sql, platform=platform, track=track)
    for result_id in leaders:
        tx.run("UPDATE results SET leads = 1 WHERE id = :id", id=result_id)


def points(reader: Reader, platform: str, track: str, behind: int = 0) -> list[Result]:
    """Every result of a board that has a value or crashed and is numbered over `behind`, oldest
    first."""
    return reader.all(Result, _POINTS, platform=platform, track=track, behind=behind)


def marked_points(reader: Reader, platform: str, track: str) -> list[Result]:
    """Those of them that lead or are settled."""
    return reader.all(Result, _MARKED_POINTS, platform=platform, track=track)


def points_of(reader: Reader, hashes: Sequence[str]) -> list[Result]:
    """The same of some hundred commits, on any board."""
    names = {f"hash{number}": commit_hash for number, commit_hash in enumerate(hashes)}
    marks = ", ".join(f":{name}" for name in names) or "NULL"
    sql = f"SELECT {_RESULT} FROM results WHERE commit_hash IN ({marks}) AND {_IS_POINT}"
    return sorted(reader.all(Result, sql, **names), key=lambda result: result.id)


def of_commits(reader: Reader, first_seq: int, last_seq: int) -> list[Result]:
    """Results of the commits numbered from `first_seq` to `last_seq`, oldest first."""
    sql = f"""
        SELECT {_RESULT} FROM results
        WHERE hidden = 0
            AND commit_hash IN (SELECT hash FROM commits WHERE seq >= :first AND seq <= :last)
    """
    found = reader.all(Result, sql, first=first_seq, last=last_seq)
    return sorted(found, key=lambda result: result.id)


def set_hidden(tx: Transaction, post_id: int, hidden: bool) -> None:
    """Hide the results and verifications of a post, or show them again."""
    for table in _TABLES:
        sql = f"UPDATE {table} SET hidden = :hidden WHERE post_id = :post_id"
        tx.run(sql, post_id=post_id, hidden=int(hidden))


def name_commit(tx: Transaction, commit_hash: str, shortest: int) -> set[BoardName]:
    """Whatever named this commit before it was known, by `shortest` or more digits, now points to
    it; the boards that these are on.
    """
    found: set[BoardName] = set()
    for table in _TABLES:
        sql = f"""
            UPDATE {table} SET commit_hash = :hash
            WHERE commit_hash IS NULL AND named >= :first AND named <= :hash
                AND substr(:hash, 1, length(named)) = named
            RETURNING platform, track
        """
        found.update(tx.all(BoardName, sql, hash=commit_hash, first=commit_hash[:shortest]))
    return found
