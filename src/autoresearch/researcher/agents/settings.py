"""Which constants every commit of a branch had, read back from the edits in the ledger.

The commit that is edited now has the constants of its file; from it the kept chain is followed
back, and from there every other experiment. An edit of code (a model's, an idea's) changes the
structure: values of two structures have an offset that no constant explains. Leaves to others:
what follows from it (surrogate, importance).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoresearch.researcher.agents.base import Pending
from autoresearch.researcher.agents.constants import Value
from autoresearch.researcher.agents.search_space import edits_of
from autoresearch.researcher.judging.values import Record

Settings = dict[str, Value]  # by `file:constant`


@dataclass(frozen=True)
class KnownCode:
    """A commit's constants, and the commit that last changed anything else."""

    settings: Settings
    structure: str


def read_codes(history: Sequence[Record], parent: str, now: Settings) -> dict[str, KnownCode]:
    """The code of every commit that hangs together with `parent`, whose constants are `now`."""
    by_commit = {record.commit: record for record in history}
    chain: list[Record] = []
    at = by_commit.get(parent)
    while at is not None and at.commit not in {record.commit for record in chain}:
        chain.append(at)
        at = by_commit.get(at.parent)
    settings = dict(now)
    for record in chain:
        settings |= {name: old for name, (old, _) in edits_of(record).items() if name in now}
    root = chain[-1].parent if chain else parent
    codes = {root: KnownCode(settings, root)}
    for record in history:
        if (before := codes.get(record.parent)) is not None:
            codes[record.commit] = code_after(record, record.commit, before)
        elif record.is_baseline:
            codes.setdefault(record.commit, KnownCode(settings, record.commit))
    return codes


def code_after(one: Record | Pending, commit: str, before: KnownCode) -> KnownCode:
    """The code after an edit of code that is known."""
    edit = {name: new for name, (_, new) in edits_of(one).items() if name in before.settings}
    return KnownCode(before.settings | edit, before.structure if edits_of(one) else commit)


def pending_codes(pending: Iterable[Pending], codes: Mapping[str, KnownCode]) -> list[KnownCode]:
    """What other slots are running now, where it is an edit of constants."""
    return [
        code_after(one, "", codes[one.parent])
        for one in pending
        if one.parent in codes and edits_of(one)
    ]
