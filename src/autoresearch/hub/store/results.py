"""Rows of results and verifications, as read from posts. What leads a board is decided in `rules.results`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sqlalchemy import func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from autoresearch.hub.store.database import Reader, Row, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import metadata, results, verifications

RESULT = (
    results.c.id,
    results.c.post_id,
    results.c.agent_id,
    results.c.named,
    results.c.commit_hash,
    results.c.platform,
    results.c.track,
    results.c.val_bpb,
    results.c.vram_gb,
    results.c.status,
    results.c.description,
    results.c.reason,
    results.c.problem,
    results.c.created_at,
)
_NEW = [column.name for column in RESULT[1:]] + ["leads"]
_V = verifications.c
_NEW_V = [
    c.name
    for c in (_V.post_id, _V.agent_id, _V.named, _V.commit_hash, _V.platform, _V.track, _V.val_bpb)
]
_NEW_V += ["runs", "reproduced", "reason", "created_at"]

_ADD = Query(insert(results).values(**given(*_NEW)).returning(results.c.id))
_ADD_V = Query(insert(verifications).values(**given(*_NEW_V)))
_board = (
    results.c.platform == given("platform")["platform"],
    results.c.track == given("track")["track"],
)
_shown = (results.c.hidden == 0, results.c.leads == 1)
_LEADER = Query(
    select(results.c.val_bpb).where(*_board, *_shown).order_by(results.c.id.desc()).limit(1)
)
_RECORDS = Query(
    select(*RESULT)
    .where(*_board, *_shown)
    .order_by(results.c.id.desc())
    .limit(given("most")["most"])
)
_newest = func.max(results.c.id)
_BOARDS = Query(
    select(results.c.platform, results.c.track)
    .where(*_shown)
    .group_by(results.c.platform, results.c.track)
    .order_by(_newest.desc())
    .limit(given("most")["most"])
)
_MAY_LEAD = Query(
    select(results.c.id, results.c.val_bpb)
    .where(*_board, results.c.hidden == 0, results.c.problem == "", results.c.status == "keep")
    .order_by(results.c.id)
)
_SET_LEADS = Query(update(results).where(results.c.id == given("of")["of"]).values(given("leads")))
_CLEAR_LEADS = Query(update(results).where(*_board, results.c.leads == 1).values(leads=0))
_OF_POST = Query(
    select(results.c.id, results.c.platform, results.c.track).where(
        results.c.post_id == given("of")["of"]
    )
)
_AGAIN = Query(
    select(_V.agent_id, _V.commit_hash, _V.val_bpb)
    .where(
        _V.platform == given("platform")["platform"],
        _V.track.in_(("", given("track")["track"])),
        _V.hidden == 0,
        _V.commit_hash.is_not(None),
        _V.val_bpb.is_not(None),
    )
    .order_by(_V.id.desc())
    .limit(given("most")["most"])
)
_IN_POST = Query(
    select(*RESULT)
    .where(results.c.post_id == given("of")["of"], results.c.hidden == 0)
    .order_by(results.c.id)
)
_V_IN_POST = Query(
    select(
        _V.named,
        _V.commit_hash,
        _V.platform,
        _V.track,
        _V.val_bpb,
        _V.runs,
        _V.reproduced,
        _V.reason,
    )
    .where(_V.post_id == given("of")["of"], _V.hidden == 0)
    .order_by(_V.id)
)
_HIDE = Query(update(results).where(results.c.post_id == given("of")["of"]).values(given("hidden")))
_HIDE_V = Query(
    update(verifications).where(_V.post_id == given("of")["of"]).values(given("hidden"))
)
_RECENT = Query(
    select(results.c.id, results.c.agent_id, results.c.description, results.c.status)
    .where(results.c.hidden == 0, results.c.id > given("behind")["behind"])
    .order_by(results.c.id.desc())
    .limit(given("most")["most"])
)
_VERDICTS = Query(
    select(_V.agent_id, _V.named, _V.commit_hash, _V.track, _V.reproduced)
    .where(_V.platform == given("platform")["platform"], _V.hidden == 0)
    .order_by(_V.id.desc())
    .limit(given("most")["most"])
)


_ALL_BOARDS = Query(select(results.c.platform, results.c.track).distinct())
_IN_ORDER = Query(
    select(
        results.c.id,
        results.c.agent_id,
        results.c.created_at,
        results.c.hidden,
        results.c.description,
        results.c.reason,
        results.c.platform,
        results.c.track,
        results.c.status,
        results.c.named,
    )
    .where(results.c.id > given("last")["last"])
    .order_by(results.c.id)
    .limit(given("most")["most"])
)


def _resolve(table_columns: object) -> Query:
    c = table_columns  # one statement serves both tables
    hash_ = given("hash")["hash"]
    first = given("first")["first"]
    return Query(
        update(c.named.table)  # type: ignore[attr-defined]
        .where(c.commit_hash.is_(None), c.named >= first, c.named <= hash_)  # type: ignore[attr-defined]
        .where(func.substr(hash_, 1, func.length(c.named)) == c.named)  # type: ignore[attr-defined]
        .values(commit_hash=hash_)
    )


_RESOLVE = (_resolve(results.c), _resolve(verifications.c))


def add(tx: Transaction, **values: object) -> int:
    """A result; `values` are the columns but `id`."""
    return int(tx.value(_ADD, **values))


def add_verification(tx: Transaction, **values: object) -> None:
    tx.run(_ADD_V, **values)


def leader(reader: Reader, platform: str, track: str) -> float | None:
    """The best value of a board so far."""
    value = reader.value(_LEADER, platform=platform, track=track)
    return None if value is None else float(value)


def boards(reader: Reader, most: int) -> list[tuple[str, str]]:
    """(platform, track) of the boards somebody leads, the most recently led first."""
    return [(row[0], row[1]) for row in reader.rows(_BOARDS, most=most)]


def records(reader: Reader, platform: str, track: str, most: int) -> list[Row]:
    """RESULT columns of a board's running best, newest first."""
    return reader.rows(_RECORDS, platform=platform, track=track, most=most)


def all_boards(reader: Reader) -> list[tuple[str, str]]:
    """(platform, track) of every board, led or not."""
    return [(row[0], row[1]) for row in reader.rows(_ALL_BOARDS)]


def in_order(reader: Reader, last: int, most: int) -> list[Row]:
    """(id, agent_id, created_at, hidden, description, reason, platform, track, status, named) behind `last`, oldest first."""
    return reader.rows(_IN_ORDER, last=last, most=most)


def may_lead(reader: Reader, platform: str, track: str) -> list[tuple[int, float]]:
    """(id, value) of every result that may lead the board, oldest first."""
    return [(row[0], row[1]) for row in reader.rows(_MAY_LEAD, platform=platform, track=track)]


def set_leaders(tx: Transaction, platform: str, track: str, leaders: Iterable[int]) -> None:
    """These results, and no others, were the best of their board when they came."""
    tx.run(_CLEAR_LEADS, platform=platform, track=track)
    tx.run_many(_SET_LEADS, [{"of": result_id, "leads": 1} for result_id in leaders])


def of_post(reader: Reader, post_id: int) -> list[Row]:
    """(id, platform, track) of the results in a post."""
    return reader.rows(_OF_POST, of=post_id)


def measured_again(reader: Reader, platform: str, track: str, most: int) -> list[Row]:
    """(agent_id, commit_hash, val_bpb) of a board's verifications that have a value, newest first."""
    return reader.rows(_AGAIN, platform=platform, track=track, most=most)


def in_post(reader: Reader, post_id: int) -> list[Row]:
    """RESULT columns of the results in a post that are shown, in its order."""
    return reader.rows(_IN_POST, of=post_id)


def verdicts_in_post(reader: Reader, post_id: int) -> list[Row]:
    """(named, commit_hash, platform, track, val_bpb, runs, reproduced, reason) of the verifications in a post."""
    return reader.rows(_V_IN_POST, of=post_id)


def set_hidden(tx: Transaction, post_id: int, hidden: bool) -> None:
    tx.run(_HIDE, of=post_id, hidden=int(hidden))
    tx.run(_HIDE_V, of=post_id, hidden=int(hidden))


def recent(reader: Reader, most: int, behind: int = 0) -> list[Row]:
    """(id, agent_id, description, status) of the newest results with an id over `behind`."""
    return reader.rows(_RECENT, most=most, behind=behind)


def verdicts(reader: Reader, platform: str, most: int) -> list[Row]:
    """(agent_id, named, commit_hash, track, reproduced) of a platform's verifications, newest first."""
    return reader.rows(_VERDICTS, platform=platform, most=most)


def name_commit(tx: Transaction, commit_hash: str, shortest: int) -> None:
    """Whatever named this commit before it was known, by `shortest` or more of its digits, now points to it."""
    for query in _RESOLVE:
        tx.run(query, hash=commit_hash, first=commit_hash[:shortest])


_FILTERS: dict[str, ColumnElement[bool]] = {
    "agent": results.c.agent_id == given("agent")["agent"],
    "platform": results.c.platform == given("platform")["platform"],
    "track": results.c.track == given("track")["track"],
    "status": results.c.status == given("status")["status"],
    "before": results.c.id < given("before")["before"],
    "commit": results.c.named.between(given("commit")["commit"], given("commit_end")["commit_end"])
    | results.c.commit_hash.between(given("commit")["commit"], given("commit_end")["commit_end"]),
}


@lru_cache(maxsize=128)
def _list(filters: frozenset[str]) -> Query:
    chosen = [_FILTERS[name] for name in sorted(filters)]
    statement = select(*RESULT).where(results.c.hidden == 0, *chosen).order_by(results.c.id.desc())
    return Query(statement.limit(given("most")["most"]).offset(given("skip")["skip"]))


def latest(reader: Reader, most: int, skip: int, **filters: str | int) -> list[Row]:
    """RESULT columns, newest first; filters by agent, platform, track, status, commit (leading digits) and before."""
    query = _list(frozenset(filters))
    if "commit" in filters:
        filters = {
            **filters,
            "commit_end": f"{filters['commit']}g",
        }  # "g" sorts behind every hex digit
    return reader.rows(query, most=most, skip=skip, **filters)


@lru_cache(maxsize=1)
def _pushed() -> Query:
    table = metadata.tables["commits"]
    first, behind = given("first")["first"], given("behind")["behind"]
    return Query(select(table.c.hash).where(table.c.hash >= first, table.c.hash < behind).limit(2))


def pushed(reader: Reader, digits: str) -> str | None:
    """The one pushed commit whose hash starts with `digits`; None where there is none, or more than one."""
    if "commits" not in metadata.tables:
        return None
    found = reader.rows(_pushed(), first=digits, behind=f"{digits}g")
    return str(found[0][0]) if len(found) == 1 else None
