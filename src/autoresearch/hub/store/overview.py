"""What the pages count and draw: whole boards as points, who contributed what, the commits of a stretch of the DAG."""

from __future__ import annotations

from sqlalchemy import Integer, case, cast, func, or_, select

from autoresearch.hub.store.database import Reader, Row
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.results import RESULT
from autoresearch.hub.store.schema import agents, commits, posts, results, verifications

_R, _C, _V = results.c, commits.c, verifications.c
_AGENTS = Query(select(func.count()).select_from(agents))
_TODAY = Query(
    select(func.count()).select_from(results).where(_R.created_at > given("since")["since"])
)
_kept = cast(func.sum(case((_R.status == "keep", 1), else_=0)), Integer)
_behind = given("behind")["behind"]
_NUMBERED = {
    "results": results.c.id,
    "posts": posts.c.id,
    "commits": commits.c.seq,
    "checks": verifications.c.id,
}
COUNTED = tuple(_NUMBERED)
_NEWEST = {noun: Query(select(func.max(number))) for noun, number in _NUMBERED.items()}
_NEWER = {
    noun: Query(
        select(number.table.c.agent_id, func.count())
        .where(number > _behind, number <= given("newest")["newest"], number.table.c.hidden == 0)
        .group_by(number.table.c.agent_id)
    )
    for noun, number in _NUMBERED.items()
}
_NEWER_RESULTS = Query(
    select(
        _R.agent_id,
        _R.platform,
        _R.track,
        func.count(),
        _kept,
        func.sum(_R.leads),
        func.max(_R.id),
        func.max(_R.created_at),
    )
    .where(_R.id > _behind, _R.id <= given("newest")["newest"], _R.hidden == 0)
    .group_by(_R.agent_id, _R.platform, _R.track)
)
_POINTS = Query(
    select(
        _R.id,
        _R.agent_id,
        _R.named,
        _R.commit_hash,
        _R.val_bpb,
        _R.status,
        _R.description,
        _R.created_at,
        _R.leads,
    )
    .where(
        _R.platform == given("platform")["platform"],
        _R.track == given("track")["track"],
        _R.hidden == 0,
        or_(_R.problem == "", _R.status == "crash"),
    )
    .order_by(_R.id)
)
_LATEST_POSTS = Query(
    select(
        posts.c.id,
        posts.c.channel_id,
        posts.c.agent_id,
        posts.c.parent_id,
        posts.c.content,
        posts.c.created_at,
    )
    .where(posts.c.hidden == 0)
    .order_by(posts.c.id.desc())
    .limit(given("most")["most"])
)
_POSTS_OF = Query(
    select(
        posts.c.id,
        posts.c.channel_id,
        posts.c.agent_id,
        posts.c.parent_id,
        posts.c.content,
        posts.c.created_at,
    )
    .where(posts.c.hidden == 0, posts.c.agent_id == given("agent")["agent"])
    .order_by(posts.c.id.desc())
    .limit(given("most")["most"])
)
_OF_COMMIT = Query(
    select(*RESULT)
    .where(_R.commit_hash == given("hash")["hash"], _R.hidden == 0)
    .order_by(_R.id.desc())
    .limit(given("most")["most"])
)
_VERDICTS_OF = Query(
    select(
        _V.agent_id,
        _V.platform,
        _V.track,
        _V.val_bpb,
        _V.runs,
        _V.reproduced,
        _V.reason,
        _V.created_at,
        _V.post_id,
    )
    .where(_V.commit_hash == given("hash")["hash"], _V.hidden == 0)
    .order_by(_V.id.desc())
    .limit(given("most")["most"])
)
_POST_OF = Query(select(_R.post_id).where(_R.id == given("result")["result"], _R.hidden == 0))
_EVERY_POST = Query(
    select(posts.c.id, posts.c.agent_id, func.substr(posts.c.content, 1, 400), posts.c.hidden)
    .order_by(posts.c.id.desc())
    .limit(given("most")["most"])
)
_EVERY_COMMIT = Query(
    select(_C.hash, _C.agent_id, func.substr(_C.message, 1, 400), _C.hidden)
    .order_by(_C.seq.desc())
    .limit(given("most")["most"])
)
_EVERY_AGENT = Query(
    select(agents.c.id, agents.c.created_at, agents.c.revoked_at)
    .order_by(agents.c.created_at.desc())
    .limit(given("most")["most"])
)
_IN_STRETCH = Query(
    select(_R.id, _R.commit_hash, _R.status, _R.val_bpb, _R.leads, _R.platform, _R.track)
    .select_from(commits.join(results, _C.hash == _R.commit_hash))
    .where(_C.seq >= given("first")["first"], _C.seq <= given("last")["last"], _R.hidden == 0)
)


def agents_and_today(reader: Reader, since: str) -> tuple[int, int]:
    """How many agents there are, and how many results since a time."""
    return int(reader.value(_AGENTS)), int(reader.value(_TODAY, since=since))


def newer(reader: Reader, noun: str, behind: int) -> tuple[int, list[Row]]:
    """The newest number of a noun of COUNTED, and (agent_id, how many) of those behind a number."""
    newest = int(reader.value(_NEWEST[noun]) or 0)
    return newest, reader.rows(
        _NEWER[noun], behind=behind, newest=newest
    ) if newest > behind else []


def newer_results(reader: Reader, behind: int, newest: int) -> list[Row]:
    """(agent_id, platform, track, results, kept, records, newest id, newest time) of results behind an id, up to another."""
    return reader.rows(_NEWER_RESULTS, behind=behind, newest=newest)


def points(reader: Reader, platform: str, track: str) -> list[Row]:
    """(id, agent_id, named, commit_hash, val_bpb, status, description, created_at, leads) of a board's results, oldest first."""
    return reader.rows(_POINTS, platform=platform, track=track)


def latest_posts(reader: Reader, most: int, agent: str | None = None) -> list[Row]:
    """POST columns of the newest posts, of everyone or of one agent."""
    if agent is None:
        return reader.rows(_LATEST_POSTS, most=most)
    return reader.rows(_POSTS_OF, agent=agent, most=most)


def of_commit(reader: Reader, commit_hash: str, most: int) -> tuple[list[Row], list[Row]]:
    """A commit's results (RESULT columns) and verifications (agent_id, platform, track, val_bpb, runs, reproduced, reason, created_at, post_id)."""
    return (
        reader.rows(_OF_COMMIT, hash=commit_hash, most=most),
        reader.rows(_VERDICTS_OF, hash=commit_hash, most=most),
    )


def post_of(reader: Reader, result_id: int) -> int | None:
    """The post a result was read from."""
    found = reader.value(_POST_OF, result=result_id)
    return None if found is None else int(found)


def in_stretch(reader: Reader, first: int, last: int) -> list[Row]:
    """(id, commit_hash, status, val_bpb, leads, platform, track) of results whose commits have a seq from `first` to `last`, oldest first."""
    return sorted(reader.rows(_IN_STRETCH, first=first, last=last), key=lambda row: row[0])


def for_operator(reader: Reader, most: int) -> tuple[list[Row], list[Row], list[Row]]:
    """The newest posts (id, agent_id, text, hidden), commits (hash, agent_id, message, hidden) and agents (id, created_at, revoked_at), hidden ones too."""
    return (
        reader.rows(_EVERY_POST, most=most),
        reader.rows(_EVERY_COMMIT, most=most),
        reader.rows(_EVERY_AGENT, most=most),
    )
