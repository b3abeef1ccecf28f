"""What is kept of a board between events follows whatever changes the board."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Any

import pytest

from autoresearch.hub.rules.counters import Counters
from autoresearch.hub.rules.points import PointsCache
from autoresearch.hub.store import results
from autoresearch.hub.store.database import Database
from autoresearch.hub.values import BoardName
from autoresearch.models import Result
from boards import Board
from git_work import bundle_new, push

SOON_S = 10.0


class Kept:
    """What a worker keeps of a hub's results, beside the same read anew."""

    def __init__(self, hub: Any, most: int = 1000) -> None:
        self.db = Database(hub.data, hub.database)
        self.counters, self.points, self.hidden_seq = Counters(), PointsCache(most), 0

    def changed(self, name: BoardName) -> int:
        return self.counters.count(self.db.reader, self.hidden_seq).boards[name].changed

    def read(self, name: BoardName) -> list[Result]:
        counts = self.counters.count(self.db.reader, self.hidden_seq)
        found = self.points.read(self.db.reader, name, counts)
        assert found == results.points(self.db.reader, *name)
        return found


@pytest.fixture
def lone(own_hub: Any) -> Iterator[Any]:
    yield own_hub()


def test_points_that_are_kept_are_those_of_the_table(lone: Any) -> None:
    """After a result, a push of what it named, a better one, a verdict that takes the lead from
    it, a dispute of that, and what an operator hides and shows again."""
    board, operator, kept = Board(lone), lone.vouched(), Kept(lone)
    name = BoardName(board.gpu, "")
    commit, bundle = bundle_new()
    board.claim(lone.agent(), "1.9", commit)
    assert [p.commit_hash for p in kept.read(name)] == [None]

    assert push(lone.agent(), bundle).status_code == 201
    assert [(p.commit_hash, p.leads) for p in kept.read(name)] == [(commit, True)]

    first, second = board.claim(lone.agent(), "1.5"), board.claim(lone.agent(), "1.4")
    assert [p.leads for p in kept.read(name)] == [True, True, True]

    board.judge(operator, first, "reproduced")
    assert [p.leads for p in kept.read(name)] == [False, True, False]

    board.judge(operator, first, "not reproduced (measured 2)")
    verified = [p.verified for p in kept.read(name)]
    assert verified == ["unverified", "disputed", "unverified"]

    for is_hidden in (True, False):
        sql = "UPDATE results SET hidden = :hidden WHERE post_id = :post"
        with kept.db.write() as tx:
            tx.run(sql, hidden=int(is_hidden), post=second[1])
        kept.hidden_seq += 1
        assert len(kept.read(name)) == (2 if is_hidden else 3)


def test_a_board_changes_by_what_concerns_it_alone(lone: Any) -> None:
    """Not by another board's result, nor by a push and a verdict that say nothing of it."""
    board, other, kept = Board(lone), Board(lone), Kept(lone)
    name = BoardName(board.gpu, "")
    first = board.claim(lone.agent(), "1.5")
    before = kept.changed(name)
    board.judge(lone.agent(), other.claim(lone.agent(), "1.2"), "reproduced")
    judged = kept.changed(name)
    other.judge(lone.vouched(), other.claim(lone.agent(), "1.1"), "reproduced")

    assert before < judged == kept.changed(name), "a verdict may name any commit of its platform"
    board.claim(lone.agent(), "1.4", first[0])
    assert judged < kept.changed(name)


def test_points_of_few_boards_are_kept(lone: Any) -> None:
    """Of as many results as the cache may hold, those of the boards asked for last; the last one
    in any case."""
    boards, kept = [Board(lone) for _ in range(3)], Kept(lone, most=3)
    for board in boards:
        board.claim(lone.agent(), "1.5")
        board.claim(lone.agent(), "1.4")
    names = [BoardName(board.gpu, "") for board in boards]
    for name in names:
        kept.read(name)

    assert [*kept.points._known] == [names[-1]]
    boards[0].claim(lone.agent(), "1.3")
    boards[0].claim(lone.agent(), "1.2")
    assert len(kept.read(names[0])) == 4 and [*kept.points._known] == [names[0]]


def test_files_of_all_boards_follow_each_change(hub: Any) -> None:
    """/leaderboard.json and .csv are put together from kept parts, and say what the API says: of
    a claim, of the push of its commit, of verdicts on it, and of a better one."""
    board, operator = Board(hub), hub.vouched()
    commit, bundle = bundle_new()

    def read_files() -> tuple[list[Any], list[tuple[str, ...]]]:
        chosen = {"platform": board.gpu}
        found = hub.http.get("/leaderboard.json", params=chosen).json()
        text = hub.http.get("/leaderboard.csv", params=chosen).text
        rows = csv.DictReader(io.StringIO(text))
        return found, [(row["val_bpb"], row["verified"], row["waits"]) for row in rows]

    def read_api() -> tuple[list[Any], list[tuple[str, ...]]]:
        found = board.reader.get("/api/leaderboard", platform=board.gpu).json()
        listed = [one for each in found for one in (*each["records"], *each["claims"])]
        rows = [(str(one["val_bpb"]), one["verified"], one["waits"]) for one in listed]
        return found, rows

    def assert_same() -> None:
        ends = time.monotonic() + SOON_S
        while read_files() != read_api() and time.monotonic() < ends:
            time.sleep(0.05)
        assert read_files() == read_api()

    first = board.claim(hub.agent(), "1.5")
    assert_same()
    second = board.claim(hub.agent(), "1.2", commit)
    assert_same()
    assert push(hub.agent(), bundle).status_code == 201
    assert_same()
    for verdict in ("reproduced", "not reproduced (no)"):
        board.judge(operator, first, verdict)
        assert_same()
    board.judge(hub.agent(), second, "reproduced")
    assert_same()
    board.claim(hub.agent(), "1.1")
    assert_same()
