"""Leaderboards: who leads each board, who could reproduce it, and every experiment of one board.

Worked out here alone.

A board is one platform and one track: nothing else may be compared. Which results led it is
decided by `rules.boards` and noted whenever that may change (`rules.results`), so that a board
costs the same to read whatever its history. Results that wait to count are listed beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autoresearch.hub.rules import boards, verdicts
from autoresearch.hub.rules.results import NAMED_MIN
from autoresearch.hub.store import results
from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import BoardName, Verification
from autoresearch.models import Board, BoardRecord, Result, Waits

BOARDS_MAX = 1000
RECORDS_MAX = 1000
VOTES_MAX = 10_000
WAITING_EACH, WAITING_MAX = 5, 200  # of one network, of one board
Votes = dict[str, list[Verification]]


class BoardParts(NamedTuple):
    """What counts on a board, oldest first, what waits beside it, and its platform's votes."""

    records: list[BoardRecord]
    waiting: list[BoardRecord]
    votes: Votes


class BoardResults(NamedTuple):
    """What counts on a board, oldest first, and what waits beside it with why."""

    leaders: list[Result]
    waiting: list[tuple[Result, Waits]]


def leaderboard(
    reader: Reader, platform: str | None, track: str | None, most: int, agent_id: str = ""
) -> list[Board]:
    """Boards that have a leader, the most recently led first; `agent_id` is who asks."""
    chosen = choose_led(reader, platform, track, most)
    votes: dict[str, Votes] = {}  # by platform: read once for all of its boards
    found = (_read_board(reader, board, votes, agent_id) for board in chosen)
    return [
        Board(*board, parts.records[-1], parts.records, parts.waiting)
        for board, parts in zip(chosen, found, strict=False)
        if parts.records
    ]


def choose_led(
    reader: Reader, platform: str | None, track: str | None, most: int
) -> list[BoardName]:
    """The boards of that name that have a leader, the most recently led first; a board whose whole
    name is given, led or not."""
    if platform is not None and track is not None:
        return [BoardName(platform, track)][:most]
    return [
        board
        for board in led_boards(reader, BOARDS_MAX)
        if platform in (None, board.platform) and track in (None, board.track)
    ][:most]


def led_boards(reader: Reader, most: int) -> list[BoardName]:
    """The boards that have a leader, the most recently led first."""
    return results.led_boards(reader, most)


def read_boards(reader: Reader, names: Iterable[BoardName]) -> list[BoardParts]:
    """These boards, led or not."""
    votes: dict[str, Votes] = {}
    return [_read_board(reader, name, votes, "") for name in names]


def _read_board(
    reader: Reader, board: BoardName, votes: dict[str, Votes], agent_id: str
) -> BoardParts:
    leaders, waiting = read_results(reader, board)
    if board.platform not in votes:
        votes[board.platform] = _read_votes(reader, board.platform)
    listed = [*(result for result, _ in waiting), *leaders[::-1]]
    asked = verdicts.list_asked(reader, listed, agent_id) if agent_id else set()

    def describe(result: Result, waits: Waits = "") -> BoardRecord:
        return _record(result, votes[board.platform], waits, result.id in asked)

    return BoardParts(
        [describe(result) for result in leaders],
        [describe(result, waits) for result, waits in waiting],
        votes[board.platform],
    )


def read_results(reader: Reader, board: BoardName) -> BoardResults:
    """The same without anybody's votes, which are most of the work."""
    leaders = results.leaders(reader, *board, RECORDS_MAX)[::-1]
    floor = boards.find_floor([r.val_bpb for r in leaders if r.val_bpb is not None])
    waiting = _find_waiting(reader, board, leaders)
    return BoardResults(leaders, [(result, _find_wait(result, floor)) for result in waiting])


def _find_waiting(reader: Reader, board: BoardName, leaders: list[Result]) -> list[Result]:
    """What is better and does not count, without what its own author has bettered."""
    verified = [r.val_bpb for r in leaders if r.verified == "reproduced" and r.val_bpb is not None]
    below = min(verified, default=float("inf"))
    bests = {result.agent_id: result.val_bpb or 0.0 for result in leaders}
    return [
        result
        for result in results.list_waiting(reader, *board, below, WAITING_EACH, WAITING_MAX)
        if (result.val_bpb or 0.0) < bests.get(result.agent_id, below)
    ]


def _find_wait(result: Result, floor: float) -> Waits:
    """Why a result does not count yet."""
    if result.commit_hash is None:
        return "not pushed"
    if result.verified == "disputed":
        return "disputed"
    is_far = result.val_bpb is not None and result.val_bpb < floor
    return "implausible" if is_far else "unverified"


def leader(reader: Reader, platform: str, track: str) -> BoardRecord | None:
    """The best of a board; None where nothing leads it."""
    for best in results.leaders(reader, platform, track, 1):
        return _record(best, _read_votes(reader, platform, named=best.commit[:NAMED_MIN]))
    return None


def record_values(reader: Reader, platform: str, track: str, most: int) -> list[float]:
    """The values of a board's newest `most` records, oldest first."""
    return results.leading_values(reader, platform, track, most)[::-1]


def _read_votes(reader: Reader, platform: str, **filters: str) -> Votes:
    """A platform's votes, newest first, by the digits that two names of one commit share."""
    found: Votes = {}
    for vote in results.latest_verifications(reader, VOTES_MAX, platform=platform, **filters):
        found.setdefault(vote.commit[:NAMED_MIN], []).append(vote)
    return found


def _record(result: Result, votes: Votes, waits: Waits = "", asked: bool = False) -> BoardRecord:
    found = votes.get(result.commit[:NAMED_MIN], ())
    counted = count_votes(result, found)
    yes = sorted(agent for agent, reproduced in counted.items() if reproduced)
    replayed = {vote.agent_id for vote in found if vote.replayed and vote.weight}
    assert result.val_bpb is not None  # only finite values lead or claim to
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
        verified=result.verified,
        reproduced_by=yes,
        disputed_by=sorted(agent for agent, reproduced in counted.items() if not reproduced),
        replayed_by=sorted(replayed.intersection(yes)),
        waits=waits,
        asked=asked,
        runs=result.runs,
        sd=result.sd,
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


def remeasured_values(record: BoardRecord, track: str, votes: Votes) -> tuple[float, ...]:
    """What others measured who ran a record's commit again on its board, lowest first."""
    found = votes.get(record.commit[:NAMED_MIN], ()) if record.commit_hash else ()
    values = (
        vote.val_bpb
        for vote in found
        if vote.commit_hash == record.commit_hash
        and vote.track in ("", track)
        and vote.agent_id != record.agent_id
    )
    return tuple(sorted(value for value in values if value is not None))


def leader_before(reader: Reader, result: Result) -> Result | None:
    """The best of its board when a result came."""
    return results.leader_before(reader, result.platform, result.track, result.id)


def verifications_of(reader: Reader, result: Result, most: int) -> list[Verification]:
    """What others said who ran a result's commit on its board, newest first."""
    if result.commit_hash is None:
        return []
    found = results.latest_verifications(
        reader, most, commit_hash=result.commit_hash, platform=result.platform
    )
    return [vote for vote in found if vote.track in ("", result.track)]


def board_points(reader: Reader, platform: str, track: str) -> list[Result]:
    """Every result of a board that has a value or crashed, oldest first."""
    return results.points(reader, platform, track)


def board_points_of(reader: Reader, board: BoardName, hashes: Sequence[str]) -> list[Result]:
    """The same of these commits alone."""
    found = results.points_of(reader, hashes)
    return [point for point in found if (point.platform, point.track) == board]


def commit_results(reader: Reader, first_seq: int, last_seq: int) -> list[Result]:
    """Results of the commits numbered from `first_seq` to `last_seq`, oldest first."""
    return results.of_commits(reader, first_seq, last_seq)
