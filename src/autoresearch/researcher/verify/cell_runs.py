"""Runs a cell for somebody else's wave: their free files on top of our own fixed ones, once, with
the seed that they ask for.

What comes of it is their business, and nothing that anybody verified. Leaves to others: leases and
the answer (volunteer), grafting (rerun), the sandbox (experiment).
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch.devices import is_same_device
from autoresearch.errors import BadInput
from autoresearch.files import replace_file
from autoresearch.git.sync import HASH, fetch_commit
from autoresearch.models import Cell
from autoresearch.researcher.judging.amounts import show_amount
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import sweep_processes
from autoresearch.researcher.verify.board import HubBoard
from autoresearch.researcher.verify.rerun import changed_fixed_files, graft_free_files
from autoresearch.researcher.verify.verifier import Verifier
from autoresearch.researcher.workspace import name_some

SEED_MAX = 2**31
MARK = "cell.mark"


@dataclass(frozen=True)
class CellRunner:
    """Runs cells of this platform and track in the verifier's workspace."""

    verifier: Verifier
    board: HubBoard

    def run(self, cell: Cell, lost: threading.Event) -> Measurement:
        """What one run comes to. BadInput where it is not ours to run; Stopped where the user says
        so, or nobody waits for it any more (`lost`)."""
        verifier = self.verifier
        self.check_ours(cell)
        repo, pristine = verifier.workspace.repo, verifier.workspace.repo.head()
        fetched = fetch_commit(repo, self.board.hub, cell.commit).commit
        if fetched != cell.commit:
            raise BadInput(f"the hub hands out {fetched[:12]} for {cell.commit[:12]}")
        if changed := changed_fixed_files(verifier.workspace, pristine, cell.commit):
            raise BadInput(f"{cell.commit[:7]} changes fixed files: {name_some(changed)}")
        commit = graft_free_files(verifier.workspace, pristine, cell.commit)
        mark = self.renew_mark(verifier.workspace.private / MARK)
        folder = verifier.workspace.private / "runs" / "cell"
        request = RunRequest(commit, cell.seed, mark, folder, verifier.timeout_s())
        with verifier.display.running(
            f"  {cell.commit[:7]} for a wave, seed {cell.seed}", folder / "out"
        ):
            run = replace(verifier.runner, stop=EitherStop(verifier.stop, lost)).measure(request)
        told = run.reason if run.value is None else show_amount(run.value)
        verifier.display.verdict("", "run", told)
        return run

    def check_ours(self, cell: Cell) -> None:
        here = is_same_device(cell.platform, self.board.platform)
        if not here or cell.track != self.board.track or cell.agent_id == self.board.me:
            raise BadInput(f"cell {cell.id} was handed to us, but is not ours to run")
        if not HASH.fullmatch(cell.commit) or not 0 <= cell.seed < SEED_MAX:
            raise BadInput(f"cell {cell.id} names no commit and seed that can be run")

    def renew_mark(self, file: Path) -> str:
        """End what a killed volunteer left running; a new mark, on disk before any process has
        it."""
        if file.exists():
            sweep_processes(file.read_text("utf-8"))
        mark = secrets.token_hex(16)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, mark.encode())
        return mark


class EitherStop(threading.Event):
    """Set where the user says stop, or where the lease is lost."""

    def __init__(self, user: threading.Event, lost: threading.Event) -> None:
        super().__init__()
        self.user, self.lost = user, lost

    def is_set(self) -> bool:
        return self.user.is_set() or self.lost.is_set()
