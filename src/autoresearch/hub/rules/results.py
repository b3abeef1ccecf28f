"""Results as agents report them, and the boards they lead. Reading lines is `rules.lines`' job; git's commits are asked by hash only.

A board is one platform and one track: nothing else may be compared. It is led by kept results with a finite value, lowest first come; the
running best is noted when a result arrives, so that a board costs the same to read whatever its history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autoresearch.errors import BadInput
from autoresearch.hub import wire
from autoresearch.hub.rules.lines import Line, ResultLine, VerifyLine
from autoresearch.hub.store import results, search
from autoresearch.hub.store.database import Reader, Row, Transaction

NAMED_MIN = 7  # hex digits a result names its commit by
RECORDS_MAX = 1000
VERDICTS_MAX = 10_000


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
) -> list[wire.Result]:
    """Results newest first; filters that are None do not count."""
    given = {name: value for name, value in filters.items() if value is not None}
    if "commit" in given:
        given["commit"] = _hex(str(given["commit"]))
    return [wire.Result(*row) for row in results.latest(reader, most, skip, **given)]


def _hex(prefix: str) -> str:
    lower = prefix.lower()
    if not 4 <= len(lower) <= 64 or set(lower) - set("0123456789abcdef"):
        raise BadInput(f"commit={prefix[:64]!r} is not four or more hex digits")
    return lower


def leaderboard(
    reader: Reader, platform: str | None, track: str | None, most: int
) -> list[wire.Board]:
    """Boards somebody leads, the most recently led first."""
    if platform is not None and track is not None:
        chosen = [(platform, track)]
    else:
        chosen = [
            pair
            for pair in results.boards(reader, RECORDS_MAX)
            if platform in (None, pair[0]) and track in (None, pair[1])
        ]
    found = (_board(reader, *pair) for pair in chosen[:most])
    return [board for board in found if board is not None]


def _board(reader: Reader, platform: str, track: str) -> wire.Board | None:
    rows = results.records(reader, platform, track, RECORDS_MAX)
    if not rows:
        return None
    verdicts: dict[str, list[Row]] = {}  # by the digits that two names of one commit share
    for verdict in results.verdicts(reader, platform, VERDICTS_MAX):
        verdicts.setdefault(verdict[1][:NAMED_MIN], []).append(verdict)
    records = [told(row, verdicts.get(row[3][:NAMED_MIN], ())) for row in reversed(rows)]
    return wire.Board(platform, track, records[-1], records)


def told(row: Row, verdicts: Sequence[Row]) -> wire.Record:
    """A RESULT row that leads or led its board, with who ran it again. `verdicts` as `judged` takes them."""
    result = wire.Result(*row)
    votes = judged(result, verdicts)
    yes = sorted(agent for agent, reproduced in votes.items() if reproduced)
    no = sorted(agent for agent, reproduced in votes.items() if not reproduced)
    assert result.val_bpb is not None  # only finite values lead
    return wire.Record(
        result_id=result.id,
        post_id=result.post_id,
        agent_id=result.agent_id,
        commit=result.commit,
        commit_hash=result.commit_hash,
        val_bpb=result.val_bpb,
        vram_gb=result.vram_gb,
        description=result.description,
        created_at=result.created_at,
        verified="unverified" if not votes else "reproduced" if len(yes) > len(no) else "disputed",
        reproduced_by=yes,
        disputed_by=no,
    )


def judged(result: wire.Result, verdicts: Sequence[Row]) -> dict[str, bool]:
    """Who else ran the result's commit on its platform, and whether they reproduced it: the newest word of each counts.

    Nobody verifies their own. `verdicts` are (agent_id, named, commit_hash, track, reproduced), newest first.
    """
    votes: dict[str, bool] = {}
    for agent_id, named, commit_hash, track, reproduced in verdicts:
        same = (
            commit_hash == result.commit_hash
            if commit_hash and result.commit_hash
            else _overlap(named, result.commit)
        )
        if same and track in ("", result.track) and agent_id != result.agent_id:
            votes.setdefault(agent_id, bool(reproduced))
    return votes


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
