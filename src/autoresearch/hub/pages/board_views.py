"""Boards as pages show them: the records of a leaderboard, the points of a chart. Reads only; results' rules decide who leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from autoresearch.hub import wire
from autoresearch.hub.pages import chart
from autoresearch.hub.pages.chart import Point
from autoresearch.hub.rules import leaderboards as rules
from autoresearch.hub.rules.counters import BoardCounts
from autoresearch.hub.store import overview
from autoresearch.hub.store import results as rows
from autoresearch.hub.store.database import Reader
from autoresearch.hub.worker import Hub

BOARDS_MAX = 40
RECORDS_MAX = 200  # of the sparkline
VALUE = 7  # of a RESULT row
Sizes = Mapping[tuple[str, str], BoardCounts]
VERDICTS_MAX = 10_000


@dataclass(frozen=True)
class Summary:
    """One board in a line."""

    platform: str
    track: str
    results: int
    kept: int
    best: wire.Record | None
    spark: str
    gain: float | None  # from the first record to the best


@dataclass(frozen=True)
class Listed:
    """A board by name, and how much it holds."""

    platform: str
    track: str
    size: BoardCounts


@dataclass(frozen=True)
class Told:
    """A record with what it was better by, and the values of those who ran it again, lowest first."""

    record: wire.Record
    gain: float | None
    number: int
    again: tuple[float, ...] = ()


def sizes(hub: Hub) -> Sizes:
    """What every board holds, as counted up to now."""
    return hub.counters.count(hub.db.reader, hub.feed.hidden_seq).boards


def listed(sizes: Sizes, most: int = BOARDS_MAX) -> list[Listed]:
    """Every board by name, the most recently used first."""
    chosen = sorted(sizes.items(), key=lambda item: -item[1].newest)[:most]
    return [Listed(platform, track, size) for (platform, track), size in chosen]


def summaries(reader: Reader, sizes: Sizes, most: int = BOARDS_MAX) -> list[Summary]:
    """Every board with its best, the most recently used first."""
    return [summary(reader, board) for board in listed(sizes, most)]


def summary(reader: Reader, board: Listed) -> Summary:
    """One board with its best."""
    platform, track, size = board.platform, board.track, board.size
    found = rows.records(reader, platform, track, RECORDS_MAX)
    best = rules.leader(reader, platform, track)
    values = [float(row[VALUE]) for row in reversed(found)]
    gain = values[0] - values[-1] if len(values) > 1 else None
    return Summary(platform, track, size.results, size.kept, best, chart.sparkline(values), gain)


def told(reader: Reader, board: wire.Board) -> list[Told]:
    """A board's records, newest first, each with its gain over the one before and what others measured."""
    befores: list[float | None] = [None, *(r.val_bpb for r in board.records)]
    again = _again(reader, board)
    return [
        Told(
            record,
            None if before is None else before - record.val_bpb,
            number,
            tuple(
                sorted(
                    v
                    for who, v in again.get(record.commit_hash or "", ())
                    if who != record.agent_id
                )
            ),
        )
        for number, (record, before) in enumerate(zip(board.records, befores, strict=False), 1)
    ][::-1]


def _again(reader: Reader, board: wire.Board) -> dict[str, list[tuple[str, float]]]:
    """By commit: who ran it again on this board, and what came out."""
    found: dict[str, list[tuple[str, float]]] = {}
    for agent, commit_hash, value in rows.measured_again(
        reader, board.platform, board.track, VERDICTS_MAX
    ):
        found.setdefault(commit_hash, []).append((agent, value))
    return found


def points(reader: Reader, platform: str, track: str) -> list[Point]:
    """A board's results, oldest first."""
    votes = _votes(reader, platform)
    return [
        Point(
            number, agent, named, commit_hash or "", value, status, description, created_at, bool(leads),
            _reproduced(votes.get(commit_hash or "", {}), agent),
        )
        for number, agent, named, commit_hash, value, status, description, created_at, leads in overview.points(
            reader, platform, track
        )
        if value is not None or status == "crash"
    ]  # fmt: skip


def _votes(reader: Reader, platform: str) -> dict[str, dict[str, bool]]:
    """By commit: who ran it again, and whether they could reproduce it; the newest word of each counts."""
    found: dict[str, dict[str, bool]] = {}
    for agent, _, commit_hash, _, reproduced in rows.verdicts(reader, platform, VERDICTS_MAX):
        if commit_hash:
            found.setdefault(commit_hash, {}).setdefault(agent, bool(reproduced))
    return found


def _reproduced(votes: dict[str, bool], author: str) -> bool:
    others = [yes for agent, yes in votes.items() if agent != author]
    return sum(others) > len(others) - sum(others)


def noise(points: Sequence[Point]) -> float | None:
    """The spread of one commit's results where some commit was reported more than once; None where nobody knows it."""
    by_commit: dict[str, list[float]] = {}
    for point in points:
        if point.value is not None and point.commit_hash:
            by_commit.setdefault(point.commit_hash, []).append(point.value)
    groups = [values for values in by_commit.values() if len(values) > 1]
    freedom = sum(len(g) - 1 for g in groups)
    if not freedom:
        return None
    return float((sum(stdev(g) ** 2 * (len(g) - 1) for g in groups) / freedom) ** 0.5)
