"""Works for a hub: asks for what is most useful to run here, a result to verify or a cell of a
wave, says what came of it, and asks for the next, as long as the owner of the machine allows.

Manners: no work while the machine is busy, none after its hours, the end within seconds of a stop
file or Ctrl-C, with what was begun given back; a hub that is away or has nothing is asked again
later each time, and not by all volunteers at once. Leaves to others: the verification and the
reply (rounds, verifier), a cell's run (cell_runs), what is useful (the hub).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil

from autoresearch.errors import AutoresearchError, Conflict, HubUnavailable, RateLimited
from autoresearch.models import Cell, HandedOut, Result, WorkLease
from autoresearch.researcher.experiment import Stopped
from autoresearch.researcher.verify.cell_runs import CellRunner
from autoresearch.researcher.verify.client_update import ClientUpdate
from autoresearch.researcher.verify.rounds import Rounds
from autoresearch.researcher.verify.verifier import Verdict

LOOK_S = 2.0  # between two looks for a reason to end
BUSY_LOOK_S = 15.0
PAUSE_S, PAUSE_MAX_S = 2.0, 300.0  # while the hub is away
IDLE_MAX_S = 900.0  # while it has nothing
DOUBLINGS_MAX = 10
STOPPED, UPDATED = "stopped", "updated"
BEAT_MIN_S, BEAT_MAX_S = 5.0, 600.0  # whatever a hub says


@dataclass(frozen=True)
class VolunteerLimits:
    """What the machine's owner allows. `max_load` is of the system's load average."""

    hours: float | None = None
    max_load: float | None = None
    stop_file: Path | None = None
    once: bool = False


@dataclass
class WorkDone:
    """What came of it. `returned` work was given back, for it could not be done here; `cells` were
    run."""

    reproduced: int = 0
    not_reproduced: int = 0
    cells: int = 0
    returned: int = 0
    ended: str = ""

    @property
    def is_interrupted(self) -> bool:
        return self.ended == STOPPED

    def count(self, verdict: Verdict) -> None:
        if verdict.confirms:
            self.reproduced += 1
        else:
            self.not_reproduced += 1


@dataclass(frozen=True)
class EarlierShift:
    """What a volunteer did, and when it began, before it started anew as another version."""

    done: WorkDone = field(default_factory=WorkDone)
    began_at: float = field(default_factory=time.monotonic)  # on the monotonic clock


@dataclass
class VolunteerShift:
    """One volunteer at work, from `work` until a limit. The caller holds the workspace's lock."""

    rounds: Rounds
    limits: VolunteerLimits
    update: ClientUpdate | None = None
    done: WorkDone = field(default_factory=WorkDone)
    began_at: float = field(default_factory=time.monotonic)  # on the monotonic clock
    failures: int = 0  # of the hub, one after another
    idle: int = 0  # questions in vain, one after another

    def work(self) -> WorkDone:
        """Until a limit is reached, or a newer version of this program is there. Once: raises
        HubUnavailable where no hub answers."""
        while not self.is_over():
            if self.update is not None and self.update.is_installed():
                if not self.is_over():  # somebody may have said stop meanwhile
                    self.end(UPDATED)
            elif not self.wait_while_busy():
                self.take_turn()
        return self.done

    def take_turn(self) -> None:
        """Ask, do what is handed out, and rest where there is nothing, or no hub."""
        board = self.rounds.board
        try:
            self.rounds.tell_what_waits()
            handed = board.hub.ask_for_work(board.platform, board.track, cells=True)
            if handed.lease is not None:
                self.carry_out(handed.lease)
        except (HubUnavailable, RateLimited) as error:
            if self.limits.once:
                raise
            self.failures += 1
            self.wait(f"{error}; asking again", pause_away(self.failures, error))
        else:
            self.failures = 0
            self.rest(handed)

    def rest(self, handed: HandedOut) -> None:
        self.idle = 0 if handed.lease else self.idle + 1
        if self.is_over():
            return
        if self.limits.once:
            self.end("there is no work for us" if self.idle else "one piece of work is done")
        elif self.idle:
            wait_s = pause_idle(self.idle, float(handed.retry_after_s))
            self.wait("no work now; asking again", wait_s)

    def carry_out(self, lease: WorkLease) -> None:
        """Do what was handed to us; what comes to nothing is given back."""
        is_done = False
        try:
            with Heartbeat(self, lease) as beat:
                if lease.cell is not None:
                    is_done = self.run_cell(lease, lease.cell, beat.lost)
                elif lease.result is not None:
                    is_done = self.verify_and_count(lease.result)
        except Stopped:
            pass
        if not is_done:
            self.give_back(lease)

    def run_cell(self, lease: WorkLease, cell: Cell, lost: threading.Event) -> bool:
        """Run a cell and say what it came to; False where it is not ours to run, or nobody waits
        for it any more, which is said."""
        board = self.rounds.board
        try:
            run = CellRunner(self.rounds.verifier, board).run(cell, lost)
            board.hub.report_cell(lease.id, cell, run.value)
        except (HubUnavailable, RateLimited):
            raise
        except AutoresearchError as error:
            self.rounds.say(f"cell {cell.id} is left: {error}")
            return False
        self.done.cells += 1
        return True

    def verify_and_count(self, result: Result) -> bool:
        verdict = self.verify(result)
        if verdict is not None:
            self.done.count(verdict)
        return verdict is not None

    def verify(self, result: Result) -> Verdict | None:
        """The verdict, posted; None where it cannot be judged here, which is said."""
        rounds = self.rounds
        if not rounds.board.is_ours_to_check(result):
            rounds.say(f"result {result.id} was handed to us, but is not ours to check")
            return None
        reported = None if rounds.is_set_aside(result) else rounds.fetch_reported(result)
        return rounds.verify(reported) if reported else None

    def give_back(self, lease: WorkLease) -> None:
        self.done.returned += 1
        try:
            self.rounds.board.hub.return_work(lease.id)
        except AutoresearchError as error:  # it ends by itself
            self.rounds.say(str(error))
        if not (self.limits.once or self.is_over()):
            self.wait("given back; asking again", spread(PAUSE_S))

    # ---------------------------------------------------------------- limits

    def is_over(self) -> bool:
        """Whether a limit is reached; the first one is what `done` says."""
        limits, ended = self.limits, ""
        if self.rounds.stop.is_set():
            ended = STOPPED
        elif limits.stop_file is not None and limits.stop_file.exists():
            ended = f"{limits.stop_file} is there"
        elif limits.hours is not None and time.monotonic() - self.began_at >= limits.hours * 3600:
            ended = "the hours are over"
        if ended:
            self.end(ended)
        return bool(self.done.ended)

    def end(self, why: str) -> None:
        self.done.ended = self.done.ended or why

    def heed_stop_file(self) -> None:
        """End the run in progress where the stop file is there."""
        if self.limits.stop_file is not None and self.limits.stop_file.exists():
            self.is_over()
            self.rounds.stop.set()

    def wait_while_busy(self) -> bool:
        """Wait a little where the machine has other work; whether it had."""
        load, most = psutil.getloadavg()[0], self.limits.max_load
        if most is None or load <= most:
            return False
        self.wait(f"the load is {load:.1f}, over {most:g}; looking again", BUSY_LOOK_S)
        return True

    def wait(self, why: str, seconds: float) -> None:
        """Wait so long, or until a limit is reached."""
        self.rounds.say(f"{why} in {seconds:.0f} s")
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0 and not self.is_over():
            self.rounds.stop.wait(min(LOOK_S, left_s))


class Heartbeat:
    """Keeps a lease while its block runs, in a thread, and looks for the stop file meanwhile."""

    def __init__(self, shift: VolunteerShift, lease: WorkLease) -> None:
        self.shift = shift
        self.lease = lease
        self.beat_s = min(max(float(lease.heartbeat_s), BEAT_MIN_S), BEAT_MAX_S)
        self.done = threading.Event()
        self.lost = threading.Event()  # it is over, whoever ended it
        self.thread = threading.Thread(target=self.beat, daemon=True, name="heartbeat")

    def __enter__(self) -> Heartbeat:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.done.set()
        self.thread.join(LOOK_S)

    def beat(self) -> None:
        next_at, is_held = time.monotonic() + self.beat_s, True
        while not self.done.wait(LOOK_S):
            self.shift.heed_stop_file()
            if is_held and time.monotonic() >= next_at:
                next_at = time.monotonic() + self.beat_s
                is_held = self.send()
                if not is_held:
                    self.lost.set()

    def send(self) -> bool:
        """Tell the hub that we are at it; False where it gave the result to somebody else. The
        verdict counts all the same."""
        try:
            self.shift.rounds.board.hub.keep_work(self.lease.id)
        except Conflict as error:
            self.shift.rounds.say(str(error))
            return False
        except AutoresearchError as error:
            self.shift.rounds.say(f"no heartbeat: {error}")
        return True


def pause_away(failures: int, error: AutoresearchError) -> float:
    """Seconds until a hub that failed so often is asked again: longer each time, as long as it
    wants itself, and not all volunteers at once."""
    wanted_s = float(error.retry_after_s) if isinstance(error, RateLimited) else 0.0
    grown_s = min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(failures - 1, DOUBLINGS_MAX))
    return spread(max(grown_s, min(wanted_s, 3600.0)))


def pause_idle(idle: int, retry_after_s: float) -> float:
    """Seconds until a hub that had nothing so often is asked again: at first when it says."""
    asked_s = min(max(retry_after_s, PAUSE_S), IDLE_MAX_S)
    return spread(min(IDLE_MAX_S, asked_s * 2.0 ** min(idle - 1, DOUBLINGS_MAX)))


def spread(seconds: float, draw: Callable[[float, float], float] = random.uniform) -> float:
    """About so long, never less: many volunteers that wait for one hub come back one by one."""
    return seconds * draw(1.0, 1.5)
