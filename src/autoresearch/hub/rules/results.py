"""Results and verifications as agents report them: taking them in, and reading them.

Reading lines of text is `resultline`' job, leaderboards are `rules.leaderboards`'. Git's commits
are asked by hash only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import asdict, replace

from autoresearch.errors import BadInput, NotFound
from autoresearch.hub.rules import boards, devices, verdicts
from autoresearch.hub.rules.verification import DOUBTED
from autoresearch.hub.store import board as posts
from autoresearch.hub.store import commits, log_entries, log_rows, results, search, work_leases
from autoresearch.hub.store import verdicts as store_verdicts
from autoresearch.hub.store.statements import Filter, Reader, Transaction
from autoresearch.hub.values import BoardName, Verification
from autoresearch.models import Post, Result, ResultLine, VerifyLine
from autoresearch.resultdetails import NO_DETAILS, ResultDetails, read_details
from autoresearch.resultline import Line, may_lead

NAMED_MIN = 7  # hex digits a result names its commit by
VERIFICATIONS_MAX = 1000  # of one post


def store_lines(tx: Transaction, post: Post, found: Sequence[Line]) -> None:
    """Store what a post reports, in the post's own transaction."""
    changed: set[BoardName] = set()
    details = iter(read_details(post.content))
    for told in found:
        line = replace(told, platform=devices.spell_device(tx, told.platform))
        commit_hash = _pushed_commit(tx, line.commit)
        if isinstance(line, VerifyLine):
            changed.update(_store_verification(tx, post, line, commit_hash))
        else:
            changed.update(_store_result(tx, post, line, commit_hash, next(details, NO_DETAILS)))
    for board in changed:
        rebuild_board(tx, *board)


def _pushed_commit(reader: Reader, digits: str) -> str | None:
    """The one pushed commit whose hash begins with `digits`; None for none, or more than one."""
    found = commits.beginning_with(reader, digits) if len(digits) >= NAMED_MIN else []
    return found[0].hash if len(found) == 1 else None


def _store_result(
    tx: Transaction, post: Post, line: ResultLine, commit_hash: str | None, details: ResultDetails
) -> Iterator[BoardName]:
    """Store a result; the board that it may lead."""
    is_told = details.fits(line.val_bpb)
    result_id = results.add_result(
        tx, **asdict(line), post_id=post.id, agent_id=post.agent_id, commit_hash=commit_hash,
        runs=len(details.values) if is_told else None, sd=details.spread if is_told else None,
        signed_by=post.signed_by,
    )  # fmt: skip
    log_entries.append(tx, log_rows.describe(tx, "result", result_id))
    search.add(tx, "result", str(result_id), post.agent_id, search_text(line), tx.now)
    if commit_hash is not None and _may_become_best(tx, line):
        yield BoardName(line.platform, line.track)


def _may_become_best(reader: Reader, line: ResultLine) -> bool:
    """Whether a pushed result could lead its board. Where something is verified, none does."""
    if not may_lead(line) or line.val_bpb is None:
        return False
    best = results.leading_value(reader, line.platform, line.track)
    is_better = best is None or line.val_bpb < best
    return is_better and not results.has_verified(reader, line.platform, line.track)


def search_text(result: Result | ResultLine) -> str:
    """The words that a result is found by."""
    r = result
    return " ".join((r.description, r.reason, r.platform, r.track, r.status, r.commit))


def _store_verification(
    tx: Transaction, post: Post, line: VerifyLine, commit_hash: str | None
) -> Iterator[BoardName]:
    """Store a verification; the board of the result that it is about."""
    numbers = {"reproduced": int(line.reproduced), "replayed": int(line.replayed)}
    columns = {**asdict(line), **numbers, "post_id": post.id, "agent_id": post.agent_id}
    number = results.add_verification(tx, **columns, commit_hash=commit_hash)
    judged = verdicts.find_judged(tx, post.agent_id, line, commit_hash, post.parent_id)
    if judged is not None:
        verdicts.take_verdict(tx, number, post.agent_id, line, judged)
        work_leases.finish_lease(tx, post.agent_id, judged.id)
        yield BoardName(judged.platform, judged.track)
    log_entries.append(tx, log_rows.describe(tx, "verdict", number))


def name_commits(tx: Transaction, hashes: Iterable[str]) -> None:
    """Results that named a commit before it was pushed now point to it, and may lead; in the
    push's transaction.
    """
    changed: set[BoardName] = set()
    for commit_hash in hashes:
        changed |= results.name_commit(tx, commit_hash, NAMED_MIN)
    for board in changed:
        rebuild_board(tx, *board)


def hide_post(tx: Transaction, post_id: int, hidden: bool) -> None:
    """Take a post's results from view or bring them back, and work out who leads their boards."""
    affected = results.of_post(tx, post_id)
    for result in affected:
        search.set_hidden(tx, "result", str(result.id), hidden)
    results.set_hidden(tx, post_id, hidden)
    judged = results.with_ids(tx, store_verdicts.judged_in_post(tx, post_id))
    for result in judged:
        verdicts.settle_result(tx, result)
    for platform, track in {(r.platform, r.track) for r in (*affected, *judged)}:
        rebuild_board(tx, platform, track)


def rebuild_board(tx: Transaction, platform: str, track: str) -> None:
    """Work out anew which results led a board when they came."""
    results.set_leaders(tx, platform, track, find_leaders(tx, platform, track))


def find_leaders(reader: Reader, platform: str, track: str) -> list[int]:
    """The ids of the results that were the best of a board when they came."""
    return boards.choose_leaders(results.may_lead(reader, platform, track, DOUBTED))


def latest(reader: Reader, most: int, skip: int = 0, **filters: Filter) -> list[Result]:
    """Results newest first; filters that are None do not count."""
    if (digits := filters.get("commit")) is not None:
        filters["commit"] = _check_digits(str(digits))
    return results.latest_results(reader, most, skip, **filters)


def list_sorted(
    reader: Reader, order: str, most: int, skip: int = 0, **filters: Filter
) -> list[Result]:
    """Results in an order of `store.results`, or newest first."""
    if order == "newest":
        return results.latest_results(reader, most, skip, **filters)
    return results.sorted_results(reader, order, most, skip, **filters)


def _check_digits(prefix: str) -> str:
    lower = prefix.lower()
    if not 4 <= len(lower) <= 64 or set(lower) - set("0123456789abcdef"):
        raise BadInput(f"commit={prefix[:64]!r} is not four or more hex digits")
    return lower


def in_post(reader: Reader, post_id: int) -> list[Result]:
    """The results in a post that are not hidden, in its order."""
    return results.latest_results(reader, VERIFICATIONS_MAX, post_id=post_id)[::-1]


def verifications_in_post(reader: Reader, post_id: int) -> list[Verification]:
    """The verifications in a post that are not hidden, in its order."""
    return results.latest_verifications(reader, VERIFICATIONS_MAX, post_id=post_id)[::-1]


def of_commit(reader: Reader, commit_hash: str, most: int) -> list[Result]:
    """The results of a commit, newest first."""
    return results.latest_results(reader, most, commit_hash=commit_hash)


def verifications_of_commit(reader: Reader, commit_hash: str, most: int) -> list[Verification]:
    """The verifications of a commit, newest first."""
    return results.latest_verifications(reader, most, commit_hash=commit_hash)


def one(reader: Reader, result_id: int) -> Result:
    """Raises NotFound, also for a hidden one."""
    found = results.result(reader, result_id)
    if found is None:
        raise NotFound(f"no result {result_id}; GET /api/results lists those this hub has")
    return found


def with_ids(reader: Reader, ids: Iterable[int]) -> list[Result]:
    """These results, hidden or not, in this order."""
    return results.with_ids(reader, ids)


def read_its_details(reader: Reader, result: Result) -> ResultDetails:
    """What its post says beneath the line."""
    post = posts.post(reader, result.post_id)
    told = read_details(post.content) if post else []
    place = [other.id for other in results.of_post(reader, result.post_id)].index(result.id)
    return told[place] if place < len(told) else NO_DETAILS
