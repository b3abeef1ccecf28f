"""Talking to the hub without ever waiting for it longer than stated, whatever it does: down, slow,
dripping bytes, answering nonsense.

Each question runs in a thread of its own and is given up at its deadline: a time limit on single
reads does not bound an answer that comes one byte at a time. After a failure the loop's questions
are not asked for a while, so that a dead hub costs research seconds an hour; the delivery thread
asks on its own clock. Knows no verbs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from autoresearch.client import Hub
from autoresearch.clock import timestamp
from autoresearch.errors import AutoresearchError, HubUnavailable, RateLimited, Unauthorized
from autoresearch.researcher.swarm.membership import Membership
from autoresearch.researcher.swarm.swarm_state import SwarmState

T = TypeVar("T")
SILENCE_S = 20.0  # of the hub, within one request
STRANGE = (OSError, ValueError, TypeError, ArithmeticError, LookupError, RuntimeError)
REST_S, REST_MAX_S = 5.0, 300.0  # after a failure, doubled each time


@dataclass(eq=False)
class HubSession:
    """`say` tells a person when the hub goes and comes back. One `Hub` is held and thrown away
    after a failure."""

    membership: Membership
    memory: SwarmState
    say: Callable[[str], None]
    lock: threading.Lock = field(default_factory=threading.Lock)
    hubs: list[Hub] = field(default_factory=list)
    failures: int = 0
    asked_again_at: float = 0.0

    def ask(self, question: Callable[[Hub], T], otherwise: T, deadline_s: float = 15.0) -> T:
        """The answer; `otherwise` where the hub does not give one, or did not lately. Raises what
        the hub answers in its own words (Conflict, NotFound, BadInput, …)."""
        if time.monotonic() < self.asked_again_at:
            return otherwise
        try:
            return self.call(question, deadline_s)
        except (HubUnavailable, RateLimited, Unauthorized):
            return otherwise

    def call(self, question: Callable[[Hub], T], deadline_s: float) -> T:
        """The answer, at once or after a rest. Raises HubUnavailable at the deadline, and every
        error of the client."""
        try:
            answer = self.in_time(question, deadline_s)
        except (HubUnavailable, Unauthorized) as error:
            self.note_failure(error)
            raise
        except RateLimited as error:  # one allowance of several: the hub is well
            self.note_answer()
            self.memory.save(trouble=str(error)[:500])
            raise
        except AutoresearchError:
            self.note_answer()
            raise
        self.note_answer()
        return answer

    def in_time(self, question: Callable[[Hub], T], deadline_s: float) -> T:
        """Run a question in a thread that is abandoned, with its connection, at the deadline."""
        hubs: list[Hub] = []
        outcome: list[T] = []
        trouble: list[AutoresearchError] = []

        def work() -> None:
            try:
                hubs.append(self.take())
                outcome.append(question(hubs[0]))
            except AutoresearchError as error:
                trouble.append(error)
            except STRANGE as error:
                # a stranger's answer went through all of this: whatever it broke, research goes on
                name = type(error).__name__
                trouble.append(
                    HubUnavailable(
                        f"what the hub sent could not be taken in ({name}: {str(error)[:200]})"
                    )
                )

        thread = threading.Thread(target=work, daemon=True, name="hub")
        thread.start()
        thread.join(deadline_s)
        if outcome and not thread.is_alive():
            self.give_back(hubs[0])
            return outcome[0]
        for hub in hubs:
            hub.close()
        if trouble and not thread.is_alive():
            raise trouble[0]
        raise HubUnavailable(
            f"the hub at {self.membership.url} did not answer within {deadline_s:g} s"
        )

    def take(self) -> Hub:
        """A connection with our key. Raises what joining raises: a hub that does not let us in is
        no hub to ask."""
        with self.lock:
            if self.hubs:
                return self.hubs.pop()
        member = self.membership.member(self.say)
        return Hub(self.membership.url, member.key, timeout_s=SILENCE_S, patience_s=0.0, tries=1)

    def give_back(self, hub: Hub) -> None:
        with self.lock:
            self.hubs.append(hub)

    def close(self) -> None:
        with self.lock:
            for hub in self.hubs:
                hub.close()
            self.hubs.clear()

    # ---------------------------------------------------------------- how it goes

    def note_answer(self) -> None:
        back = self.failures > 0
        self.failures, self.asked_again_at = 0, 0.0
        facts = self.memory.facts
        now = timestamp()
        if facts.trouble or facts.last_contact[:16] != now[:16]:  # once a minute is enough
            self.memory.save(last_contact=now, trouble="")
        if back:
            self.say("the hub answers again")

    def note_failure(self, error: AutoresearchError) -> None:
        first = self.failures == 0
        rest = min(REST_MAX_S, REST_S * 2.0 ** min(self.failures, 10))
        self.failures += 1
        self.asked_again_at = time.monotonic() + rest
        self.memory.save(trouble=str(error)[:500])
        if first:
            self.say(f"research goes on, what there is to tell waits: {error}")
