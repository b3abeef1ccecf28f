"""Takes letters from the outbox to the hub, in order, each thing once, however often either side
is killed in between.

A step is noted as begun before it is sent. One whose fate is unknown (no answer, or a start after
a kill) is looked for among our posts on the hub before it is sent again; pushes and releases are
the same done twice. A refusal for good is noted with its sentence and never holds up the rest;
everything else is tried again, later each time, for ever. Runs in a thread; research never waits
for it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial

from autoresearch.client import Hub
from autoresearch.errors import (
    AutoresearchError,
    BadInput,
    Conflict,
    Forbidden,
    HubUnavailable,
    NotFound,
    RateLimited,
    TooLarge,
)
from autoresearch.git import sync
from autoresearch.git.repo import GitFailed, Repo
from autoresearch.models import Post
from autoresearch.researcher.swarm.hub_session import HubSession
from autoresearch.researcher.swarm.outbox import Letter, Outbox, Step

CHANNEL = "results"
PUSH_DEADLINE_S, DEADLINE_S = 300.0, 60.0
PAUSE_S, PAUSE_MAX_S = 1.0, 300.0
RETRY_AFTER_MAX_S = 3600.0  # a hub that asks for more is asked again all the same
# TooLarge: it will be as large tomorrow. GitFailed: of our own repository, and a kept commit
# travels with the next one anyway.
FOR_GOOD = (BadInput, Forbidden, NotFound, Conflict, TooLarge, GitFailed)
PAGE, PAGES = 200, 10  # posts looked through for one of ours


class Delivery:
    """One thread from `start` to `stop`. `errand` is what else is to be done on the way round,
    such as renewing claims."""

    def __init__(
        self, outbox: Outbox, link: HubSession, repo: Repo, errand: Callable[[], float]
    ) -> None:
        self.outbox = outbox
        self.link = link
        self.repo = repo
        self.errand = errand
        self.wake = threading.Event()
        self.idle = threading.Event()
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.rounds, daemon=True, name="delivery")
        self.failures = 0
        self.not_before = 0.0  # seconds of the monotonic clock
        self.is_limited = False

    def start(self) -> None:
        self.thread.start()

    def notice(self) -> None:
        """There is something new in the outbox."""
        self.idle.clear()
        self.wake.set()

    def stop(self, patience_s: float) -> None:
        """Let it try once more, and finish what it can in so many seconds; what is left waits for
        the next start."""
        if not self.thread.is_alive():
            return
        deadline = time.monotonic() + patience_s
        self.failures = 0
        self.not_before = self.not_before if self.is_limited else 0.0
        self.wake.set()
        while (
            not (self.failures or self.is_limited or self.idle.wait(0.05))
            and time.monotonic() < deadline
        ):
            pass
        self.ending.set()
        self.wake.set()
        self.thread.join(0.5)

    # ---------------------------------------------------------------- rounds

    def rounds(self) -> None:
        while not self.ending.is_set():
            self.wake.clear()
            pause_s = min(self.deliver_all(), self.errand())
            self.wake.wait(pause_s)

    def deliver_all(self) -> float:
        """Send until nothing waits or the hub does not take it; seconds until the next try."""
        while not self.ending.is_set() and time.monotonic() >= self.not_before:
            letter = self.outbox.first()
            if letter is None:
                self.idle.set()
                return PAUSE_MAX_S
            try:
                self.deliver(letter)
                self.failures, self.is_limited = 0, False
            except RateLimited as error:
                self.is_limited = True
                self.wait_for(min(max(float(error.retry_after_s), PAUSE_S), RETRY_AFTER_MAX_S))
            except (AutoresearchError, OSError):
                self.wait_for(
                    min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(self.failures, 10))
                    * random.uniform(0.75, 1.25)
                )
        return max(0.0, self.not_before - time.monotonic())

    def wait_for(self, seconds: float) -> None:
        """The hub did not take something: leave it alone, longer after every failure, and not all
        researchers at once."""
        self.failures += 1
        self.not_before = time.monotonic() + seconds

    # ---------------------------------------------------------------- one letter

    def deliver(self, letter: Letter) -> None:
        """Send every step that is left. Raises what asks for another try: HubUnavailable,
        RateLimited, Unauthorized."""
        while (index := letter.next_step()) is not None:
            letter = self.carry_out(letter, index)
            self.outbox.save(letter)
        self.outbox.save(letter)

    def carry_out(self, letter: Letter, index: int) -> Letter:
        step = letter.steps[index]
        try:
            if step.kind == "post":
                return self.post(letter, index)
            if step.kind == "push":
                self.link.call(
                    lambda hub: sync.push_commits(self.repo, hub, [step.commit]), PUSH_DEADLINE_S
                )
            else:
                self.link.call(lambda hub: hub.release(step.claim_id), DEADLINE_S)
        except FOR_GOOD as error:
            if step.kind == "release":  # a claim that is over already
                return letter.with_step(index, state="done")
            return letter.with_step(index, state="refused", answer=str(error)[:500])
        return letter.with_step(index, state="done")

    def post(self, letter: Letter, index: int) -> Letter:
        """Write a post that is surely not there yet: note that it begins, send it, note its id."""
        step = letter.steps[index]
        found = self.look_for(step) if step.state == "begun" else None
        if found is None:
            if step.state != "begun":
                newest = self.link.call(lambda hub: hub.posts(CHANNEL, limit=1), DEADLINE_S)
                letter = letter.with_step(index, state="begun", after=newest[0].id if newest else 0)
                self.outbox.save(letter)
            try:
                found = self.link.call(lambda hub: write_post(hub, step), DEADLINE_S)
            except RateLimited:
                # surely not written: nothing to look for
                self.outbox.save(letter.with_step(index, state="waiting"))
                raise
        return letter.with_step(index, state="done", answer=str(found.id))

    def look_for(self, step: Step) -> Post | None:
        """Our post with just this content among those written since the step began."""
        before: int | None = None
        for _ in range(PAGES):
            page = self.link.call(
                partial(page_of, since=step.after or 0, before=before), DEADLINE_S
            )
            me = self.link.membership.agent_id  # known for sure once the hub was asked with our key
            mine = next(
                (post for post in page if post.agent_id == me and post.content == step.content),
                None,
            )
            if mine is not None or len(page) < PAGE:
                return mine
            before = min(post.id for post in page)
        return None


def page_of(hub: Hub, since: int, before: int | None) -> list[Post]:
    return hub.posts(CHANNEL, since=since, before=before, limit=PAGE)


def write_post(hub: Hub, step: Step) -> Post:
    """A post, in the thread it belongs to where that is still there."""
    try:
        posted = hub.post(CHANNEL, step.content, step.parent_id)
    except (NotFound, BadInput):
        if step.parent_id is None:
            raise
        posted = hub.post(CHANNEL, step.content)
    if posted.content != step.content:
        raise HubUnavailable(f"{hub.url} answered with another post than the one it was sent")
    return posted
