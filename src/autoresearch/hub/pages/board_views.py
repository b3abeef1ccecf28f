"""Leaderboards as pages show them: one board in a card, its records with their gains.

Who leads is worked out by `rules.leaderboards`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import urlencode

from autoresearch import models
from autoresearch.hub.pages import chart
from autoresearch.hub.pages.rendering import read_cached
from autoresearch.hub.rules import leaderboards, metric_names, significance
from autoresearch.hub.rules.counters import BoardCounts, HubCounts
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName

T = TypeVar("T")
BOARDS_MAX = 40
SPARK_MAX = 200  # records of a sparkline


@dataclass(frozen=True)
class BoardPoints:
    """Every result of one board that has a value or crashed, oldest first, and their noise."""

    points: list[models.Result]
    noise: float | None


@dataclass(frozen=True)
class BoardSummary:
    """One board in a card. `spark` is an SVG path; `gain` is over the first record."""

    counts: BoardCounts
    best: models.BoardRecord | None
    spark: str
    gain: float | None
    metric: str


@dataclass(frozen=True)
class RecordRow:
    """A record, what it gained on the record before (`sigma`: beside the noise), and the values of
    those who reproduced it."""

    number: int
    record: models.BoardRecord
    gain: float | None
    sigma: float | None = None
    remeasured: tuple[float, ...] = ()


@dataclass(frozen=True)
class BoardStanding:
    """One board as the leaderboard shows it; `more` records and `more_waiting` are left out."""

    platform: str
    track: str
    records: list[RecordRow]
    more: int
    waiting: list[models.BoardRecord]
    more_waiting: int
    metric: str


def read_board(hub: Services, board: BoardName) -> BoardPoints:
    """Read once until the board changes, for all pages that show it."""
    points = hub.points.read(hub.db.reader, board, count_hub(hub))
    return BoardPoints(points, significance.estimate_noise(points))


def read_noise(hub: Services, board: BoardName) -> float | None:
    """A board's noise, worked out again only when the board has changed."""
    return cache_of_board(hub, "noise", board, lambda: read_board(hub, board).noise)


def cache_of_board(hub: Services, what: Hashable, board: BoardName, read: Callable[[], T]) -> T:
    """What `read` returns, until the board changes. In a thread only."""
    counted = count_hub(hub).boards.get(board)
    if counted is None:
        return read()
    return hub.page_cache.get_in_thread((what, board), counted.changed, read)


def write_boards(
    hub: Services,
    form: str,
    names: Iterable[BoardName],
    write: Callable[[Services, BoardName], bytes],
) -> list[bytes]:
    """Each board as it stands in a file of that form, written anew only where it has changed."""
    return [cache_of_board(hub, form, name, partial(write, hub, name)) for name in names]


def count_hub(hub: Services) -> HubCounts:
    """Counted once until something new comes."""

    def count() -> HubCounts:
        return hub.counters.count(hub.db.reader, hub.feed.hidden_seq)

    return read_cached(hub, "counts", count)


def list_boards(hub: Services, most: int = BOARDS_MAX) -> list[BoardCounts]:
    """Every board, the most recently used first."""
    return sorted(count_hub(hub).boards.values(), key=lambda board: -board.newest)[:most]


def name_query(board: BoardCounts) -> str:
    """What names a board in an address."""
    return urlencode({"platform": board.platform, "track": board.track})


def summarize_boards(hub: Services, most: int) -> list[BoardSummary]:
    return [summarize_board(hub, board) for board in list_boards(hub, most)]


def summarize_board(hub: Services, board: BoardCounts) -> BoardSummary:
    def read() -> BoardSummary:
        best = leaderboards.leader(hub.db.reader, board.platform, board.track)
        values = leaderboards.record_values(hub.db.reader, board.platform, board.track, SPARK_MAX)
        gain = values[0] - values[-1] if len(values) > 1 else None
        metric = metric_names.of_board(hub.db.reader, *board.name)
        return BoardSummary(board, best, chart.draw_sparkline(values), gain, metric)

    return cache_of_board(hub, "summary", board.name, read)


def choose_boards(hub: Services, platform: str | None, track: str | None) -> list[BoardCounts]:
    """Every board of that name, led or not, the most recently used first."""
    return [
        board
        for board in list_boards(hub, len(count_hub(hub).boards))
        if platform in (None, board.platform) and track in (None, board.track)
    ]


def list_standings(
    hub: Services, chosen: list[BoardCounts], most: int, few: int
) -> list[BoardStanding]:
    """These boards, each with its newest records and what waits beside them: `most` of one alone,
    of several `few` each."""
    names = [BoardName(board.platform, board.track) for board in chosen]
    found = list(zip(chosen, leaderboards.read_boards(hub.db.reader, names), strict=True))
    shown = most if len(found) == 1 else few
    return [
        BoardStanding(
            board.platform,
            board.track,
            list_records(hub, board, parts)[:shown],
            max(0, len(parts.records) - shown),
            parts.waiting[:shown],
            max(0, len(parts.waiting) - shown),
            metric_names.of_board(hub.db.reader, *board.name),
        )
        for board, parts in found
        if parts.records or parts.waiting
    ]


def list_records(
    hub: Services, board: BoardCounts, parts: leaderboards.BoardParts
) -> list[RecordRow]:
    """A board's records, newest first."""
    noise = read_noise(hub, board.name)
    befores = [None, *parts.records]
    return [
        RecordRow(
            number,
            record,
            None if before is None else before.val_bpb - record.val_bpb,
            None if before is None else significance.gain_in_sigma(before, record, noise),
            leaderboards.remeasured_values(record, board.track, parts.votes),
        )
        for number, (record, before) in enumerate(zip(parts.records, befores, strict=False), 1)
    ][::-1]
