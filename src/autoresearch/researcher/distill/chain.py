"""The night's chain of kept edits, and commits that hold any choice of them.

An edit is put on others by three-way merges of its files (`git merge-file`), without a checkout and
without the configuration of a folder that anybody wrote in. Leaves to others: which choices are run
(design), running them (distiller).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from autoresearch.errors import BadWorkspace
from autoresearch.git.repo import GitFailed, Repo
from autoresearch.git.trees import (
    FILE,
    GONE,
    PROGRAM,
    TreeEntry,
    read_tree,
    write_blob,
    write_commit,
)
from autoresearch.own_programs import call_program
from autoresearch.researcher.distill.design import Row
from autoresearch.researcher.judging.values import Record

REFS = "refs/autoresearch/distill/"
Tree = Mapping[str, TreeEntry]


@dataclass(frozen=True)
class KeptEdit:
    """A kept experiment: what `commit` changed of `parent`. `lines`: added less removed."""

    id: str
    commit: str
    parent: str
    description: str
    lines: int


@dataclass(frozen=True)
class Chain:
    """From the unchanged code to the best, oldest edit first."""

    base: str
    edits: tuple[KeptEdit, ...]

    @property
    def tip(self) -> str:
        return self.edits[-1].commit if self.edits else self.base


def read_chain(repo: Repo, history: Sequence[Record]) -> Chain:
    """The best's ancestors among a branch's records. BadWorkspace where there is no baseline."""
    kept = {record.commit: record for record in history if record.status == "keep"}
    at = next(reversed(kept.values()), None)
    edits: list[KeptEdit] = []
    while at is not None and not at.is_baseline:
        lines = repo.lines_added(at.parent, at.commit)
        edits.append(KeptEdit(at.id, at.commit, at.parent, at.description, lines))
        at = kept.get(at.parent)
    if at is None:
        command = call_program("autoresearch", "run", repo.path)
        raise BadWorkspace(f"this branch has no measured baseline; `{command}` makes one")
    return Chain(at.commit, tuple(reversed(edits)))


@dataclass
class Combiner:
    """Makes commits of the base with some of the chain's edits. Each state is merged once."""

    repo: Repo
    chain: Chain
    trees: dict[str, Tree] = field(default_factory=dict)
    states: dict[Row, Tree | None] = field(default_factory=dict)

    def fit(self, row: Row) -> Row:
        """The row without the edits that do not apply on those before them."""
        fitted: Row = ()
        for inside in row:
            fitted = (*fitted, inside and self.state((*fitted, True)) is not None)
        return fitted

    def cover(self, wanted: Row) -> Row:
        """The wanted edits, with those that they do not apply without."""
        row = wanted
        while missing := [i for i, inside in enumerate(self.fit(row)) if wanted[i] and not inside]:
            left_out = [i for i in range(missing[0]) if not row[i]]
            if not left_out:
                return self.fit(row)
            row = tuple(inside or i == left_out[-1] for i, inside in enumerate(row))
        return row

    def commit(self, row: Row, message: str = "") -> str:
        """A commit with these edits, kept reachable; the base itself where there are none."""
        state, base = self.state(row), self.tree(self.chain.base)
        assert state is not None  # the row was fitted
        changed = {p: state.get(p, GONE) for p in {**base, **state} if base.get(p) != state.get(p)}
        if not changed:
            return self.chain.base
        names = [e.id for e, inside in zip(self.chain.edits, row, strict=True) if inside]
        message = message or f"Edits {', '.join(names)}"
        commit = write_commit(self.repo, self.chain.base, changed, message)
        self.repo.set_ref(REFS + sha256(repr(row).encode()).hexdigest()[:16], commit)
        return commit

    def series(self, row: Row, messages: Sequence[str]) -> str:
        """One commit for each edit of a row, on top of each other; the last one."""
        tip = self.chain.base
        for i, inside in enumerate(row):
            if inside:
                before, after = (self.state((*row[:i], done)) for done in (False, True))
                assert before is not None and after is not None
                paths = {**before, **after}
                changed = {p: after.get(p, GONE) for p in paths if before.get(p) != after.get(p)}
                tip = write_commit(self.repo, tip, changed, messages[i])
        return tip

    # ---------------------------------------------------------------- merging

    def state(self, row: Row) -> Tree | None:
        """The tree after the edits of a row, which may be shorter than the chain; None where the
        last one does not apply."""
        if not row:
            return self.tree(self.chain.base)
        if row not in self.states:
            before = self.state(row[:-1])
            edit = self.chain.edits[len(row) - 1]
            self.states[row] = self.apply(edit, before) if row[-1] and before else before
        return self.states[row]

    def apply(self, edit: KeptEdit, tree: Tree) -> Tree | None:
        """The tree with an edit; None on a conflict."""
        old, new = self.tree(edit.parent), self.tree(edit.commit)
        merged = dict(tree)
        for path in {**old, **new}:
            was, wanted, here = old.get(path), new.get(path), tree.get(path)
            if was == wanted or here == wanted:
                continue
            entry = wanted if here == was else self.merge(was, wanted, here)
            if entry is None and wanted is not None:
                return None
            merged.pop(path, None)
            if entry is not None:
                merged[path] = entry
        return merged

    def merge(
        self, was: TreeEntry | None, wanted: TreeEntry | None, here: TreeEntry | None
    ) -> TreeEntry | None:
        """The three-way merge of one file; None on a conflict."""
        entries = (here, was, wanted)
        if not all(entry and entry.mode in (FILE, PROGRAM) for entry in entries):
            return None
        with tempfile.TemporaryDirectory(prefix="autoresearch-") as place:
            files = [Path(place) / name for name in ("here", "was", "wanted")]
            for file, entry in zip(files, entries, strict=True):
                assert entry is not None
                file.write_bytes(self.repo.git_bytes("cat-file", "blob", entry.blob))
            try:
                data = self.repo.git_bytes("merge-file", "-p", "-q", *map(str, files))
            except GitFailed:  # its exit code is the number of conflicts
                return None
        assert wanted is not None
        return TreeEntry(wanted.mode, write_blob(self.repo, data))

    def tree(self, commit: str) -> Tree:
        if commit not in self.trees:
            self.trees[commit] = read_tree(self.repo, commit)
        return self.trees[commit]
