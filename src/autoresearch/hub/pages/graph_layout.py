"""Commits of the DAG laid out in lanes. Pure.

Time runs down. A first child continues in the lane of its parent, other children open new lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autoresearch import models

ROW, LANE, MARGIN = 30, 16, 20
SMALL, LARGE = 4.5, 11.0  # radii
LANES_MAX = 24
Verdict = Literal["record", "keep", "discard", "crash", "unknown"]


@dataclass(frozen=True)
class GraphNode:
    """A commit in its row; words beside it begin at `reach`, behind every line that passes."""

    commit: models.Commit
    row: int
    lane: int
    verdict: Verdict
    value: float | None
    board: tuple[str, str]  # of its result
    on_best: bool
    radius: float
    parents: tuple[str, ...]  # of these, the ones in view
    children: tuple[str, ...]
    reach: int

    @property
    def x(self) -> int:
        return MARGIN + self.lane * LANE

    @property
    def y(self) -> int:
        return MARGIN + self.row * ROW


@dataclass(frozen=True)
class GraphEdge:
    path: str
    on_best: bool


@dataclass(frozen=True)
class GraphLayout:
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    width: int
    height: int

    @property
    def boards(self) -> set[tuple[str, str]]:
        """On which the values shown were reported."""
        return {node.board for node in self.nodes if node.value is not None}


@dataclass(frozen=True)
class CommitVerdict:
    """What results say of a commit, on which board (platform and track)."""

    verdict: Verdict
    value: float | None
    board: tuple[str, str] = ("", "")


NO_VERDICT = CommitVerdict("unknown", None)


def lay_out(
    commits: Sequence[models.Commit], verdicts: Mapping[str, CommitVerdict], best_line: set[str]
) -> GraphLayout:
    """Nodes and edges of `commits`, newest first."""
    lanes = _assign_lanes(commits)
    radii = _size_nodes(commits, verdicts)
    there = {c.hash: i for i, c in enumerate(commits)}
    reaches = _find_reaches(commits, lanes, there)
    children: dict[str, list[str]] = {}
    for commit in commits:
        for parent in commit.parents:
            children.setdefault(parent, []).append(commit.hash)
    nodes = tuple(
        GraphNode(
            commit, row, lanes[commit.hash], verdicts.get(commit.hash, NO_VERDICT).verdict,
            verdicts.get(commit.hash, NO_VERDICT).value,
            verdicts.get(commit.hash, NO_VERDICT).board, commit.hash in best_line,
            radii.get(commit.hash, SMALL),
            tuple(p for p in commit.parents if p in there), tuple(children.get(commit.hash, ())),
            MARGIN * 2 + reaches[row] * LANE,
        )
        for row, commit in enumerate(commits)
    )  # fmt: skip
    by_hash = {node.commit.hash: node for node in nodes}
    edges = tuple(
        GraphEdge(_draw_edge(node, by_hash[parent]), node.on_best and parent in best_line)
        for node in nodes
        for parent in node.parents
    )
    widest = max((node.lane for node in nodes), default=0)
    return GraphLayout(
        nodes, edges, MARGIN * 2 + widest * LANE, MARGIN * 2 + max(0, len(nodes) - 1) * ROW
    )


def _find_reaches(
    commits: Sequence[models.Commit], lanes: Mapping[str, int], rows: Mapping[str, int]
) -> list[int]:
    """By row, the last lane with a node or a line: each line turns below its child, and goes down
    the lane of its parent."""
    reaches = [lanes[commit.hash] for commit in commits]
    for row, commit in enumerate(commits):
        for parent in commit.parents:
            end = rows.get(parent, row)
            if end > row:
                reaches[row + 1] = max(reaches[row + 1], lanes[commit.hash])
                for passed in range(row, end):
                    reaches[passed] = max(reaches[passed], lanes[parent])
    return reaches


def _size_nodes(
    commits: Sequence[models.Commit], verdicts: Mapping[str, CommitVerdict]
) -> dict[str, float]:
    """A node's area grows with its gain over its first parent on the same board; the largest gain
    in view is the largest node."""
    gains: dict[str, float] = {}
    for commit in commits:
        own, parent = (
            verdicts.get(commit.hash, NO_VERDICT),
            verdicts.get(commit.parent_hash, NO_VERDICT),
        )
        if (
            own.value is not None
            and parent.value is not None
            and own.board == parent.board
            and own.value < parent.value
        ):
            gains[commit.hash] = parent.value - own.value
    most = max(gains.values(), default=1.0)
    return {
        name: round(SMALL + (LARGE - SMALL) * (gain / most) ** 0.5, 1)
        for name, gain in gains.items()
    }


def _assign_lanes(commits: Sequence[models.Commit]) -> dict[str, int]:
    """By hash. From newest to oldest: a lane waits for the parent of the commit it showed last."""
    waiting: list[str] = []  # by lane: the commit it waits for
    lanes: dict[str, int] = {}
    for commit in commits:
        mine = [lane for lane, wanted in enumerate(waiting) if wanted == commit.hash]
        lane = mine[0] if mine else _free_lane(waiting)
        for other in mine[1:]:
            waiting[other] = ""
        parent = commit.parents[0] if commit.parents else ""
        if lane == len(waiting):
            waiting.append(parent)
        else:
            waiting[lane] = parent
        lanes[commit.hash] = min(lane, LANES_MAX)
    return lanes


def _free_lane(waiting: Sequence[str]) -> int:
    return next((lane for lane, wanted in enumerate(waiting) if not wanted), len(waiting))


def _draw_edge(child: GraphNode, parent: GraphNode) -> str:
    if child.lane == parent.lane:
        return f"M{child.x} {child.y}V{parent.y}"
    turn = child.y + ROW  # down one's own lane would run through others: turn at once
    return (
        f"M{child.x} {child.y}C{child.x} {turn} {parent.x} {child.y} {parent.x} {turn}V{parent.y}"
    )
