"""Goes its rounds on a hub: takes what nobody has verified, best first, and says what came of it.
For ever, or once.

A hub that is down, slow or full is waited for; what was found meanwhile is on disk and told later,
once. Leaves to others: one verification (verifier), reading and replying (board).
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field

from autoresearch.errors import AutoresearchError, BadInput, HubUnavailable, NotFound, RateLimited
from autoresearch.models import Result
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.verify.board import HubBoard, verdict_post
from autoresearch.researcher.verify.replayer import Replayer
from autoresearch.researcher.verify.rerun import Notes
from autoresearch.researcher.verify.verifier import Verdict, Verifier
from autoresearch.untrusted import to_line

LISTEN_S = 5.0  # one question for news; short, so that Ctrl-C is heard
LOOK_AGAIN_S = 300.0  # also without news: leases end in silence
BREATH_S = 1.0  # between two looks on a hub where much happens
UNDECIDED_S = 3600.0  # until a claim is tried again that could not be decided on a busy machine
PATIENCE_S = 4 * 3600.0  # for one who says that they verify it; then it is done without a lease
PAUSES_S = (2.0, 5.0, 15.0, 60.0)
REMEMBERED = 10_000  # results


@dataclass
class Rounds:
    verifier: Verifier
    board: HubBoard
    stop: threading.Event
    replays: bool = False  # where a record allows, repeat the run itself
    # results that are not for us until that time
    set_aside: dict[int, float] = field(default_factory=dict)
    # results that somebody else said to verify
    waited_since: dict[int, float] = field(default_factory=dict)

    def forever(self) -> None:
        """Verify whatever is unverified until stopped. Only a wrong key or a mistake of ours ends
        it otherwise."""
        last: int | None = None
        trouble = 0
        while not self.stop.is_set():
            try:
                last = self.board.hub.events().last if last is None else last
                self.tell_what_waits()
                if self.once() is None:
                    last = self.listen(last)
                trouble = 0
            except (HubUnavailable, RateLimited) as error:
                pause_s = PAUSES_S[min(trouble, len(PAUSES_S) - 1)]
                self.say(f"{error}; asking again in {pause_s:.0f} s")
                trouble += 1
                self.stop.wait(pause_s)

    def once(self) -> Verdict | None:
        """Verify the best unverified result and tell; None where there is none for us."""
        for result in self.board.unverified_results(self.is_set_aside):
            reported = self.fetch_reported(result)
            if reported is None:
                continue
            lease = self.board.lease(reported, self.seconds())
            if lease is None and self.is_patient(result):
                self.put_aside(
                    result.id,
                    f"result {result.id} is being verified by somebody else",
                    LOOK_AGAIN_S,
                )
                continue
            try:
                verdict = self.verify(reported)
            finally:
                if lease is not None:
                    self.release(lease.id)
            if verdict is not None:
                return verdict
        return None

    def fetch_reported(self, result: Result) -> ReportedResult | None:
        """The result with its commit here; None, said once, where the hub has no usable commit for
        it."""
        try:
            return self.board.fetch_reported(self.verifier.workspace.repo, result)
        except (HubUnavailable, RateLimited) as error:
            self.put_aside(result.id, str(error), LOOK_AGAIN_S)  # others have their turn first
            raise
        except AutoresearchError as error:
            self.put_aside(result.id, f"result {result.id} is left: {error}", math.inf)
            return None

    def verify(self, reported: ReportedResult) -> Verdict | None:
        """One result from its runs to the reply; None where it cannot be judged here, which is said
        and remembered."""
        try:
            verdict = self.judge(reported)
        except (HubUnavailable, RateLimited):
            raise
        except AutoresearchError as error:
            self.put_aside(reported.result_id, f"{reported.commit[:7]} is left: {error}", math.inf)
            return None
        if verdict.outcome == "undecided":
            self.verifier.notebook.forget(reported)
            self.put_aside(
                reported.result_id,
                f"{reported.commit[:7]} is not decided: {verdict.reason}",
                UNDECIDED_S,
            )
            return None
        self.tell(verdict)
        return verdict

    def judge(self, reported: ReportedResult) -> Verdict:
        """By a replay where that was asked for and its record allows, else by runs of our own."""
        if not self.replays:
            return self.verifier.verify(reported)
        try:
            record = self.board.read_record(reported)
        except BadInput as error:
            self.say(f"{reported.commit[:7]}: {error}")
            record = None
        return Replayer(self.verifier).verify(reported, record)

    # ---------------------------------------------------------------- telling

    def tell(self, verdict: Verdict) -> None:
        """Note the verdict, then reply; what cannot be sent now is told by `tell_what_waits`."""
        notebook = self.verifier.notebook
        notes = notebook.open(verdict.reported, self.verifier.workspace.repo.head())
        text = verdict_post(verdict, self.verifier.platform, notes)
        notes = notebook.write(notes, verdict=text, reproduced=verdict.confirms)
        self.verifier.display.verdict(
            "", verdict.outcome, verdict.reason or f"claimed {verdict.reported.value:.6f}"
        )
        self.send(notes)

    def tell_what_waits(self) -> None:
        """Send the verdicts that could not be sent when they fell."""
        for notes in self.verifier.notebook.unfinished_notes():
            if notes.verdict and notes.reported.hub == self.board.hub.url:
                self.send(notes)

    def send(self, notes: Notes) -> None:
        """Reply once; a result whose post is gone needs no reply."""
        try:
            self.board.reply(notes)
        except NotFound as error:
            self.say(f"the result of {notes.reported.commit[:7]} is gone: {error}")
        self.verifier.notebook.write(notes, posted=True)

    # ---------------------------------------------------------------- waiting

    def listen(self, last: int) -> int:
        """Wait until the hub has news, or it is time to look again."""
        until = time.monotonic() + LOOK_AGAIN_S
        while not self.stop.is_set() and time.monotonic() < until:
            news = self.board.hub.events(last, LISTEN_S)
            last = news.last
            if any(
                event.kind in ("post", "commit", "claim.released", "restored")
                for event in news.events
            ):
                break
            self.stop.wait(BREATH_S)  # a hub that answers at once must not be asked without end
        return last

    def seconds(self) -> float:
        """How long a verification may take at most, for the lease."""
        v = self.verifier
        return (v.runs + v.workspace.config.judge.contended_repeats + 1) * 2 * v.timeout_s()

    def release(self, lease_id: int) -> None:
        try:
            self.board.hub.release(lease_id)
        except AutoresearchError as error:  # it ends by itself
            self.say(str(error))

    def is_patient(self, result: Result) -> bool:
        """Whether to leave a result to the one who said to verify it: not for ever, or a lease
        would be a way to hide."""
        since = self.waited_since.setdefault(result.id, time.monotonic())
        return time.monotonic() - since < PATIENCE_S

    def is_set_aside(self, result: Result) -> bool:
        return time.monotonic() < self.set_aside.get(result.id, -math.inf)

    def put_aside(self, result_id: int, why: str, seconds: float) -> None:
        if len(self.set_aside) >= REMEMBERED:
            self.set_aside.clear()
        self.set_aside[result_id] = time.monotonic() + seconds
        self.say(why)

    def say(self, text: str) -> None:
        self.verifier.display.say(to_line(text))
