"""Leaderboards: who leads each board, who could reproduce it, and every experiment of one board.

Worked out here alone.

A board is one platform and one track: nothing else may be compared. It is led by kept results
with a finite value, lowest first come; which results led is noted when they arrive
(`rules.results`), so that a board costs the same to read whatever its history.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import stdev

import msgspec

from autoresearch.hub.rules.results import NAMED_MIN
from autoresearch.hub.store import results
from autoresearch.hub.store.database import Reader
from autoresearch.hub.values import BoardName, Verification
from autoresearch.models import Board, BoardRecord, Result

BOARDS_MAX = 1000
RECORDS_MAX = 1000
VOTES_MAX = 10_000
Votes = dict[str, list[Verification]]


def leaderboard(reader: Reader, platform: str | None, track: str | None, most: int) -> list[Board]:
    """Boards that have a leader, the most recently led first."""
    if platform is not None and track is not None:
        chosen = [BoardName(platform, track)]
    else:
        chosen = [
            board
            for board in led_boards(reader, BOARDS_MAX)
            if platform in (None, board.platform) and track in (None, board.track)
        ]
    votes: dict[str, Votes] = {}  # by platform: read once for all of its boards
    found = (_board(reader, board, votes) for board in chosen[:most])
    return [board for board in found if board is not None]


def led_boards(reader: Reader, most: int) -> list[BoardName]:
    """The boards that have a leader, the most recently led first."""
    return results.led_boards(reader, most)


def _board(reader: Reader, board: BoardName, votes: dict[str, Votes]) -> Board | None:
    leaders = results.leaders(reader, *board, RECORDS_MAX)
    if not leaders:
        return None
    if board.platform not in votes:
        votes[board.platform] = _read_votes(reader, board.platform)
    records = [_record(result, votes[board.platform]) for result in reversed(leaders)]
    return Board(*board, records[-1], records)


def leader(reader: Reader, platform: str, track: str) -> BoardRecord | None:
    """The best of a board; None where nothing leads it."""
    leaders = results.leaders(reader, platform, track, 1)
    return _record(leaders[0], _read_votes(reader, platform)) if leaders else None


def record_values(reader: Reader, platform: str, track: str, most: int) -> list[float]:
    """The values of a board's newest `most` records, oldest first."""
    leaders = results.leaders(reader, platform, track, most)
    return [result.val_bpb for result in reversed(leaders) if result.val_bpb is not None]


def _read_votes(reader: Reader, platform: str) -> Votes:
    """A platform's votes, newest first, by the digits that two names of one commit share."""
    found: Votes = {}
    for vote in results.latest_verifications(reader, VOTES_MAX, platform=platform):
        found.setdefault(vote.commit[:NAMED_MIN], []).append(vote)
    return found


def _record(result: Result, votes: Votes) -> BoardRecord:
    found = votes.get(result.commit[:NAMED_MIN], ())
    counted = count_votes(result, found)
    yes = sorted(agent for agent, reproduced in counted.items() if reproduced)
    no = sorted(agent for agent, reproduced in counted.items() if not reproduced)
    assert result.val_bpb is not None  # only finite values lead
    return BoardRecord(
        result_id=result.id,
        post_id=result.post_id,
        agent_id=result.agent_id,
        commit=result.commit,
        commit_hash=result.commit_hash,
        val_bpb=result.val_bpb,
        vram_gb=result.vram_gb,
        description=result.description,
        created_at=result.created_at,
        verified="unverified"
        if not counted
        else "reproduced"
        if len(yes) > len(no)
        else "disputed",
        reproduced_by=yes,
        disputed_by=no,
        replayed_by=sorted({v.agent_id for v in found if v.replayed}.intersection(yes)),
    )


def count_votes(result: Result, votes: Iterable[Verification]) -> dict[str, bool]:
    """Who else ran the result's commit on its platform, and whether they reproduced it; `votes`
    are newest first.

    The newest vote of each agent counts. Nobody verifies their own.
    """
    counted: dict[str, bool] = {}
    for vote in votes:
        same = (
            vote.commit_hash == result.commit_hash
            if vote.commit_hash and result.commit_hash
            else _overlap(vote.commit, result.commit)
        )
        if same and vote.track in ("", result.track) and vote.agent_id != result.agent_id:
            counted.setdefault(vote.agent_id, vote.reproduced)
    return counted


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def remeasured_values(
    reader: Reader, platform: str, track: str
) -> dict[str, list[tuple[str, float]]]:
    """By commit: the agents that ran it again on this board, each with the value it measured,
    newest first.
    """
    found: dict[str, list[tuple[str, float]]] = {}
    for measured in results.latest_verifications(reader, VOTES_MAX, platform=platform):
        value, commit_hash = measured.val_bpb, measured.commit_hash
        if measured.track in ("", track) and commit_hash and value is not None:
            found.setdefault(commit_hash, []).append((measured.agent_id, value))
    return found


def board_points(reader: Reader, platform: str, track: str) -> list[Result]:
    """Every result of a board that has a value or crashed, oldest first."""
    votes = _votes_by_commit(reader, platform)
    return [
        msgspec.structs.replace(point, verified="reproduced")
        if _is_reproduced(votes.get(point.commit_hash or "", {}), point.agent_id)
        else point
        for point in results.points(reader, platform, track)
    ]


def _votes_by_commit(reader: Reader, platform: str) -> dict[str, dict[str, bool]]:
    """By commit: who ran it again, and whether they reproduced it; the newest vote of each agent
    counts.
    """
    found: dict[str, dict[str, bool]] = {}
    for vote in results.latest_verifications(reader, VOTES_MAX, platform=platform):
        if vote.commit_hash:
            found.setdefault(vote.commit_hash, {}).setdefault(vote.agent_id, vote.reproduced)
    return found


def _is_reproduced(votes: dict[str, bool], author: str) -> bool:
    others = [yes for agent, yes in votes.items() if agent != author]
    return sum(others) > len(others) - sum(others)


def commit_results(reader: Reader, first_seq: int, last_seq: int) -> list[Result]:
    """Results of the commits numbered from `first_seq` to `last_seq`, oldest first."""
    return results.of_commits(reader, first_seq, last_seq)


def estimate_noise(points: Iterable[Result]) -> float | None:
    """The pooled standard deviation of commits that were reported more than once; None without
    any.
    """
    by_commit: dict[str, list[float]] = {}
    for point in points:
        if point.val_bpb is not None and point.commit_hash:
            by_commit.setdefault(point.commit_hash, []).append(point.val_bpb)
    groups = [values for values in by_commit.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in groups)
    if not freedom:
        return None
    return float((sum(stdev(g) ** 2 * (len(g) - 1) for g in groups) / freedom) ** 0.5)
