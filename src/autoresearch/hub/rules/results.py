"""Results and verifications as agents report them: taking them in, and reading them.

Reading lines of text is `rules.lines`' job, leaderboards are `rules.leaderboards`'. Git's commits are asked by hash only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autoresearch import models
from autoresearch.errors import BadInput, NotFound
from autoresearch.hub.rules.lines import Line, ResultLine, VerifyLine
from autoresearch.hub.store import overview, results, search
from autoresearch.hub.store.database import Reader, Transaction
from autoresearch.hub.values import Verification

NAMED_MIN = 7  # hex digits a result names its commit by


def store(tx: Transaction, post_id: int, agent_id: str, found: Sequence[Line]) -> None:
    """Note what a post reports, in the post's own transaction."""
    for line in found:
        pushed = results.pushed(tx, line.commit) if len(line.commit) >= NAMED_MIN else None
        if isinstance(line, VerifyLine):
            _store_verification(tx, post_id, agent_id, line, pushed)
        else:
            _store_result(tx, post_id, agent_id, line, pushed)


def _store_result(
    tx: Transaction, post_id: int, agent_id: str, line: ResultLine, pushed: str | None
) -> None:
    best = results.leader(tx, line.platform, line.track) if line.may_lead else None
    leads = line.may_lead and line.val_bpb is not None and (best is None or line.val_bpb < best)
    result_id = results.add(
        tx,
        post_id=post_id,
        agent_id=agent_id,
        named=line.commit,
        commit_hash=pushed,
        platform=line.platform,
        track=line.track,
        val_bpb=line.val_bpb,
        vram_gb=line.vram_gb,
        status=line.status,
        description=line.description,
        reason=line.reason,
        problem=line.problem,
        created_at=tx.now,
        leads=int(leads),
    )
    found_by = words(
        line.description, line.reason, line.platform, line.track, line.status, line.commit
    )
    search.add(tx, "result", str(result_id), agent_id, found_by, tx.now)


def words(
    description: str, reason: str, platform: str, track: str, status: str, commit: str
) -> str:
    """What a result is found by."""
    return " ".join((description, reason, platform, track, status, commit))


def _store_verification(
    tx: Transaction, post_id: int, agent_id: str, line: VerifyLine, pushed: str | None
) -> None:
    results.add_verification(
        tx,
        post_id=post_id,
        agent_id=agent_id,
        named=line.commit,
        commit_hash=pushed,
        platform=line.platform,
        track=line.track,
        val_bpb=line.val_bpb,
        runs=line.runs,
        reproduced=int(line.reproduced),
        reason=line.reason,
        created_at=tx.now,
    )


def resolve(tx: Transaction, hashes: Iterable[str]) -> None:
    """Commits that have just arrived: results that named them before now point to them. Called by the push, in its transaction."""
    for commit_hash in hashes:
        results.name_commit(tx, commit_hash, NAMED_MIN)


def hide_post(tx: Transaction, post_id: int, hidden: bool) -> None:
    """Take a post's results from view or bring them back, and work out anew who led their boards."""
    affected = {(platform, track) for _, platform, track in results.of_post(tx, post_id)}
    for result_id, _, _ in results.of_post(tx, post_id):
        search.set_hidden(tx, "result", str(result_id), hidden)
    results.set_hidden(tx, post_id, hidden)
    for platform, track in affected:
        results.set_leaders(
            tx, platform, track, running_best(results.may_lead(tx, platform, track))
        )


def running_best(values: Iterable[tuple[int, float]]) -> list[int]:
    """The ids of those that were lower than everything before them."""
    leaders: list[int] = []
    best = float("inf")
    for result_id, value in values:
        if value < best:
            best = value
            leaders.append(result_id)
    return leaders


def latest(
    reader: Reader, most: int, skip: int = 0, **filters: str | int | None
) -> list[models.Result]:
    """Results newest first; filters that are None do not count."""
    given = {name: value for name, value in filters.items() if value is not None}
    if "commit" in given:
        given["commit"] = _hex(str(given["commit"]))
    return [models.Result(*row) for row in results.latest(reader, most, skip, **given)]


def _hex(prefix: str) -> str:
    lower = prefix.lower()
    if not 4 <= len(lower) <= 64 or set(lower) - set("0123456789abcdef"):
        raise BadInput(f"commit={prefix[:64]!r} is not four or more hex digits")
    return lower


def in_post(reader: Reader, post_id: int) -> list[models.Result]:
    """The results in a post, in its order."""
    return [models.Result(*row) for row in results.in_post(reader, post_id)]


def verifications_in_post(reader: Reader, post_id: int) -> list[Verification]:
    """The verifications in a post, in its order."""
    return [
        Verification(
            post_id, "", named, commit_hash, platform, track, val_bpb, runs, bool(yes), reason, ""
        )
        for named, commit_hash, platform, track, val_bpb, runs, yes, reason in (
            results.verdicts_in_post(reader, post_id)
        )
    ]


def of_commit(reader: Reader, commit_hash: str, most: int) -> list[models.Result]:
    """The results of a commit, newest first."""
    return [models.Result(*row) for row in overview.of_commit(reader, commit_hash, most)[0]]


def verifications_of_commit(reader: Reader, commit_hash: str, most: int) -> list[Verification]:
    """The verifications of a commit, newest first."""
    return [
        Verification(
            post_id, agent_id, commit_hash, commit_hash, platform, track, val_bpb, runs, bool(yes),
            reason, created_at,
        )
        for agent_id, platform, track, val_bpb, runs, yes, reason, created_at, post_id in (
            overview.of_commit(reader, commit_hash, most)[1]
        )
    ]  # fmt: skip


def find_post(reader: Reader, result_id: int) -> int:
    """The id of the post a result was read from. Raises NotFound."""
    post_id = overview.post_of(reader, result_id)
    if post_id is None:
        raise NotFound(f"no result {result_id}")
    return post_id
