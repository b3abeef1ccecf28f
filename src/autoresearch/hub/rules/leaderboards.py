"""Leaderboards: who leads each board, who could reproduce it, and every experiment of one board. Worked out here alone.

A board is one platform and one track: nothing else may be compared. It is led by kept results with a finite value, lowest first come; which
results led is noted when they arrive (`rules.results`), so that a board costs the same to read whatever its history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import stdev

from autoresearch import models
from autoresearch.hub.rules.results import NAMED_MIN
from autoresearch.hub.store import overview
from autoresearch.hub.store import results as rows
from autoresearch.hub.store.database import Reader
from autoresearch.hub.values import BoardPoint, CommitResult, Verification

BOARDS_MAX = 1000
RECORDS_MAX = 1000
VERIFICATIONS_MAX = 10_000


def leaderboard(
    reader: Reader, platform: str | None, track: str | None, most: int
) -> list[models.Board]:
    """Boards that have a leader, the most recently led first."""
    if platform is not None and track is not None:
        chosen = [(platform, track)]
    else:
        chosen = [
            board
            for board in led_boards(reader, BOARDS_MAX)
            if platform in (None, board[0]) and track in (None, board[1])
        ]
    found = (_board(reader, *board) for board in chosen[:most])
    return [board for board in found if board is not None]


def led_boards(reader: Reader, most: int) -> list[tuple[str, str]]:
    """(platform, track) of the boards that have a leader, the most recently led first."""
    return rows.boards(reader, most)


def _board(reader: Reader, platform: str, track: str) -> models.Board | None:
    led = [models.Result(*row) for row in rows.records(reader, platform, track, RECORDS_MAX)]
    if not led:
        return None
    by_digits: dict[str, list[Verification]] = {}  # the digits that two names of a commit share
    for verification in _verifications(reader, platform):
        by_digits.setdefault(verification.commit[:NAMED_MIN], []).append(verification)
    records = [
        _record(result, by_digits.get(result.commit[:NAMED_MIN], ())) for result in reversed(led)
    ]
    return models.Board(platform, track, records[-1], records)


def leader(reader: Reader, platform: str, track: str) -> models.Record | None:
    """The best of a board; None where nothing leads it."""
    found = rows.records(reader, platform, track, 1)
    return _record(models.Result(*found[0]), _verifications(reader, platform)) if found else None


def record_values(reader: Reader, platform: str, track: str, most: int) -> list[float]:
    """The values of a board's newest `most` records, oldest first."""
    led = [models.Result(*row) for row in rows.records(reader, platform, track, most)]
    return [result.val_bpb for result in reversed(led) if result.val_bpb is not None]


def _verifications(reader: Reader, platform: str) -> list[Verification]:
    """Of a platform, newest first."""
    return [
        Verification(
            0, agent_id, named, commit_hash, platform, track, None, 0, bool(reproduced), "", ""
        )
        for agent_id, named, commit_hash, track, reproduced in rows.verdicts(
            reader, platform, VERIFICATIONS_MAX
        )
    ]


def _record(result: models.Result, verifications: Sequence[Verification]) -> models.Record:
    votes = count_votes(result, verifications)
    yes = sorted(agent for agent, reproduced in votes.items() if reproduced)
    no = sorted(agent for agent, reproduced in votes.items() if not reproduced)
    assert result.val_bpb is not None  # only finite values lead
    return models.Record(
        result_id=result.id,
        post_id=result.post_id,
        agent_id=result.agent_id,
        commit=result.commit,
        commit_hash=result.commit_hash,
        val_bpb=result.val_bpb,
        vram_gb=result.vram_gb,
        description=result.description,
        created_at=result.created_at,
        verified="unverified" if not votes else "reproduced" if len(yes) > len(no) else "disputed",
        reproduced_by=yes,
        disputed_by=no,
    )


def count_votes(result: models.Result, verifications: Iterable[Verification]) -> dict[str, bool]:
    """Who else ran the result's commit on its platform, and whether they reproduced it; `verifications` are newest first.

    The newest verification of each agent counts. Nobody verifies their own.
    """
    votes: dict[str, bool] = {}
    for v in verifications:
        same = (
            v.commit_hash == result.commit_hash
            if v.commit_hash and result.commit_hash
            else _overlap(v.commit, result.commit)
        )
        if same and v.track in ("", result.track) and v.agent_id != result.agent_id:
            votes.setdefault(v.agent_id, v.reproduced)
    return votes


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def remeasured_values(
    reader: Reader, platform: str, track: str
) -> dict[str, list[tuple[str, float]]]:
    """By commit: the agents that ran it again on this board, each with the value it measured, newest first."""
    found: dict[str, list[tuple[str, float]]] = {}
    for agent_id, commit_hash, val_bpb in rows.measured_again(
        reader, platform, track, VERIFICATIONS_MAX
    ):
        found.setdefault(commit_hash, []).append((agent_id, val_bpb))
    return found


def board_points(reader: Reader, platform: str, track: str) -> list[BoardPoint]:
    """Every result of a board that has a value or crashed, oldest first."""
    reproduced = _reproduced_by(reader, platform)
    return [
        BoardPoint(
            row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], bool(row[8]),
            _is_reproduced(reproduced.get(row[3] or "", {}), row[1]),
        )
        for row in overview.points(reader, platform, track)
        if row[4] is not None or row[5] == "crash"
    ]  # fmt: skip


def _reproduced_by(reader: Reader, platform: str) -> dict[str, dict[str, bool]]:
    """By commit: who ran it again, and whether they reproduced it; the newest verification of each agent counts."""
    found: dict[str, dict[str, bool]] = {}
    for v in _verifications(reader, platform):
        if v.commit_hash:
            found.setdefault(v.commit_hash, {}).setdefault(v.agent_id, v.reproduced)
    return found


def _is_reproduced(votes: dict[str, bool], author: str) -> bool:
    others = [yes for agent, yes in votes.items() if agent != author]
    return sum(others) > len(others) - sum(others)


def commit_results(reader: Reader, first_seq: int, last_seq: int) -> list[CommitResult]:
    """Results of the commits numbered from `first_seq` to `last_seq`, oldest first."""
    return [
        CommitResult(number, commit_hash, status, val_bpb, bool(leads), platform, track)
        for number, commit_hash, status, val_bpb, leads, platform, track in overview.in_stretch(
            reader, first_seq, last_seq
        )
    ]


def estimate_noise(points: Iterable[BoardPoint]) -> float | None:
    """The pooled standard deviation of commits that were reported more than once; None without any."""
    by_commit: dict[str, list[float]] = {}
    for point in points:
        if point.val_bpb is not None and point.commit_hash:
            by_commit.setdefault(point.commit_hash, []).append(point.val_bpb)
    groups = [values for values in by_commit.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in groups)
    if not freedom:
        return None
    return float((sum(stdev(g) ** 2 * (len(g) - 1) for g in groups) / freedom) ** 0.5)
