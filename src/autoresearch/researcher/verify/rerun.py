"""Runs somebody's commit with our own fixed files: their free files on top of the commit checked
out here, nothing else of theirs.

What is found of a result is in a file before the next step begins, so that a killed verifier
neither loses a run nor says anything twice. Leaves to others: running (experiment), comparing
(compare), the hub (board).
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from autoresearch.errors import BadInput
from autoresearch.files import replace_json
from autoresearch.git.trees import FILE, GONE, PROGRAM, read_tree, write_commit
from autoresearch.researcher.judging.judge import run_seed
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.workspace import Workspace, name_some

REFS = "refs/autoresearch/verify/"
# Never run and never read by a run, or our own copy is taken whatever theirs says: no reason to
# dispute a number.
HARMLESS = ("autoresearch.toml", ".gitignore")


class Notes(msgspec.Struct, frozen=True, rename={"reported": "claim"}):
    """What was found of a reported result so far. `seed` is ours and random: no program can have
    been written for it. `verdict` is the line that is posted, "" while it is open; `control` are
    runs of our own baseline beside it."""

    reported: ReportedResult
    mark: str
    seed: int
    pristine: str  # our commit whose fixed files are used
    measurements: tuple[Measurement, ...] = ()
    control: tuple[Measurement, ...] = ()
    verdict: str = ""
    reproduced: bool = False
    posted: bool = False

    def next_seed(self) -> int:
        return run_seed(
            self.seed, self.reported.name, len(self.measurements) + len(self.control) + 1
        )


class Notebook:
    """The notes of every reported result, one small file each in `.autoresearch/verify/`, replaced
    as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, reported: ReportedResult, pristine: str) -> Notes:
        """The notes of a result, begun where there are none, or where our own fixed files are
        others by now."""
        known = self.read(reported)
        if known is not None and (known.verdict or known.pristine == pristine):
            return known
        return self.write(Notes(reported, secrets.token_hex(16), secrets.randbits(31), pristine))

    def read(self, reported: ReportedResult) -> Notes | None:
        try:
            return msgspec.json.decode(
                (self.folder / f"{reported.name}.json").read_bytes(), type=Notes
            )
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def write(self, notes: Notes, **changes: object) -> Notes:
        """On disk when this returns."""
        notes = msgspec.structs.replace(notes, **changes)
        replace_json(self.folder / f"{notes.reported.name}.json", notes)
        return notes

    def forget(self, reported: ReportedResult) -> None:
        """Begin anew the next time: what was found of it does not count."""
        (self.folder / f"{reported.name}.json").unlink(missing_ok=True)

    def unfinished_notes(self) -> list[Notes]:
        """Notes whose runs or whose reply are still owed, by file name."""
        found = []
        for file in sorted(self.folder.glob("*.json")):
            try:
                notes = msgspec.json.decode(file.read_bytes(), type=Notes)
            except msgspec.MsgspecError:
                continue
            if not notes.posted:
                found.append(notes)
        return found


def changed_fixed_files(workspace: Workspace, pristine: str, claimed: str) -> list[str]:
    """Fixed files in which a commit differs from ours and that a run could read; pages of
    documentation are none."""
    paths = workspace.repo.changed_between(pristine, claimed)
    return [
        p for p in paths if not workspace.is_free(p) and p not in HARMLESS and not p.endswith(".md")
    ]


def is_of_our_line(workspace: Workspace, pristine: str, claimed: str) -> bool:
    """Whether what differs was changed on their side: since the last common commit our own fixed
    files are as they were."""
    base = workspace.repo.merge_base(pristine, claimed)
    return bool(base) and not changed_fixed_files(workspace, base, pristine)


def graft_free_files(workspace: Workspace, pristine: str, claimed: str) -> str:
    """A commit of our pristine files with the claimed commit's free files; kept reachable.
    BadInput where it has no free file."""
    repo = workspace.repo
    ours = {p: e for p, e in read_tree(repo, pristine).items() if workspace.is_free(p)}
    theirs = {p: e for p, e in read_tree(repo, claimed).items() if workspace.is_free(p)}
    if strange := [p for p, e in theirs.items() if e.mode not in (FILE, PROGRAM)]:
        raise BadInput(f"commit {claimed[:7]}: {name_some(strange)} is no plain file")
    if not theirs:
        raise BadInput(
            f"commit {claimed[:7]} has none of the free files "
            f"{name_some(workspace.config.experiment.free)}"
        )
    changed = {p: theirs.get(p, GONE) for p in {**ours, **theirs} if ours.get(p) != theirs.get(p)}
    message = f"Verify {claimed[:12]}: its free files on {pristine[:12]}"
    commit = write_commit(repo, pristine, changed, message) if changed else pristine
    repo.set_ref(REFS + claimed, commit)
    return commit
