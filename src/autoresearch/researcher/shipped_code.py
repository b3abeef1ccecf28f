"""Whether a commit holds nothing but what we ship: the lab, with other values of its constants and
ideas of the catalogue.

What such a run writes into a compiler's cache is compiled code and nothing that it learned, so
later runs may begin with it. Judged by the commits' own text, whatever a ledger says of who wrote
it. Leaves to others: the cache (experiment), when to ask (loop).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoresearch.errors import BadWorkspace
from autoresearch.git.repo import Repo
from autoresearch.installation import lab_folder, list_lab_files
from autoresearch.researcher import config
from autoresearch.researcher.agents.base import AgentFailed
from autoresearch.researcher.agents.constants import Value, replace_values
from autoresearch.researcher.agents.ideas import apply_idea, read_catalogue
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.scales import read_constants, replace_constants

FREE = "train.py"
SETTINGS = {config.NAME, ".gitignore"}


@dataclass(frozen=True)
class ShippedCode:
    """Which commits of a repository hold nothing else; each is looked at once."""

    repo: Repo
    known: dict[str, bool] = field(default_factory=dict)

    def holds(self, record: Record, history: Sequence[Record]) -> bool:
        """Whether every step from the shipped lab to the record's commit is one that we ship."""
        kept = {one.commit: one for one in history if one.status == "keep"}
        steps = [record]
        while steps[-1].commit not in self.known:
            last = steps[-1]
            if last.is_baseline:
                self.known[last.commit] = is_shipped_lab(self.repo, last.commit)
            elif last.parent in kept:
                steps.append(kept[last.parent])
            else:
                self.known[last.commit] = False
        for after, before in zip(steps[-2::-1], steps[::-1], strict=False):
            self.known[after.commit] = self.known[before.commit] and is_shipped_edit(
                self.repo, after
            )
        return self.known[record.commit]


def is_shipped_edit(repo: Repo, record: Record) -> bool:
    """Whether its proposal, carried out again on its parent, makes exactly its text."""
    before = repo.show(record.parent, FREE).decode("utf-8", "replace")
    after = repo.show(record.commit, FREE).decode("utf-8", "replace")
    return after in (change_constants(before, record.proposal), add_idea(before, record.proposal))


def change_constants(text: str, proposal: Mapping[str, object]) -> str | None:
    """The text with the proposal's numbers; None where it names none."""
    values: dict[str, Value] = {}
    edit = proposal.get("edit")
    for key, change in edit.items() if isinstance(edit, dict) else ():
        match change:
            case [_, int() | float() as value]:
                values[key.removeprefix(f"{FREE}:")] = value
            case _:
                return None
    try:
        return replace_values(text, values) if values else None
    except AgentFailed:
        return None


def add_idea(text: str, proposal: Mapping[str, object]) -> str | None:
    """The text with the idea of the catalogue that the proposal names; None where that is none."""
    for idea in read_catalogue():
        if idea.name == proposal.get("idea"):
            return (apply_idea(idea, {FREE: text}) or {}).get(FREE)
    return None


def is_shipped_lab(repo: Repo, commit: str) -> bool:
    """Whether its files are the lab's, with the constants of any scale, and no others."""
    try:
        lab = lab_folder()
    except BadWorkspace:  # an installation without it; a night of one's own project needs none
        return False
    files = {file.relative_to(lab): file.read_bytes() for file in list_lab_files(lab)}
    scales = [path.stem for path in files if path.parts[0] == "scales"]
    shipped = {path.as_posix(): [text] for path, text in files.items() if path.parts[0] != "scales"}
    source = shipped[FREE][0].decode("utf-8")
    shipped[FREE] += [replace_constants(source, read_constants(lab, s)).encode() for s in scales]
    found = [path for path in repo.files(commit) if path not in SETTINGS]
    return sorted(found) == sorted(shipped) and all(
        repo.show(commit, path) in texts for path, texts in shipped.items()
    )
