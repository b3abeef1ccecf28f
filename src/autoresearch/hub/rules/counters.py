"""How much there is of everything, by agent and by board: counted once, then only what is new. One per worker.

Rows get ascending numbers in the order they are committed (one writer at a time), so what is new lies behind the last number seen. Hiding or restoring
something begins the count anew.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field

from autoresearch.hub.store import overview
from autoresearch.hub.store.database import Reader


@dataclass
class AgentCounts:
    """What one agent did. `records` were the best of their board when they came; `checks` are of others' results."""

    results: int = 0
    kept: int = 0
    records: int = 0
    last_at: str = ""
    posts: int = 0
    commits: int = 0
    checks: int = 0


@dataclass
class BoardCounts:
    """What one board holds."""

    results: int = 0
    kept: int = 0
    newest: int = 0


@dataclass
class HubCounts:
    shares: dict[str, AgentCounts] = field(default_factory=lambda: defaultdict(AgentCounts))
    boards: dict[tuple[str, str], BoardCounts] = field(
        default_factory=lambda: defaultdict(BoardCounts)
    )
    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(overview.COUNTED, 0))
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(overview.COUNTED, 0))


class Counters:
    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._counts = HubCounts()
        self._hidden_seq = 0

    def count(self, reader: Reader, hidden_seq: int) -> HubCounts:
        """Everything counted up to now. `hidden_seq` is the event that hid or restored something last."""
        with self._turn:
            if hidden_seq != self._hidden_seq:
                self._counts, self._hidden_seq = HubCounts(), hidden_seq
            for noun in overview.COUNTED:
                self._take_in(reader, noun)
            return self._counts

    def _take_in(self, reader: Reader, noun: str) -> None:
        counts = self._counts
        newest, by_agent = overview.newer(reader, noun, counts.last[noun])
        for agent, number in by_agent:
            counts.totals[noun] += number
            if agent:
                share = counts.shares[agent]
                setattr(share, noun, getattr(share, noun) + number)
        if noun == "results":
            self._results(reader, counts.last[noun], newest)
        counts.last[noun] = newest

    def _results(self, reader: Reader, behind: int, upto: int) -> None:
        for (
            agent,
            platform,
            track,
            number,
            kept,
            records,
            newest,
            last_at,
        ) in overview.newer_results(reader, behind, upto):
            share, board = self._counts.shares[agent], self._counts.boards[platform, track]
            share.kept += kept
            share.records += records
            share.last_at = max(share.last_at, last_at)
            board.results += number
            board.kept += kept
            board.newest = max(board.newest, newest)
