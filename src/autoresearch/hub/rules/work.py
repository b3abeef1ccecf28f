"""Work handed out: a volunteer asks, and holds a lease on the result that is most useful to run
again, or on a cell, until its verdict or report comes, it gives the lease back, or its heartbeats
stop.

What is useful is `rules.work_choice`'s to say, whose verdict weighs `rules.verification`'s, whose
cell is next `rules.cells`'s. The choice is made outside any transaction; within it the first of
the chosen that is still free is taken, so no two volunteers, on however many nodes, hold one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from autoresearch.clock import precise_timestamp, shift_time
from autoresearch.errors import BadInput, Conflict, Forbidden, NotFound, RateLimited
from autoresearch.hub.rules import cells, devices, limits, verdicts, verification, work_choice
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.rules.work_choice import Candidate, Volunteer
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import cells as cell_rows
from autoresearch.hub.store import results, work_leases
from autoresearch.hub.store import verdicts as verdict_rows
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import BoardName, DatedVerdict, StoredLease
from autoresearch.models import (
    Cell,
    HandedOut,
    NewCell,
    NewWork,
    RenewedWork,
    ReportedNumber,
    Result,
    WorkLease,
)

LEASE_S, HEARTBEAT_S = 300, 60  # a volunteer may miss four heartbeats
HELD_MAX = 4  # leases that one agent holds at once
RETRY_S = 60  # where there is nothing to do
RETURNED_S = 3600  # before one who gave a result back gets it again
LATELY_S = 86_400
CANDIDATES_MAX = 500
NAME_MAX = 200  # characters
TRIED_MAX = 100  # of the chosen, for others may take them first
Said = Mapping[int, list[DatedVerdict]]  # by result
Work = Result | Cell


def find_work(
    reader: Reader, members: verdicts.Members, caller: Caller, asked: NewWork
) -> list[Work]:
    """What this volunteer could run, the most useful first: the slow part. Cells come first each
    second time, so that neither kind waits for the other."""
    agent_id = caller.writer()
    board = find_board(reader, asked)
    now = precise_timestamp()
    volunteer = _read_volunteer(reader, members, agent_id, now)
    found = results.list_unsettled(reader, board, now, not volunteer.gets_oldest, CANDIDATES_MAX)
    said = _read_verdicts(reader, found)
    candidates = _describe_candidates(reader, members, found, said)
    lately = _count_lately(reader, members, said, now)
    asked_for = _find_asked(members, volunteer, candidates, said, now)
    chosen = work_choice.choose_work(volunteer, candidates, asked_for, lately)
    again = [candidate.result for candidate in chosen[:TRIED_MAX]]
    runs = cells.find_cells(reader, board, agent_id, now)[:TRIED_MAX] if asked.cells else []
    return [*runs, *again] if volunteer.leases % 2 == 0 else [*again, *runs]


def find_board(reader: Reader, asked: NewWork | NewCell) -> BoardName:
    """What a caller names, by the hub's own spelling. Raises BadInput."""
    platform, track = asked.platform.strip(), asked.track.strip()
    is_bounded = 0 < len(platform) <= NAME_MAX and len(track) <= NAME_MAX
    if not is_bounded or "\0" in platform + track:
        raise BadInput(f"a platform has 1 to {NAME_MAX} characters, a track up to {NAME_MAX}")
    return BoardName(devices.spell_device(reader, platform), track)


def _read_volunteer(
    reader: Reader, members: verdicts.Members, agent_id: str, now: str
) -> Volunteer:
    back = work_leases.returned_since(reader, agent_id, shift_time(now, -RETURNED_S))
    return Volunteer(
        _find_network(reader, members, agent_id),
        members.standing(agent_id),
        work_leases.count_leases(reader, agent_id),
        frozenset(back),
    )


def _find_network(reader: Reader, members: verdicts.Members, agent_id: str) -> str:
    """Also of one who came since the members were read."""
    return members.networks.get(agent_id) or verdict_rows.find_network(reader, agent_id)


def _read_verdicts(reader: Reader, found: Sequence[Result]) -> Said:
    """By result: whatever was said of it."""
    said: defaultdict[int, list[DatedVerdict]] = defaultdict(list)
    if found:
        numbers = [result.id for result in found]
        for verdict in verdict_rows.of_results(reader, min(numbers), max(numbers)):
            said[verdict.result_id].append(verdict)
    return said


def _describe_candidates(
    reader: Reader,
    members: verdicts.Members,
    found: Sequence[Result],
    said: Said,
) -> list[Candidate]:
    """Of authors who were often wrong few results are run at all."""
    return [
        Candidate(
            result,
            _find_network(reader, members, result.agent_id),
            members.standing(result.agent_id),
            *_split_judges(reader, members, said.get(result.id, [])),
        )
        for result in found
        if verification.is_checked(members.key, result.id, members.standing(result.agent_id))
    ]


def _split_judges(
    reader: Reader, members: verdicts.Members, said: Sequence[DatedVerdict]
) -> tuple[frozenset[str], frozenset[str]]:
    """The networks that reproduced a result, and those that did not, by the newest of each."""
    newest = {_find_network(reader, members, v.agent_id): v.reproduced for v in said}
    confirming = frozenset(network for network, reproduced in newest.items() if reproduced)
    return confirming, frozenset(newest) - confirming


def _count_lately(reader: Reader, members: verdicts.Members, said: Said, now: str) -> Counter[str]:
    """By network: how often others ran its results of late."""
    since = shift_time(now, -LATELY_S)
    recent = (v for those in said.values() for v in those if v.created_at >= since)
    return Counter(_find_network(reader, members, verdict.author_id) for verdict in recent)


def _find_asked(
    members: verdicts.Members,
    volunteer: Volunteer,
    candidates: Sequence[Candidate],
    said: Said,
    now: str,
) -> frozenset[int]:
    """Of the first places, those about which the hub asks this volunteer; of one whose verdicts
    weigh nothing, none."""
    if volunteer.network not in members.weights:
        return frozenset()
    takeable = [c for c in candidates if work_choice.may_take(volunteer, c)]
    first = work_choice.rank_by_place(takeable, (), {})[: verdicts.ASKED_MAX]
    return frozenset(
        c.result.id
        for c in first
        if verdicts.is_drawn(
            members,
            c.result,
            [v for v in said.get(c.result.id, []) if v.weight > 0 or v.challenges],
            volunteer.network,
            now,
        )
    )


def hand_out(
    tx: Transaction, settings: Settings, caller: Caller, chosen: Sequence[Work]
) -> HandedOut:
    """Lease the first of the chosen that is free. Raises RateLimited for one who holds many."""
    agent_id = caller.writer()
    if work_leases.count_held(tx, agent_id, tx.now, LEASE_S) >= HELD_MAX:
        raise RateLimited(f"you hold {HELD_MAX} pieces of work; give one back first", RETRY_S)
    for work in chosen:
        about: work_leases.About = "cell_id" if isinstance(work, Cell) else "result_id"
        in_view = _look_again(tx, work)
        if in_view is not None and work_leases.end_lapsed(tx, about, work.id, LEASE_S):
            limits.spend(tx, f"agent:{agent_id}", "work", settings.max_posts_per_hour)
            until = shift_time(tx.now, LEASE_S)
            lease = work_leases.add_lease(tx, agent_id, about, work.id, until)
            return HandedOut(_describe_lease(lease, in_view), 0)
    return HandedOut(None, RETRY_S)


def _look_again(tx: Transaction, work: Work) -> Work | None:
    """Chosen work as it is now; None where it was hidden, or is over."""
    if isinstance(work, Result):
        return results.result(tx, work.id)
    cell = cell_rows.find_cell(tx, work.id, tx.now)
    return cell if cell and cell.outcome is None and cell_rows.is_shown(tx, cell.commit) else None


def _describe_lease(lease: StoredLease, work: Work) -> WorkLease:
    is_cell = isinstance(work, Cell)
    return WorkLease(
        lease.id,
        lease.agent_id,
        work if isinstance(work, Result) else None,
        lease.created_at,
        lease.expires_at,
        HEARTBEAT_S,
        "run" if is_cell else "verify",
        work if isinstance(work, Cell) else None,
    )


def keep_lease(tx: Transaction, caller: Caller, lease_id: int) -> RenewedWork:
    """The lease holds for its whole time again. Raises Conflict for one that is over."""
    until = shift_time(tx.now, LEASE_S)
    kept = work_leases.extend_lease(tx, lease_id, caller.agent_id, until)
    if kept is not None:
        return RenewedWork(kept.id, kept.expires_at)
    found = _find_own(tx, caller, lease_id)
    how = found.outcome or "expired"
    raise Conflict(f"lease {lease_id} is over ({how}); a verdict still counts as any other")


def return_lease(tx: Transaction, caller: Caller, lease_id: int) -> None:
    """Give work back; giving back what is over is no error."""
    _find_own(tx, caller, lease_id)
    work_leases.return_lease(tx, lease_id)


def report_run(tx: Transaction, caller: Caller, lease_id: int, report: ReportedNumber) -> Cell:
    """What a cell's run came to, which ends its lease."""
    return cells.report_cell(tx, _find_own(tx, caller, lease_id), report)


def _find_own(reader: Reader, caller: Caller, lease_id: int) -> StoredLease:
    found = work_leases.find_lease(reader, lease_id)
    if found is None:
        raise NotFound(f"no lease {lease_id}; POST /api/work hands one out")
    if found.agent_id != caller.agent_id and not caller.is_admin:
        raise Forbidden(f"lease {lease_id} is {found.agent_id}'s")
    return found
