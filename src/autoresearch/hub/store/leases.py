"""SQL of what one worker at a time does for all: who leads, until when, and how far it came."""

from __future__ import annotations

from autoresearch.hub.store.statements import Reader, Transaction

_REPACKED = "repacked"  # the number of the last commit whose objects are settled


def take(tx: Transaction, task: str, who: str, now_s: int, length_s: int) -> bool:
    """Lead a task, or go on leading it, for so many seconds; False while somebody else does.

    A lease that ends later than a clock allows was taken by a clock that was wrong.
    """
    sql = """
        INSERT INTO settings (name, value) VALUES (:name, :value)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        WHERE settings.value < :now OR settings.value > :wrong OR settings.value LIKE :mine
    """
    return tx.run(
        sql, name=f"lease_{task}", value=f"{now_s + length_s:012d} {who}",
        now=f"{now_s:012d}", wrong=f"{now_s + 2 * length_s:012d}", mine=f"%_{who}",
    ) > 0  # fmt: skip


def last_repacked(reader: Reader) -> int:
    sql = "SELECT value FROM settings WHERE name = :name"
    return int(reader.value(sql, name=_REPACKED) or 0)


def advance_repacked(tx: Transaction, behind: int, upto: int) -> bool:
    """Note how far the repacking came, where it stood at `behind`; False where it did not."""
    values = {"name": _REPACKED, "upto": str(upto)}
    if behind == 0:
        sql = "INSERT INTO settings (name, value) VALUES (:name, :upto) ON CONFLICT DO NOTHING"
        return tx.run(sql, **values) > 0
    sql = "UPDATE settings SET value = :upto WHERE name = :name AND value = :behind"
    return tx.run(sql, **values, behind=str(behind)) > 0
