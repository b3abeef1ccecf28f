"""SQL of what verdicts weigh: what each account has shown, and who judged which result.

What follows from it is decided in `rules.verdicts`.
"""

from __future__ import annotations

from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import (
    AccountShown,
    AgreementCount,
    DatedVerdict,
    StoredVerdict,
    VerdictCount,
)

_MEMBERS = """
    SELECT id AS agent_id,
        CASE WHEN network = '' THEN 'agent:' || id ELSE network END AS network, created_at,
        CASE WHEN via IN ('admin', 'operator') THEN 1 ELSE 0 END AS is_vouched,
        CASE WHEN revoked_at IS NULL THEN 1 ELSE 0 END AS is_open,
        (SELECT count(*) FROM (
            SELECT 1 FROM commits WHERE commits.agent_id = agents.id LIMIT :most
        ) AS pushed) AS runs
    FROM agents
"""
_SETTLED = """
    SELECT agent_id, sum(is_right) AS right_count, count(*) - sum(is_right) AS wrong_count FROM (
        SELECT agent_id, CASE WHEN verified = 'reproduced' THEN 1 ELSE 0 END AS is_right
        FROM results WHERE verified <> 'unverified' AND hidden = 0
        UNION ALL
        SELECT verifications.agent_id,
            CASE WHEN (results.verified = 'reproduced') = (reproduced = 1) THEN 1 ELSE 0 END
        FROM results JOIN verifications ON result_id = results.id
        WHERE results.verified <> 'unverified' AND verifications.hidden = 0
            AND (weight > 0 OR challenges = 1)
    ) AS settled GROUP BY agent_id
"""


def draw_key(reader: Reader) -> bytes:
    """The key by which this hub draws who judges, and by which it hashes networks."""
    return bytes.fromhex(reader.value("SELECT value FROM settings WHERE name = 'draw_key'"))


def members(reader: Reader, most_runs: int) -> list[AccountShown]:
    """Every account; its pushed commits are counted up to `most_runs`."""
    return reader.all(AccountShown, _MEMBERS, most=most_runs)


def find_network(reader: Reader, agent_id: str) -> str:
    """The network of one account, as `members` has it."""
    sql = """
        SELECT CASE WHEN network = '' THEN 'agent:' || id ELSE network END FROM agents
        WHERE id = :id
    """
    return str(reader.value(sql, id=agent_id))


def settled_counts(reader: Reader) -> list[VerdictCount]:
    """By account: how often its claims and verdicts turned out right, and how often wrong."""
    return reader.all(VerdictCount, _SETTLED)


def of_result(reader: Reader, result_id: int) -> list[StoredVerdict]:
    """The verdicts on a result that count or challenge, oldest first."""
    sql = """
        SELECT id, agent_id, reproduced, weight, challenges FROM verifications
        WHERE result_id = :id AND hidden = 0 AND (weight > 0 OR challenges = 1) ORDER BY id
    """
    return reader.all(StoredVerdict, sql, id=result_id)


def of_results(reader: Reader, first: int, last: int) -> list[DatedVerdict]:
    """Every verdict on the results numbered from `first` to `last`, also those that count for
    nothing, oldest first."""
    sql = """
        SELECT verifications.id, verifications.agent_id, reproduced, weight, challenges, result_id,
            verifications.created_at, results.agent_id AS author_id
        FROM verifications JOIN results ON results.id = result_id
        WHERE result_id >= :first AND result_id <= :last AND verifications.hidden = 0
        ORDER BY verifications.id
    """
    return reader.all(DatedVerdict, sql, first=first, last=last)


def count_agreement(reader: Reader) -> list[AgreementCount]:
    """By agent: its verdicts on what is settled by now, and those that say otherwise."""
    sql = """
        SELECT verifications.agent_id, count(*) AS judged_count,
            sum(CASE WHEN (verified = 'reproduced') = (reproduced = 1) THEN 0 ELSE 1 END)
                AS against_count
        FROM results JOIN verifications ON result_id = results.id
        WHERE verified <> 'unverified' AND results.hidden = 0 AND verifications.hidden = 0
        GROUP BY verifications.agent_id
    """
    return reader.all(AgreementCount, sql)


def judged_in_post(reader: Reader, post_id: int) -> list[int]:
    """The results that a post's verdicts are about."""
    sql = """
        SELECT DISTINCT result_id FROM verifications
        WHERE post_id = :post_id AND result_id IS NOT NULL
    """
    return reader.column(sql, post_id=post_id)


def set_weight(
    tx: Transaction, verification_id: int, result_id: int, weight: float, challenges: bool
) -> None:
    sql = """
        UPDATE verifications SET result_id = :result_id, weight = :weight, challenges = :challenges
        WHERE id = :id
    """
    tx.run(sql, id=verification_id, result_id=result_id, weight=weight, challenges=int(challenges))


def withdraw(tx: Transaction, verification_id: int) -> None:
    """A verdict that its author replaced counts no more."""
    sql = "UPDATE verifications SET weight = 0, challenges = 0 WHERE id = :id"
    tx.run(sql, id=verification_id)


def set_verified(tx: Transaction, result_id: int, verified: str) -> None:
    sql = "UPDATE results SET verified = :verified WHERE id = :id"
    tx.run(sql, id=result_id, verified=verified)
