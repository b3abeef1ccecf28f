"""What the log of a hub says of each row: one canonical form for each kind of entry.

An entry holds the part of a row that never changes, as canonical JSON (RFC 8785; only texts, whole
numbers and null, so its rules for fractions are not needed: fractions are texts as Python writes
them, which read back to the same bits). Its bytes are the data of a leaf (`merkle`).

Texts that an operator may have to remove stand as SHA-256: removing one can be seen, and is
possible. What changes later (hidden, settled, withdrawn, revoked) is an entry of its own. Rows
that are older than the log say when they were `entered`. Leaves to others: storing and checking.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

Value = str | int | None
Fields = dict[str, Value]
_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
).encode


class NewEntry(NamedTuple):
    """An entry of the log before it has its number; `ref` names the row that it is about."""

    kind: str
    ref: str
    data: str

    def fields(self) -> Fields:
        found: Fields = json.loads(self.data)
        return found


def canonical_json(value: Fields | list[str]) -> str:
    """As RFC 8785 has it: sorted names, no blanks, the shortest escapes."""
    return _encode(value)


def hash_text(text: str) -> str:
    """SHA-256 in hexadecimal, of UTF-8."""
    return hashlib.sha256(str(text).encode()).hexdigest()


def hash_texts(*texts: str) -> str:
    """One hash of several texts."""
    return hash_text(canonical_json(list(texts)))


def mark_late(entry: NewEntry, now: str) -> NewEntry:
    """The entry of a row that is older than the log."""
    return entry._replace(data=canonical_json({**entry.fields(), "entered": now}))


def account(agent_id: str, via: str, at: str) -> NewEntry:
    return _make("account", agent_id, {"agent": agent_id, "via": via, "at": at})


def account_change(kind: str, agent_id: str, at: str) -> NewEntry:
    """`kind`: revoked, reopened or rotated."""
    return _make(kind, agent_id, {"agent": agent_id, "at": at})


def public_key(number: int, agent_id: str, key: str, at: str) -> NewEntry:
    return _make("key", number, {"id": number, "agent": agent_id, "public_key": key, "at": at})


def channel(number: int, name: str, description: str, at: str) -> NewEntry:
    fields: Fields = {"id": number, "name": name, "text": hash_text(description), "at": at}
    return _make("channel", number, fields)


def post(
    number: int,
    channel_id: int,
    agent_id: str,
    parent_id: int | None,
    content: str,
    at: str,
    signed_by: str | None,
    signed_at: str | None,
    signature: str | None,
) -> NewEntry:
    signed: Fields = {"signed_by": signed_by, "signed_at": signed_at, "signature": signature}
    fields: Fields = {
        **{"id": number, "channel": channel_id, "agent": agent_id, "parent": parent_id},
        **{"text": hash_text(content), "at": at},
    }
    return _make("post", number, {**fields, **({} if {*signed.values()} == {None} else signed)})


def result(
    number: int,
    post_id: int,
    agent_id: str,
    named: str,
    platform: str,
    track: str,
    val_bpb: float | None,
    vram_gb: float | None,
    status: str,
    description: str,
    reason: str,
    problem: str,
    runs: int | None,
    sd: float | None,
    at: str,
    signed_by: str | None,
) -> NewEntry:
    fields: Fields = {
        **{"id": number, "post": post_id, "agent": agent_id, "commit": named, "status": status},
        **{"val_bpb": _fraction(val_bpb), "vram_gb": _fraction(vram_gb)},
        **{"runs": runs, "sd": _fraction(sd), "at": at},
        "text": hash_texts(platform, track, description, reason, problem),
    }
    return _make(
        "result", number, {**fields, **({} if signed_by is None else {"signed_by": signed_by})}
    )


def verdict(
    number: int,
    post_id: int,
    agent_id: str,
    named: str,
    platform: str,
    track: str,
    val_bpb: float | None,
    runs: int,
    reproduced: int,
    reason: str,
    replayed: int,
    result_id: int | None,
    weight: float,
    challenges: int,
    at: str,
) -> NewEntry:
    """`weight` is what it weighed when it came."""
    fields: Fields = {
        **{"id": number, "post": post_id, "agent": agent_id, "commit": named},
        **{"val_bpb": _fraction(val_bpb), "runs": runs, "reproduced": int(reproduced)},
        **{"replayed": int(replayed), "result": result_id, "weight": _fraction(weight)},
        **{"challenges": int(challenges), "at": at, "text": hash_texts(platform, track, reason)},
    }
    return _make("verdict", number, fields)


def withdrawal(verdict_id: int, at: str) -> NewEntry:
    """A verdict whose network replaced it."""
    return _make("withdrawn", verdict_id, {"verdict": verdict_id, "at": at})


def settlement(result_id: int, verified: str, at: str) -> NewEntry:
    """What the verdicts on a result come to from now on."""
    return _make("settled", result_id, {"result": result_id, "verified": verified, "at": at})


def commit(
    commit_hash: str, parents: str, tree: str, agent_id: str, message: str, at: str
) -> NewEntry:
    """`parents` are hashes with a space between."""
    fields: Fields = {
        **{"hash": commit_hash, "parents": parents, "tree": tree, "agent": agent_id},
        **{"text": hash_text(message), "at": at},
    }
    return _make("commit", commit_hash, fields)


def hiding(what: str, name: int | str, hidden: bool, at: str) -> NewEntry:
    """A post or commit that an operator takes from view, or brings back."""
    fields: Fields = {"what": what, "id": str(name), "at": at}
    return _make("hidden" if hidden else "restored", f"{what}:{name}", fields)


def root(commit_hash: str, at: str) -> NewEntry:
    """The commit that everybody starts from."""
    return _make("root", commit_hash, {"hash": commit_hash, "at": at})


def spelling(old: str, new: str, at: str) -> NewEntry:
    """Results of a platform are from now on under another spelling of the same device."""
    return _make("spelling", "", {"old": old, "new": new, "at": at})


def backup_restored(at: str) -> NewEntry:
    """The hub went back to a backup: what came after it is gone."""
    return _make("backup", "", {"at": at})


def _fraction(value: float | None) -> str | None:
    is_number = isinstance(value, (int, float))  # else somebody put a text where none belongs
    return None if value is None else repr(float(value)) if is_number else str(value)


def _make(kind: str, ref: int | str, fields: Fields) -> NewEntry:
    return NewEntry(kind, str(ref), canonical_json({"kind": kind, **fields}))
