"""What goes over the wire between two repositories, and how it comes in: real git, real bundles."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.errors import BadBundle, Conflict
from autoresearch.git import bundles
from autoresearch.git.repo import Repo


def grown(path: Path, commits: int) -> Repo:
    """A repository with a line of commits."""
    repo = Repo.init(path)
    for number in range(commits):
        (path / "train.py").write_text(f"rate = {number}\n")
        repo.add(["train.py"])
        repo.commit(f"experiment {number}")
    return repo


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """Parents of each commit (younger first) and a set of commits closed under ancestry: what the
    other side has."""
    size = draw(st.integers(1, 40))
    parents: dict[str, tuple[str, ...]] = {}
    for number in range(size):
        older = [str(n) for n in range(number)]
        chosen = draw(st.lists(st.sampled_from(older), max_size=3, unique=True)) if older else []
        parents[str(number)] = tuple(chosen)
    has: set[str] = set()
    todo = draw(st.lists(st.sampled_from(sorted(parents)), max_size=3))
    while todo:
        commit = todo.pop()
        if commit not in has:
            has.add(commit)
            todo.extend(parents[commit])
    return {commit: parents[commit] for commit in reversed(parents)}, has


@given(histories(), st.data())
def test_missing_is_exactly_what_the_other_side_lacks(
    history: tuple[dict[str, tuple[str, ...]], set[str]], data: st.DataObject
) -> None:
    """Of any history, exactly the commits the other side lacks are missing, and every base is one
    it has."""
    parents, has = history
    tips = data.draw(st.lists(st.sampled_from(sorted(parents)), min_size=1, max_size=3))

    found = bundles.find_missing(parents, tips, has.__contains__)

    behind, todo = set(), list(tips)
    while todo:
        commit = todo.pop()
        if commit not in behind:
            behind.add(commit)
            todo.extend(parents[commit])
    assert set(found.commits) == behind - has
    assert set(found.bases) <= has


def test_one_new_commit_costs_two_questions() -> None:
    """Where only the tip is new, the hub is asked twice, however long the history is."""
    parents = {str(n): (str(n - 1),) if n else () for n in range(999, -1, -1)}
    asked: list[str] = []

    def known(commit: str) -> bool:
        asked.append(commit)
        return commit != "999"

    assert bundles.find_missing(parents, ["999"], known).commits == ("999",)
    assert len(asked) == 2


def test_a_long_unknown_history_costs_few_questions() -> None:
    """A thousand new commits on a thousand known ones are told apart with some twenty questions."""
    parents = {str(n): (str(n - 1),) if n else () for n in range(1999, -1, -1)}
    asked: list[str] = []

    def known(commit: str) -> bool:
        asked.append(commit)
        return int(commit) < 1000

    assert len(bundles.find_missing(parents, ["1999"], known).commits) == 1000
    assert len(asked) <= 24


def test_a_bundle_carries_only_what_is_missing(tmp_path: Path) -> None:
    """A bundle on a base comes in where the base is, and is refused with the reason where it is
    not."""
    repo = grown(tmp_path / "here", 3)
    base, tip = repo.resolve("HEAD~1"), repo.head()
    whole, rest = tmp_path / "whole", tmp_path / "rest"
    bundles.create_bundle(repo, whole, [base])
    bundles.create_bundle(repo, rest, [tip], [base])
    other = Repo.init(tmp_path / "there")

    with pytest.raises(BadBundle):
        bundles.unbundle(other, rest)
    assert [base] == bundles.unbundle(other, whole)
    assert [tip] == bundles.unbundle(other, rest)
    assert other.ref(bundles.KEPT + tip) == tip
    assert repo.refs("refs/agenthub-push/") == {}


def test_what_a_hub_sends_is_checked_strictly(tmp_path: Path) -> None:
    """A bundle with a tree entry `.git` is refused, and nothing refers to it, though `git bundle
    unbundle` takes it."""
    evil = Repo.init(tmp_path / "evil")
    blob = evil.git("hash-object", "-w", "--stdin", data=b"[core]\n").strip()
    tree = evil.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin",
    data=b"40000 .git\0" + bytes.fromhex(
        evil.git("mktree", data=f"100644 blob {blob}\tconfig\n".encode()).strip()
    )).strip()  # fmt: skip
    commit = evil.git("commit-tree", tree, "-m", "x", env=evil.identity()).strip()
    bundle = tmp_path / "b"
    bundles.create_bundle(evil, bundle, [commit])
    mine = grown(tmp_path / "mine", 1)

    with pytest.raises(BadBundle, match="refuses"):
        bundles.unbundle(mine, bundle)
    assert mine.refs(bundles.KEPT) == {}


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"# v2 git bundle\n", b"# v2 git bundle\n" + b"a" * 2_000_000]
)
def test_garbage_is_no_bundle(tmp_path: Path, content: bytes) -> None:
    """Whatever a hub sends instead of a bundle ends in a sentence."""
    bundle = tmp_path / "b"
    bundle.write_bytes(content)

    with pytest.raises(BadBundle):
        bundles.unbundle(grown(tmp_path / "r", 1), bundle)


def test_checkout_never_loses_changes(tmp_path: Path) -> None:
    """With a changed tracked file a checkout is refused and the change is still there; an
    untracked file is no obstacle."""
    repo = grown(tmp_path / "r", 2)
    (repo.path / "notes").write_text("mine")
    bundles.check_out_commit(repo, repo.resolve("HEAD~1"))
    (repo.path / "train.py").write_text("unsaved\n")

    with pytest.raises(Conflict, match=r"train\.py"):
        bundles.check_out_commit(repo, "main")
    assert (repo.path / "train.py").read_text() == "unsaved\n"
    assert (repo.path / "notes").read_text() == "mine"
