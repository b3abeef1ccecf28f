"""Cells of a wave that a hub's volunteers may run: asked for, followed and withdrawn by a thread of
its own, so that research never waits for the hub or for a volunteer.

What a volunteer says is believed for the wave alone, whose combination is measured here before it
is kept. Leaves to others: which cells there are and which run comes next (loop.wave_driver).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from autoresearch.errors import AutoresearchError, HubUnavailable, RateLimited, Unauthorized
from autoresearch.git import sync
from autoresearch.git.repo import Repo
from autoresearch.models import Cell
from autoresearch.researcher.swarm.base import SharedCell
from autoresearch.researcher.swarm.hub_session import HubSession
from autoresearch.untrusted import to_line

ROUND_S, PAUSE_MAX_S = 3.0, 300.0
RENEW_S = 300.0  # a hub drops a cell whose researcher is silent for 900
ASK_S, PUSH_S, LAST_TRY_S = 15.0, 300.0, 5.0
NAME_CHARS = 63


class CellSharing:
    """One researcher's cells on a hub, on this platform and track; from `start` to `close`."""

    def __init__(
        self,
        link: HubSession,
        repo: Repo,
        platform: str,
        track: str,
        say: Callable[[str], None],
    ) -> None:
        self.link, self.repo, self.say = link, repo, say
        self.platform, self.track = platform, track
        self.lock = threading.Lock()
        self.wanted: dict[SharedCell, float] = {}  # when each was asked for last
        self.known: dict[SharedCell, Cell] = {}  # as the hub said last
        self.wake, self.ending = threading.Event(), threading.Event()
        self.failures = 0
        self.is_tidy = False  # what an earlier call of ours asked for is withdrawn
        self.thread = threading.Thread(target=self.rounds, daemon=True, name="cells")

    # ---------------------------------------------------------------- for the loop

    def ask(self, cells: Sequence[SharedCell]) -> None:
        with self.lock:
            for cell in cells:
                self.wanted.setdefault(cell, -math.inf)
        self.wake.set()

    def find(self, cell: SharedCell) -> Cell | None:
        """As the hub said last, with a number only where there is one that can be used."""
        with self.lock:
            known = self.known.get(cell)
        if known is None:
            return None
        is_done = known.outcome == "done" and math.isfinite(known.val_bpb or 0.0)
        return msgspec.structs.replace(
            known,
            val_bpb=known.val_bpb if is_done else None,
            held_by=None if known.outcome else known.held_by,
            run_by=to_line(known.run_by or "a volunteer", NAME_CHARS),
        )

    def withdraw(self, cell: SharedCell) -> None:
        with self.lock:
            self.wanted.pop(cell, None)
        self.wake.set()

    # ---------------------------------------------------------------- the thread

    def start(self) -> None:
        self.thread.start()

    def close(self) -> None:
        """Withdraw what is still asked for, in one short try; the hub drops the rest in time."""
        self.ending.set()
        self.wake.set()
        self.thread.join(0.5)
        with self.lock:
            self.wanted.clear()
        if self.known:
            with suppress(AutoresearchError):
                self.link.call(lambda hub: self.leave(hub.withdraw_cell), LAST_TRY_S)

    def rounds(self) -> None:
        while not self.ending.is_set():
            self.wake.clear()
            pause_s = ROUND_S
            try:
                self.go_round()
                self.failures = 0
            except (HubUnavailable, RateLimited, Unauthorized):
                self.failures += 1
                pause_s = min(PAUSE_MAX_S, ROUND_S * 2.0 ** min(self.failures, 10))
            except AutoresearchError as error:
                self.say(f"waves are not shared with this hub: {error}")
                return
            if self.failures:
                self.ending.wait(pause_s)
            else:
                self.wake.wait(pause_s)

    def go_round(self) -> None:
        """Ask for what is due, read how it stands, and withdraw what is not wanted any more."""
        now = time.monotonic()
        with self.lock:
            due = [cell for cell, asked_at in self.wanted.items() if now - asked_at >= RENEW_S]
        if due:
            commits = list(dict.fromkeys(cell.commit for cell in due))
            self.link.call(lambda hub: sync.push_commits(self.repo, hub, commits), PUSH_S)
        for cell in due:
            self.ask_hub(cell)
        is_open = any(known.outcome is None for known in self.known.values())
        if self.wanted or is_open or not self.is_tidy:
            found = self.link.call(lambda hub: hub.cells(), ASK_S)
            with self.lock:
                self.known = {SharedCell(one.commit, one.seed): one for one in reversed(found)}
            self.link.call(lambda hub: self.leave(hub.withdraw_cell), ASK_S)
            self.is_tidy = True

    def ask_hub(self, cell: SharedCell) -> None:
        with self.lock:
            if cell not in self.wanted:
                return
        board = (self.platform, self.track)
        self.link.call(lambda hub: hub.ask_for_cell(cell.commit, *board, cell.seed), ASK_S)
        with self.lock:
            if cell in self.wanted:
                self.wanted[cell] = time.monotonic()

    def leave(self, withdraw: Callable[[int], None]) -> None:
        """Withdraw every open cell of ours that is not wanted."""
        with self.lock:
            is_left = [
                cell
                for cell, known in self.known.items()
                if known.outcome is None and cell not in self.wanted
            ]
            numbers = [self.known.pop(cell).id for cell in is_left]
        for number in numbers:
            withdraw(number)
