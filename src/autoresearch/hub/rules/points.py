"""Every result of a board that has a value or crashed: read once, then only what is new or may
have changed. One per worker.

A row that was read changes in three ways: it begins or ceases to lead, verdicts settle it, and the
commit that it names is pushed. All such rows are found by an index. Hiding or restoring something
starts anew, as in `rules.counters`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from msgspec.structs import replace

from autoresearch.hub.rules.counters import HubCounts
from autoresearch.hub.store import results
from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import BoardName
from autoresearch.models import Result

POINTS_MAX = 50_000  # kept of all boards: some 50 MB. The board asked for last is always kept


@dataclass(frozen=True)
class KnownPoints:
    """The points of a board, oldest first, as they were when it had `changed`; what was hidden up
    to the event `hidden_seq` is not among them, and commits up to `commit_seq` are named."""

    points: list[Result]
    changed: int
    commit_seq: int
    hidden_seq: int


class PointsCache:
    """The points of the boards that were asked for last; any thread may ask."""

    def __init__(self, most: int = POINTS_MAX) -> None:
        self._turn = threading.Lock()
        self._known: dict[BoardName, KnownPoints] = {}
        self._most = most

    def read(self, reader: Reader, board: BoardName, counts: HubCounts) -> list[Result]:
        """Every point of a board, oldest first, not to be changed; `counts` are from before."""
        counted = counts.boards.get(board)
        if counted is None:
            return []
        commit_seq = counts.last["commits"]
        with self._turn:
            known = self._known.pop(board, None)
            if known is None or known.hidden_seq != counts.hidden_seq:
                points = results.points(reader, *board)
            elif known.changed == counted.changed:
                points = known.points
            else:
                points = _renew_points(reader, board, known, commit_seq)
            self._known[board] = KnownPoints(points, counted.changed, commit_seq, counts.hidden_seq)
            self._forget_oldest()
        return points

    def _forget_oldest(self) -> None:
        count = sum(len(known.points) for known in self._known.values())
        for board in [*self._known][:-1]:
            if count > self._most:
                count -= len(self._known.pop(board).points)


def _renew_points(
    reader: Reader, board: BoardName, known: KnownPoints, commit_seq: int
) -> list[Result]:
    pushed = results.of_commits(reader, known.commit_seq + 1, commit_seq)
    fresh = {point.id: point for point in (*pushed, *results.marked_points(reader, *board))}

    def renew(point: Result) -> Result:
        is_marked = point.leads or point.verified != "unverified"
        unmarked = replace(point, leads=False, verified="unverified") if is_marked else point
        return fresh.get(point.id, unmarked)

    newest_id = known.points[-1].id if known.points else 0
    return [*map(renew, known.points), *results.points(reader, *board, newest_id)]
