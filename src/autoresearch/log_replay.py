"""A hub's log, read from its first entry: whether its tree and signatures hold, and what follows
from it, to be compared with rows. Values in, values out.

Used on a copy of a database and on a hub over HTTP alike. It trusts nothing but what it was shown
before: heads, whose roots the log has to pass through.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from autoresearch import entries, merkle, signing
from autoresearch.entries import NewEntry
from autoresearch.models import TreeHead

ROWS = ("account", "key", "channel", "post", "result", "verdict", "commit")
ROW_NAMES = {"key": "public key"}


class AuditFinding(NamedTuple):
    """One thing that is not as the log says, and where; `kind` and `ref` name the row."""

    kind: str
    ref: str
    problem: str

    def __str__(self) -> str:
        return f"{ROW_NAMES.get(self.kind, self.kind)} {self.ref}: {self.problem}"


class LoggedRow(NamedTuple):
    """Where a row is in the log; `entered` is empty but for rows older than the log."""

    number: int
    leaf_hash: bytes
    entered: str


@dataclass
class LogReplay:
    """What the entries so far say. `heads` are those that were seen before."""

    heads: Iterable[TreeHead] = ()
    findings: list[AuditFinding] = field(default_factory=list)
    rows: dict[tuple[str, str], LoggedRow] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)  # as `post:17`
    revoked: dict[str, str] = field(default_factory=dict)  # accounts, with the time
    withdrawn: set[str] = field(default_factory=set)
    settled: dict[str, str] = field(default_factory=dict)
    post_of: dict[tuple[str, str], str] = field(default_factory=dict)
    root: str = ""
    restored: int = 0  # how often the hub went back to a backup
    signatures: dict[str, str] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)  # rows that were compared
    spellings: dict[str, str] = field(default_factory=dict)  # of a platform: the old by the new
    frontier: merkle.Frontier = field(default_factory=merkle.Frontier)
    _channels: dict[int, str] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _signed_by: dict[str, str] = field(default_factory=dict)

    def note(self, kind: str, ref: str, problem: str) -> None:
        self.findings.append(AuditFinding(kind, ref, problem))

    def take(self, number: int, kind: str, ref: str, data: str) -> list[bytes]:
        """The next entry; the hashes that its row has to hold."""
        if number != self.frontier.size:
            self.note("entry", str(number), f"comes where number {self.frontier.size} is due")
        fields = self._read(number, kind, ref, data)
        hashes = self.frontier.append(merkle.hash_leaf(data.encode()))
        try:
            if kind in ROWS:
                self._take_row(number, kind, ref, hashes[0], fields)
            else:
                self._take_change(kind, ref, fields)
        except (KeyError, TypeError, AttributeError):
            self.note("entry", str(number), "lacks what an entry of its kind says")
        for head in self.heads:
            if head.size == self.frontier.size:
                self._compare_head(head)
        return hashes

    def _read(self, number: int, kind: str, ref: str, data: str) -> dict[str, Any]:
        fields = read_fields(data)
        if entries.canonical_json(fields) != data or fields.get("kind") != kind:
            self.note("entry", str(number), "is not what an entry can be")
        if ref != name_ref(kind, fields):
            self.note("entry", str(number), f"is filed under {ref!r}, which it is not about")
        return fields

    def _take_row(
        self, number: int, kind: str, ref: str, leaf_hash: bytes, fields: dict[str, Any]
    ) -> None:
        if (kind, ref) in self.rows:
            self.note(kind, ref, f"is entered twice, again as number {number}")
        self.rows[kind, ref] = LoggedRow(number, leaf_hash, str(fields.get("entered", "")))
        if kind == "channel":
            self._channels[fields.get("id", 0)] = fields.get("name", "")
        elif kind == "key":
            self._keys[fields.get("agent", "")] = fields.get("public_key", "")
        elif kind == "post" and "signed_by" in fields:
            self._check_signature(ref, fields)
        elif kind in ("result", "verdict"):
            self.post_of[kind, ref] = str(fields.get("post"))
            signer = self._signed_by.get(self.post_of[kind, ref])
            if kind == "result" and fields.get("signed_by") != signer:
                self.note(kind, ref, "says another signer than its post")

    def _check_signature(self, ref: str, fields: dict[str, Any]) -> None:
        agent_id, key = fields["agent"], fields["signed_by"]
        self._signed_by[ref] = key
        signature = str(fields.get("signature"))
        if self.signatures.setdefault(signature, ref) != ref:
            self.note("post", ref, f"bears the signature of post {self.signatures[signature]}")
        if self._keys.get(agent_id) != key:
            self.note("post", ref, f"is signed by a key that {agent_id!r} did not have then")
        form = signing.post_form(
            agent_id,
            self._channels.get(fields["channel"], ""),
            fields["parent"],
            fields["text"],
            str(fields.get("signed_at")),
        )
        if not signing.is_signed(key, signature, form):
            self.note("post", ref, f"its signature is none of {agent_id!r} under this text")

    def _take_change(self, kind: str, ref: str, fields: dict[str, Any]) -> None:
        if kind in ("hidden", "restored"):
            (self.hidden.add if kind == "hidden" else self.hidden.discard)(ref)
        elif kind in ("revoked", "reopened", "rotated"):
            self.revoked.pop(ref, None)
            if kind == "revoked":
                self.revoked[ref] = str(fields.get("at"))
        elif kind == "withdrawn":
            self.withdrawn.add(ref)
        elif kind == "settled":
            self.settled[ref] = str(fields.get("verified"))
        elif kind == "spelling":
            self.spellings[str(fields.get("old"))] = str(fields.get("new"))
        elif kind == "backup":
            self.restored += 1
        elif kind == "root":
            self.root = str(fields.get("hash"))

    def _compare_head(self, head: TreeHead) -> None:
        if head.root != self.frontier.root().hex():
            self.note(
                "log",
                str(head.size),
                f"its first {head.size} entries are others than those seen {head.signed_at[:19]}:"
                " the past was rewritten, or two logs are shown",
            )

    def compare_row(self, row: NewEntry, read_data: Callable[[int], str]) -> None:
        """A row as it is now, described as its entry would be; `read_data` reads an entry."""
        self.seen.add((row.kind, row.ref))
        logged = self.rows.get((row.kind, row.ref))
        if logged is None:
            self.note(row.kind, row.ref, "is in no entry of the log")
        elif not self.is_as_logged(row):
            late = entries.mark_late(row, logged.entered) if logged.entered else row
            for problem in list_differences(late, read_data(logged.number)):
                self.note(row.kind, row.ref, problem)

    def is_as_logged(self, row: NewEntry) -> bool:
        """Whether a row is to the letter what its entry says."""
        logged = self.rows.get((row.kind, row.ref))
        if logged is None:
            return False
        late = entries.mark_late(row, logged.entered) if logged.entered else row
        return merkle.hash_leaf(late.data.encode()) == logged.leaf_hash

    def is_hidden(self, kind: str, ref: str) -> bool:
        """Whether a row, or the post that it was read from, is hidden."""
        post = self.post_of.get((kind, ref), ref if kind == "post" else "")
        return f"post:{post}" in self.hidden or f"{kind}:{ref}" in self.hidden

    def note_missing(self, kind: str, below: int, is_whole: bool = False) -> None:
        """Of the first entries, those whose rows were not there to be compared; what is hidden need
        not be there, but for one who has the whole.
        """
        for (other, ref), row in self.rows.items():
            is_missing = other == kind and row.number < below and (kind, ref) not in self.seen
            if is_missing and (is_whole or not self.is_hidden(kind, ref)):
                self.note(kind, ref, "is in the log, and its row is gone")

    def check_end(self, head: TreeHead | None = None) -> None:
        """The log is read: it reaches every head that was seen, and the one it now shows."""
        for seen in self.heads:
            if seen.size > self.frontier.size:
                self.note(
                    "log",
                    str(seen.size),
                    f"had {seen.size} entries {seen.signed_at[:19]}, and has {self.frontier.size}",
                )
        if head is not None:
            self.check_head(head)

    def check_head(self, head: TreeHead) -> None:
        """A head of exactly this log, signed."""
        if (head.size, head.root) != (self.frontier.size, self.frontier.root().hex()):
            self.note("log", str(head.size), "the head that is shown is not that of the entries")
        if not is_head_signed(head):
            self.note("log", str(head.size), "the head is not signed by the key that it names")


_KEYS = {  # the field by which an entry is filed
    **dict.fromkeys(("account", "revoked", "reopened", "rotated"), "agent"),
    **dict.fromkeys(("commit", "root"), "hash"),
    **{"withdrawn": "verdict", "settled": "result"},
}


def name_ref(kind: str, fields: Mapping[str, Any]) -> str:
    """What an entry is filed under, as it says itself."""
    if kind in ("spelling", "backup"):
        return ""
    if kind in ("hidden", "restored"):
        return f"{fields.get('what')}:{fields.get('id')}"
    return str(fields.get(_KEYS.get(kind, "id")))


def read_fields(data: str) -> dict[str, Any]:
    """The fields of an entry; none where it is no entry at all."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def is_head_signed(head: TreeHead) -> bool:
    form = signing.head_form(head.size, head.root, head.signed_at)
    return signing.is_signed(head.public_key, head.signature, form)


def list_differences(row: NewEntry, logged: str) -> list[str]:
    """What a row says otherwise than its entry, a sentence for each field."""
    now, then = row.fields(), read_fields(logged)
    names = sorted({name for name in (*now, *then) if now.get(name) != then.get(name)})
    return [
        f"its {_FIELDS.get(name, name)} is {_short(now.get(name))}, the log says"
        f" {_short(then.get(name))}"
        for name in names
    ] or ["its row is not what the log says"]


_FIELDS = {"text": "text (SHA-256)", "at": "time"}


def _short(value: object) -> str:
    return "empty" if value in (None, "") else str(value)[:80]
