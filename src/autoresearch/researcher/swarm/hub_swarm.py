"""Research on a hub: where to start, whose commits to try, what others said, claims before runs,
every verdict told. The loop's `Swarm`.

What goes out is in the outbox before the loop goes on, and a thread sends it; what comes in is
asked for with a deadline and does without where the hub does not answer. Leaves to others: time
limits (hub_session), sending (delivery), words (lines), which commits (choice), joining
(membership).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import TypeVar

from autoresearch.client import Hub
from autoresearch.clock import timestamp
from autoresearch.errors import AutoresearchError, BadInput, Conflict, HubUnavailable, NotFound
from autoresearch.git import sync
from autoresearch.models import Cell, VerifyLine
from autoresearch.researcher.agents.prompt import Note
from autoresearch.researcher.journal import Journal
from autoresearch.researcher.judging.reproduce import compare
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.run_record import attach_record, find_record
from autoresearch.researcher.swarm import choice, lines
from autoresearch.researcher.swarm.base import Foreign, SharedCell, Swarm
from autoresearch.researcher.swarm.cell_sharing import CellSharing
from autoresearch.researcher.swarm.choice import Scope
from autoresearch.researcher.swarm.delivery import PAUSE_MAX_S, Delivery
from autoresearch.researcher.swarm.digest import Digest
from autoresearch.researcher.swarm.hub_session import HubSession
from autoresearch.researcher.swarm.membership import Membership
from autoresearch.researcher.swarm.outbox import Outbox, Step
from autoresearch.researcher.swarm.run_details import read_run_details
from autoresearch.researcher.swarm.standing import MEMORY, OUTBOX
from autoresearch.researcher.swarm.swarm_state import Offer, OwnClaim, SwarmState
from autoresearch.researcher.swarm.track import track_id
from autoresearch.researcher.workspace import OutsideFree, Workspace
from autoresearch.resultline import write_verification
from autoresearch.untrusted import first_line, to_line

ASK_S, FETCH_S, LAST_TRY_S = 15.0, 60.0, 10.0
T = TypeVar("T")
SAID_CHARS = 600
STARTS_TRIED, OFFERS_TRIED = 5, 3  # commits fetched and compared at one time
TTL_MIN_S, TTL_MAX_S = 60, 86_400  # what a hub takes


@dataclass(frozen=True)
class HubOptions:
    """What the command line says of hub mode."""

    platform: str
    seed: int = 0
    share_all: bool = False
    share_waves: bool = False


class HubSwarm(Swarm):
    """One workspace's part in a hub. `say` tells a person; `membership` knows who we are."""

    def __init__(
        self,
        workspace: Workspace,
        membership: Membership,
        options: HubOptions,
        say: Callable[[str], None],
    ) -> None:
        self.workspace = workspace
        self.membership = membership
        self.options = options
        self.tell = say
        self.memory = SwarmState(workspace.private / MEMORY)
        self.outbox = Outbox(workspace.private / OUTBOX)
        self.link = HubSession(membership, self.memory, self.say)
        self.delivery = Delivery(self.outbox, self.link, workspace.repo, self.renew_claims)
        self.digest = Digest()
        self.reading = threading.Lock()
        self.track = ""
        self.cells: CellSharing | None = None
        self.refusals: set[str] = set()
        self.unfit: set[str] = set()  # commits that cannot be compared with ours, told once

    def say(self, text: str) -> None:
        """Tell a person, in one line: a hub's words may hold a terminal's commands."""
        self.tell(to_line(text, SAID_CHARS))

    def ask(self, question: Callable[[Hub], T], otherwise: T) -> T:
        """What the hub says; `otherwise` where it does not answer, or refuses, which is told
        once."""
        try:
            return self.link.ask(question, otherwise, ASK_S)
        except AutoresearchError as error:
            if str(error) not in self.refusals:
                self.refusals.add(str(error))
                self.say(f"the hub refuses: {error}")
            return otherwise

    # ---------------------------------------------------------------- open, close

    def open(self) -> None:
        """Join or come back, and send what waits."""
        if self.memory.facts.hub not in ("", self.membership.url):
            self.say(
                f"this folder was on {self.memory.facts.hub} before; what waits goes to "
                f"{self.membership.url} now"
            )
            self.memory.save(offers={}, claims={})  # their numbers mean nothing here
        self.memory.save(hub=self.membership.url)
        self.ask(lambda hub: hub.whoami(), None)
        self.memory.save(agent_id=self.me)
        self.track = track_id(self.workspace)
        waiting = len(self.outbox.names("waiting"))
        if waiting:
            self.say(f"{waiting} results wait in the outbox for {self.membership.url}")
        self.drop_claims()
        self.delivery.start()
        if self.options.share_waves:
            place = (self.options.platform, self.track)
            self.cells = CellSharing(self.link, self.workspace.repo, *place, self.say)
            self.cells.start()

    def close(self) -> None:
        if self.cells is not None:
            self.cells.close()
        self.delivery.stop(LAST_TRY_S)
        self.memory.save(agent_id=self.me or self.memory.facts.agent_id)
        self.link.close()

    @property
    def me(self) -> str:
        return self.membership.agent_id

    def scope(self) -> Scope:
        return Scope(self.options.platform, self.track, self.workspace.config.experiment.direction)

    # ---------------------------------------------------------------- others' commits

    def find_starts(self) -> list[ReportedResult]:
        """Where one could start, the most promising first."""
        scope, seed = self.scope(), self.options.seed
        nothing: list[ReportedResult] = []
        results = self.ask(lambda hub: choice.results_on(hub, scope), nothing)
        found = choice.order_starts(results, scope)
        if not choice.is_exploring(seed, self.me):
            return found
        return [*self.ask(lambda hub: choice.leaves_on(hub, scope, seed), nothing), *found]

    def start(self) -> str | None:
        """The best plausible commit of our platform and track, now and then a leaf instead, else
        the hub's root, else None."""
        for result in self.find_starts()[:STARTS_TRIED]:
            if self.fetch_offer(result.commit, result.agent):
                self.offer(result)
                self.say(
                    f"starting from {result.commit[:7]} by {result.agent}, "
                    f"{result.value:.6f} ({result.verified}): {result.description}"
                )
                return result.commit
        return self.root()

    def root(self) -> str | None:
        root = self.ask(root_of, "")
        if root and self.fetch_offer(root, "the hub's root"):
            self.say(f"starting from the hub's root {root[:7]}")
            return root
        return None

    def foreign(self, best: Record) -> Foreign | None:
        """A commit of somebody else that claims a better value than our best, fetched and
        comparable; each is offered once."""
        if best.value is None:
            return None
        nothing: list[ReportedResult] = []
        results = self.ask(lambda hub: choice.results_on(hub, self.scope()), nothing)
        known = (
            {*self.memory.facts.offers, *self.unfit, *self.measured_commits()} if results else set()
        )
        for result in choice.worth_trying(results, self.scope(), best.value, self.me, known)[
            :OFFERS_TRIED
        ]:
            if self.fetch_offer(result.commit, result.agent):
                self.offer(result)
                agent, words = to_line(result.agent, 63), first_line(result.description)
                return Foreign(result.commit, agent, words, result.value)
        return None

    def measured_commits(self) -> set[str]:
        return {record.commit for record in self.workspace.ledger.records()}

    def offer(self, result: ReportedResult) -> None:
        """Remember whose result is measured here, so that the answer goes into its thread."""
        if result.agent != self.me:
            offer = Offer(
                result.agent, result.post_id, result.value, first_line(result.description)
            )
            self.memory.note_offer(result.commit, offer)

    def fetch_offer(self, commit: str, whose: str) -> bool:
        """Bring a commit here; False, said once, where it cannot be had or its fixed files are not
        ours."""
        if commit in self.unfit:
            return False
        try:
            there = self.link.ask(lambda hub: self.bring(hub, commit), False, FETCH_S)
            if there:
                self.workspace.check_comparable(commit, self.workspace.repo.head())
            return there
        except OutsideFree as error:
            self.say(f"{commit[:7]} by {whose} is passed over: {error}")
        except AutoresearchError as error:
            self.say(f"{commit[:7]} by {whose} could not be fetched: {error}")
        self.unfit.add(commit)
        return False

    def bring(self, hub: Hub, commit: str) -> bool:
        if self.workspace.repo.maybe(commit) == commit:
            return True
        return sync.fetch_commit(self.workspace.repo, hub, commit).commit == commit

    # ---------------------------------------------------------------- others' words

    def notes(self) -> Sequence[Note]:
        """Recent results, discussion and claims of others. Safe to call from an agent's thread."""
        with self.reading:
            known = self.digest
            self.digest = self.ask(lambda hub: known.catch_up(hub, self.me), known)
            return self.digest.notes()

    # ---------------------------------------------------------------- claims

    def claim(self, attempt_id: str, idea: str) -> str:
        """Lease an idea; a hub that does not answer, or does not understand, grants it."""
        text, ttl_s = first_line(idea), self.ttl_s()
        if len(text) < 3:
            return ""
        try:
            held = self.link.ask(lambda hub: hub.claim(text, ttl_s), None, ASK_S)
        except Conflict as error:
            return to_line(str(error), SAID_CHARS)
        except AutoresearchError as error:
            self.say(f"no claim: {error}")
            return ""
        if held is not None:
            self.memory.note_claim(attempt_id, OwnClaim(held.id, ttl_s, time.time() + ttl_s / 2))
        return ""

    def ttl_s(self) -> int:
        """Twice as long as an experiment here took so far, or as one may take."""
        took = [
            seconds
            for r in self.workspace.ledger.records()
            if (seconds := duration_s(r)) is not None
        ]
        expected = median(took) if took else self.workspace.config.experiment.timeout_s
        return int(min(max(2 * expected, TTL_MIN_S), TTL_MAX_S))

    def drop_claims(self) -> None:
        """Give up claims of attempts that came to nothing: what was only being edited when the
        runner was killed."""
        attempts = Journal(self.workspace.private / "state.json").state.attempts
        alive = {attempt.id for attempt in attempts.values() if attempt.phase != "editing"}
        for attempt_id, held in self.memory.facts.claims.items():
            if attempt_id not in alive:
                self.outbox.add(
                    f"claim{held.claim_id}", timestamp(), (Step("release", claim_id=held.claim_id),)
                )
                self.memory.note_claim(attempt_id, None)

    def renew_claims(self) -> float:
        """Renew what is half over; seconds until the next one is. Called by the delivery thread."""
        facts = self.memory.facts
        for attempt_id, held in facts.claims.items():
            if time.time() < held.renew_at:
                continue
            try:
                self.link.call(lambda hub, held=held: hub.renew(held.claim_id), ASK_S)  # type: ignore[misc]
                self.memory.note_claim(
                    attempt_id, replace(held, renew_at=time.time() + held.ttl_s / 2)
                )
            except HubUnavailable:
                return 5.0
            except AutoresearchError:  # over: it says nothing any more
                self.memory.note_claim(attempt_id, None)
        times = [held.renew_at - time.time() for held in self.memory.facts.claims.values()]
        return max(0.5, min([*times, PAUSE_MAX_S]))

    # ---------------------------------------------------------------- cells of waves

    @property
    def shares_cells(self) -> bool:  # type: ignore[override]
        return self.cells is not None

    def ask_for_cells(self, cells: Sequence[SharedCell]) -> None:
        if self.cells is not None:
            self.cells.ask(cells)

    def find_cell(self, cell: SharedCell) -> Cell | None:
        return self.cells.find(cell) if self.cells is not None else None

    def withdraw_cell(self, cell: SharedCell) -> None:
        if self.cells is not None:
            self.cells.withdraw(cell)

    # ---------------------------------------------------------------- verdicts

    def queue_verdict(self, record: Record) -> None:
        """Queue what a verdict has to tell: the commit where it is shared, the post, the end of
        its claim."""
        steps = [*self.pushes(record), *self.posts(record)]
        held = self.memory.facts.claims.get(record.id)
        if held is not None:
            steps.append(Step("release", claim_id=held.claim_id))
        self.outbox.add(record.id, timestamp(), tuple(steps))
        if held is not None:
            self.memory.note_claim(record.id, None)
        self.delivery.notice()

    def pushes(self, record: Record) -> list[Step]:
        """Improvements always, discards where everything is shared; never what touched the fixed
        files, never others' commits."""
        if record.commit in self.memory.facts.offers or not record.commit:
            return []
        if record.status != "keep" and not (self.options.share_all and self.is_within_free(record)):
            return []
        return [Step("push", commit=record.commit)]

    def is_within_free(self, record: Record) -> bool:
        try:
            self.workspace.check_comparable(record.commit, record.parent)
        except AutoresearchError:
            return False
        return record.commit != record.parent

    def posts(self, record: Record) -> list[Step]:
        """Our own result; for somebody else's commit the answer in its claim's thread."""
        reason = lines.without_paths(record.reason, str(self.workspace.folder))
        record = replace(record, platform=record.platform or self.options.platform, reason=reason)
        offer = self.memory.facts.offers.get(record.commit)
        if offer is None:
            measured = read_run_details(self.workspace.folder, record.logs)
            content = lines.result_post(record, self.track, self.attachment(record), measured)
            return [Step("post", content=content)]
        why = self.dispute(record, offer)
        if why is None:
            return []
        board, runs = (record.platform, self.track), len(record.values)
        found = VerifyLine(record.commit, *board, record.value, runs, not why, why, replayed=False)
        line = write_verification(found)
        content = f"{line}\n\n{lines.result_details(record, self.track)}\n"
        return [Step("post", content=content, parent_id=offer.post_id)]

    def attachment(self, record: Record) -> str:
        """The record of its best run, with which anybody can repeat it."""
        direction = self.workspace.config.experiment.direction
        found = find_record(self.workspace.folder, record.logs, direction)
        return attach_record(found) if found else ""

    def dispute(self, record: Record, offer: Offer) -> str | None:
        """Why a claim was not reproduced here, the empty string where it was, None where this
        machine cannot tell."""
        if record.status == "crash" or not record.values:
            return f"crashed: {record.reason}"
        if offer.claimed is None:
            return None
        others = (r for r in self.workspace.ledger.records() if r.id != record.id)
        groups = [r.values for r in others if len(r.values) > 1]
        direction = self.workspace.config.experiment.direction
        try:
            found = compare(offer.claimed, record.values, groups, direction)
        except BadInput:
            return None
        return None if found.reason and record.contended else found.reason


def root_of(hub: Hub) -> str:
    """The hub's root, or the empty string where it has none or calls something else so."""
    try:
        root = hub.root().hash
    except NotFound:
        return ""
    return root if choice.HASH.fullmatch(root) else ""


def duration_s(record: Record) -> float | None:
    """How long an experiment took, editing and repeats included; None where its times cannot be
    read."""
    try:
        began, ended = (
            datetime.fromisoformat(t.replace("Z", "+00:00"))
            for t in (record.started_at, record.finished_at)
        )
    except ValueError:
        return None
    return max(0.0, (ended - began).total_seconds())
