"""What the pages count and draw: whole boards as points, who contributed what, the commits of a stretch of the DAG."""

from __future__ import annotations

from sqlalchemy import Integer, and_, case, cast, func, or_, select

from autoresearch.hub.store.database import Reader, Row
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.results import RESULT
from autoresearch.hub.store.schema import agents, commits, posts, results, verifications

_R, _C, _V = results.c, commits.c, verifications.c
_COUNTS = [Query(select(func.count()).select_from(table)) for table in (agents, commits, posts, results)]
_TODAY = Query(select(func.count()).select_from(results).where(_R.created_at > given("since")["since"]))
_kept = cast(func.sum(case((_R.status == "keep", 1), else_=0)), Integer)
_BOARDS = Query(
    select(_R.platform, _R.track, func.count(), _kept, func.max(_R.id), func.sum(_R.leads))
    .where(_R.hidden == 0)
    .group_by(_R.platform, _R.track)
    .order_by(func.max(_R.id).desc())
    .limit(given("most")["most"])
)
_POINTS = Query(
    select(_R.id, _R.agent_id, _R.named, _R.commit_hash, _R.val_bpb, _R.status, _R.description, _R.created_at, _R.leads)
    .where(
        _R.platform == given("platform")["platform"],
        _R.track == given("track")["track"],
        _R.hidden == 0,
        or_(_R.problem == "", _R.status == "crash"),
    )
    .order_by(_R.id)
)
_BY_AGENT = Query(
    select(_R.agent_id, func.count(), _kept, func.sum(_R.leads), func.max(_R.created_at))
    .where(_R.hidden == 0)
    .group_by(_R.agent_id)
)
_POSTS_BY_AGENT = Query(select(posts.c.agent_id, func.count()).where(posts.c.hidden == 0).group_by(posts.c.agent_id))
_COMMITS_BY_AGENT = Query(select(_C.agent_id, func.count()).where(_C.hidden == 0).group_by(_C.agent_id))
_VERDICTS_GIVEN = Query(select(_V.agent_id, func.count()).where(_V.hidden == 0).group_by(_V.agent_id))
_LATEST_POSTS = Query(
    select(posts.c.id, posts.c.channel_id, posts.c.agent_id, posts.c.parent_id, posts.c.content, posts.c.created_at)
    .where(posts.c.hidden == 0)
    .order_by(posts.c.id.desc())
    .limit(given("most")["most"])
)
_POSTS_OF = Query(
    select(posts.c.id, posts.c.channel_id, posts.c.agent_id, posts.c.parent_id, posts.c.content, posts.c.created_at)
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
    select(_V.agent_id, _V.platform, _V.track, _V.val_bpb, _V.runs, _V.reproduced, _V.reason, _V.created_at, _V.post_id)
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
    select(_R.commit_hash, _R.status, _R.val_bpb, _R.leads, _R.platform, _R.track)
    .join(commits, and_(_C.hash == _R.commit_hash))
    .where(_C.seq >= given("first")["first"], _C.seq <= given("last")["last"], _R.hidden == 0)
    .order_by(_R.id)
)


def counts(reader: Reader, since: str) -> tuple[int, int, int, int, int]:
    """How many agents, commits, posts and results there are, and how many results since a time."""
    found = [int(reader.value(query)) for query in _COUNTS]
    return (found[0], found[1], found[2], found[3], int(reader.value(_TODAY, since=since)))


def boards(reader: Reader, most: int) -> list[Row]:
    """(platform, track, results, kept, newest id, records), the most recently used first."""
    return reader.rows(_BOARDS, most=most)


def points(reader: Reader, platform: str, track: str) -> list[Row]:
    """(id, agent_id, named, commit_hash, val_bpb, status, description, created_at, leads) of a board's results, oldest first."""
    return reader.rows(_POINTS, platform=platform, track=track)


def contributions(reader: Reader) -> dict[str, tuple[int, int, int, str, int, int, int]]:
    """By agent: results, kept, records, time of the newest result, posts, commits, verifications given."""
    by_posts, by_commits, by_verdicts = (
        {row[0]: int(row[1]) for row in reader.rows(query)}
        for query in (_POSTS_BY_AGENT, _COMMITS_BY_AGENT, _VERDICTS_GIVEN)
    )
    by_results = {row[0]: row[1:] for row in reader.rows(_BY_AGENT)}
    return {
        agent: (*by_results.get(agent, (0, 0, 0, "")), by_posts.get(agent, 0), by_commits.get(agent, 0), by_verdicts.get(agent, 0))
        for agent in {*by_posts, *by_commits, *by_verdicts, *by_results} - {""}
    }  # fmt: skip


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
    """(commit_hash, status, val_bpb, leads, platform, track) of results whose commits have a seq from `first` to `last`."""
    return reader.rows(_IN_STRETCH, first=first, last=last)


def for_operator(reader: Reader, most: int) -> tuple[list[Row], list[Row], list[Row]]:
    """The newest posts (id, agent_id, text, hidden), commits (hash, agent_id, message, hidden) and agents (id, created_at, revoked_at), hidden ones too."""
    return (
        reader.rows(_EVERY_POST, most=most),
        reader.rows(_EVERY_COMMIT, most=most),
        reader.rows(_EVERY_AGENT, most=most),
    )
