"""The graph's layout: lanes never collide, nodes grow with gains, only comparable values are
compared."""

from __future__ import annotations

from autoresearch import models
from autoresearch.hub.pages.graph_layout import LANE, LARGE, MARGIN, SMALL, CommitVerdict, lay_out

HERE = ("gpu", "track")


def commit(name: str, *parents: str) -> models.Commit:
    return models.Commit(
        name, parents[0] if parents else "", "ada", name, "2026-01-01T00:00:00Z", list(parents), 1
    )


def test_no_two_nodes_share_a_place() -> None:
    """Every commit has a row of its own, and a lane that no line of another passes at that row."""
    graph = lay_out(
        [commit("e", "c"), commit("d", "b"), commit("c", "a"), commit("b", "a"), commit("a")],
        {},
        set(),
    )

    assert [node.row for node in graph.nodes] == [0, 1, 2, 3, 4]
    assert graph.nodes[0].lane != graph.nodes[1].lane
    assert len(graph.edges) == 4


def test_the_largest_gain_is_the_largest_node() -> None:
    """Better than the first parent by more: larger; worse, or unknown: small."""
    known = {
        name: CommitVerdict("keep", value, HERE)
        for name, value in {"a": 1.0, "b": 0.99, "c": 0.95, "d": 1.2}.items()
    }
    graph = lay_out(
        [commit("d", "c"), commit("c", "b"), commit("b", "a"), commit("a")], known, set()
    )
    radius = {node.commit.hash: node.radius for node in graph.nodes}

    assert radius["c"] == LARGE and SMALL < radius["b"] < LARGE
    assert radius["d"] == radius["a"] == SMALL


def test_values_of_two_boards_are_not_compared() -> None:
    """A lower number on another platform is no gain."""
    known = {
        "a": CommitVerdict("keep", 1.3, HERE),
        "b": CommitVerdict("keep", 0.9, ("other", "track")),
    }
    graph = lay_out([commit("b", "a"), commit("a")], known, set())

    assert {node.radius for node in graph.nodes} == {SMALL}


def test_words_begin_behind_the_lines_of_their_row() -> None:
    """A wide row keeps no other one's words away; no line goes through words."""
    shown = [commit("e", "d"), commit("d", "c"), commit("c", "a"), commit("b", "a"), commit("a")]
    graph = lay_out([*shown, commit("z")], {}, set())
    lanes = [(node.reach - 2 * MARGIN) / LANE for node in graph.nodes]

    assert lanes == [0, 0, 0, 1, 1, 0]
    assert graph.width == 2 * MARGIN + LANE
