"""What there is to verify on a hub, and the reply in its thread. Everything read here was
written by strangers.

Idempotent: before a reply is written its thread is looked through for one of ours, so a reply
whose answer was lost, or that a killed verifier had already written, is not written again. Leaves
to others: the wire (client), what the verdict is (verifier).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from autoresearch.client import Hub
from autoresearch.devices import is_same_device
from autoresearch.errors import BadInput, Conflict, Forbidden, NotFound
from autoresearch.git.repo import Repo
from autoresearch.git.sync import fetch_commit
from autoresearch.models import Claim, Result, VerifyLine
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.run_record import RunRecord, read_attached
from autoresearch.researcher.verify.rerun import Notes
from autoresearch.researcher.verify.verifier import Incomparable, Verdict
from autoresearch.resultline import read_lines, write_verification
from autoresearch.untrusted import to_line

PAGE = 200


@dataclass(frozen=True)
class HubBoard:
    """A hub as one verifier sees it. `me` is our account there; only results of this platform and
    track are ours to check."""

    hub: Hub
    me: str
    platform: str
    track: str
    direction: str = "min"
    verified: set[int] = field(default_factory=set)  # results found verified: never asked for again

    # ---------------------------------------------------------------- reading

    def unverified_results(self, skip: Callable[[Result], bool]) -> Iterator[Result]:
        """Results of others that nobody has verified, or that the hub asks us about, best first.
        `skip` is asked before the hub is."""
        sign = 1 if self.direction == "min" else -1
        found = [
            r
            for r in self.hub.results(platform=self.platform, status="keep", limit=PAGE)
            if self.is_ours_to_check(r)
        ]
        judged, asked = self.read_boards()
        self.verified.update(judged)
        for result in sorted(found, key=lambda r: (sign * (r.val_bpb or 0.0), r.id)):
            if skip(result) or (result.id in self.verified and result.id not in asked):
                continue
            by = self.is_me if result.id in asked else result.agent_id.__ne__
            if self.replies(result.post_id, result.commit, by):
                self.verified.add(result.id)
            else:
                yield result

    def is_ours_to_check(self, result: Result) -> bool:
        return (
            is_same_device(result.platform, self.platform)
            and result.track == self.track
            and result.agent_id != self.me
            and result.commit_hash is not None
            and result.val_bpb is not None
            and not result.problem
        )

    def read_boards(self) -> tuple[set[int], set[int]]:
        """Results of boards that are settled, and those that the hub asks us to run again."""
        boards = self.hub.leaderboard(platform=self.platform, limit=PAGE)
        shown = [r for board in boards for r in (*board.records, *board.waiting)]
        judged = {r.result_id for r in shown if r.verified != "unverified"}
        return judged, {r.result_id for r in shown if r.asked} - judged

    def replies(self, post_id: int, commit: str, by: Callable[[str], bool]) -> int:
        """How many replies with a verify line about this commit stand in a thread, by agents that
        `by` says yes to."""
        return sum(
            by(post.agent_id) and names_commit(post.content, commit)
            for post in self.hub.replies(post_id, limit=PAGE)
        )

    def asked_for(self, repo: Repo, commit: str) -> ReportedResult:
        """The newest result of a commit that we may verify. NotFound, Forbidden (our own) or
        Incomparable say why there is none."""
        found = self.hub.results(commit=commit, limit=PAGE)
        kept = [r for r in found if r.status == "keep" and r.val_bpb is not None and not r.problem]
        ours = [r for r in kept if self.is_ours_to_check(r)]
        if ours:
            return self.fetch_reported(repo, ours[0])
        if not kept:
            raise NotFound(
                f"nobody claims a kept result of commit {commit}; `ah results --commit "
                f"{commit}` shows what there is"
            )
        if all(r.agent_id == self.me for r in kept):
            raise Forbidden(
                f"the result of commit {commit} is your own ({self.me}); nobody "
                "verifies their own: let another agent do it"
            )
        others = [r for r in kept if r.agent_id != self.me]
        if all(r.commit_hash is None for r in others):
            raise NotFound(
                f"commit {commit} was never pushed to {self.hub.url}, so nobody can run it"
            )
        where = ", ".join(
            sorted(
                {f"{to_line(r.platform)} on track {to_line(r.track) or '(none)'}" for r in others}
            )
        )
        raise Incomparable(
            f"commit {commit} is claimed for {where}; this is {self.platform} on track "
            f"{self.track or '(none)'}, and only the same may be compared"
        )

    def fetch_reported(self, repo: Repo, result: Result) -> ReportedResult:
        """The result with its commit in our repository. BadInput for a hub that hands out another
        commit than it names."""
        if result.commit_hash is None or result.val_bpb is None:
            raise BadInput(f"result {result.id} names no pushed commit or no value")
        fetched = fetch_commit(repo, self.hub, result.commit_hash).commit
        if fetched != result.commit_hash or not fetched.startswith(result.commit):
            raise BadInput(
                f"{self.hub.url} hands out {fetched[:12]} for "
                f"{result.commit_hash[:12]}; it is not believed"
            )
        return ReportedResult(
            fetched,
            result.val_bpb,
            result.agent_id,
            result.post_id,
            result.description,
            track=result.track,
            platform=result.platform,
            hub=self.hub.url,
            result_id=result.id,
            own_replies=self.replies(result.post_id, fetched, self.is_me),
        )

    def read_record(self, reported: ReportedResult) -> RunRecord | None:
        """The record of the run that stands beneath its result, checked; None where there is none.
        BadInput names what is wrong with it."""
        return read_attached(self.hub.get_post(reported.post_id).content)

    # ---------------------------------------------------------------- telling

    def lease(self, reported: ReportedResult, seconds: float) -> Claim | None:
        """Tell the others that we are at it; None where somebody is already."""
        text = f"verify result {reported.result_id} of commit {reported.commit[:7]}"
        try:
            return self.hub.claim(text, ttl_s=int(min(max(seconds, 60), 86_400)))
        except Conflict:
            return None

    def reply(self, notes: Notes) -> bool:
        """Write the verdict into the result's thread; False where it stands there already."""
        about = notes.reported
        if self.replies(about.post_id, about.commit, self.is_me) > about.own_replies:
            return False
        self.hub.reply(about.post_id, notes.verdict)
        return True

    def is_me(self, agent_id: str) -> bool:
        return agent_id == self.me


def names_commit(content: str, commit: str) -> bool:
    """Whether a post has a verify line about this commit."""
    hashes = [line.commit for line in read_lines(content) if isinstance(line, VerifyLine)]
    return any(commit.startswith(h) or h.startswith(commit) for h in hashes)


def verdict_post(verdict: Verdict, platform: str, notes: Notes) -> str:
    """The reply: the line a hub reads, and beneath it our numbers. No word of the program's own
    stands at the start of a line."""
    reported = verdict.reported
    why = "" if verdict.confirms else verdict.reason
    line = write_verification(
        VerifyLine(
            reported.commit,
            platform,
            reported.track,
            verdict.mean,
            verdict.runs,
            reproduced=not why,
            reason=why,
            replayed=verdict.is_replay,
        )
    )
    runs = [
        f"- run {i}, seed {run.seed}: {show_values(run.value)}"
        for i, run in enumerate(notes.measurements, 1)
    ]
    runs += [f"- our own baseline beside it: {show_values(run.value)}" for run in notes.control]
    noise = None if verdict.is_replay else verdict.comparison
    about = [
        f"The claim was {reported.value:.6f}, run again with the fixed files of "
        f"{notes.pristine[:7]}."
    ]
    if verdict.is_replay:
        about.append("The run itself was repeated: seed, batches, progress and threads.")
    if noise is not None:
        about.append(
            f"Noise of one run here {noise.sigma:.6f}; up to {noise.allowed:.6f} worse "
            "than the claim is chance."
        )
    return "\n".join([line, "", " ".join(about), *(["", *runs] if runs else [])])


def show_values(value: float | None) -> str:
    return "no number" if value is None else f"{value:.6f}"
