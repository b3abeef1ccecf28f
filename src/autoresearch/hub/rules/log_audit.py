"""A whole database against its own log: every row, what is derived from rows, and the tree.

Finds every edit of what entries cover (`autoresearch.entries`), of who leads a board, and of how
commits hang together. Objects are `agenthub verify`'s. Nothing is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from autoresearch.entries import NewEntry, canonical_json, hash_text
from autoresearch.hub.rules import results
from autoresearch.hub.store import audit_rows, commits, events, log_entries, log_rows, mirrored
from autoresearch.hub.store import results as result_rows
from autoresearch.hub.store.audit_rows import CommitLinks
from autoresearch.hub.store.statements import Reader
from autoresearch.log_replay import ROWS, LogReplay, read_fields
from autoresearch.models import TreeHead


def audit(reader: Reader, heads: Iterable[TreeHead] = ()) -> LogReplay:
    """Read the log and compare everything with it. `reader` should see one moment."""
    replay = LogReplay(tuple(heads))
    for entry in log_entries.every_entry(reader):
        hashes = replay.take(*entry[:4])
        if b"".join(hashes) != bytes(entry.hashes):
            replay.note("entry", str(entry.number), "its hashes are not those of the tree")
    replay.check_end()
    for kind in ROWS:
        _compare_rows(reader, replay, kind)
    _compare_marks(reader, replay)
    _compare_names(reader, replay)
    _compare_links(reader, replay)
    _compare_leaders(reader, replay)
    return replay


def _compare_rows(reader: Reader, replay: LogReplay, kind: str) -> None:
    for row in log_rows.every_row(reader, kind):
        replay.compare_row(_allow_changes(reader, replay, row), lambda n: _read_data(reader, n))
    replay.note_missing(kind, replay.frontier.size, is_whole=not mirrored.origin(reader))


def _read_data(reader: Reader, number: int) -> str:
    return log_entries.page(reader, number, 1)[0].data


def _allow_changes(reader: Reader, replay: LogReplay, row: NewEntry) -> NewEntry:
    """The row as it was when it came, where the log says that it may be otherwise now: a verdict
    that was withdrawn weighs nothing, and what is hidden may have lost its text.
    """
    if kind_has_platform(row.kind) and replay.spellings and not replay.is_as_logged(row):
        row = _spell_as_logged(reader, replay, row)
    logged = replay.rows.get((row.kind, row.ref))
    is_withdrawn = row.kind == "verdict" and row.ref in replay.withdrawn
    if logged is None or not (is_withdrawn or replay.is_hidden(row.kind, row.ref)):
        return row
    then, now = read_fields(_read_data(reader, logged.number)), row.fields()
    if is_withdrawn and (now["weight"], now["challenges"]) == ("0.0", 0):
        now.update(weight=then.get("weight"), challenges=then.get("challenges"))
    if now.get("text") == hash_text(""):
        now["text"] = then.get("text")
    return row._replace(data=canonical_json(now))


def kind_has_platform(kind: str) -> bool:
    return kind in ("result", "verdict")


def _spell_as_logged(reader: Reader, replay: LogReplay, row: NewEntry) -> NewEntry:
    """The row with the platform as its author spelled it, where that is what was entered."""
    texts = log_rows.read_platform(reader, row.kind, row.ref)
    old = [name for name, new in replay.spellings.items() if new == texts]
    respelled = (log_rows.describe_spelled(reader, row.kind, row.ref, name) for name in old)
    return next((entry for entry in respelled if replay.is_as_logged(entry)), row)


def _compare_marks(reader: Reader, replay: LogReplay) -> None:
    """Hidden, settled and revoked: as the log says last."""
    hidden = events.hidden_names(reader)
    for name in sorted(hidden ^ replay.hidden):
        kind, _, ref = name.partition(":")
        if (kind, ref) in replay.seen:
            now = "hidden" if name in hidden else "in view"
            replay.note(kind, ref, f"it is {now}, and the log says otherwise")
    for mark in audit_rows.hidden_otherwise(reader):
        replay.note(mark.kind, mark.ref, "it is hidden otherwise than its post")
    settled = audit_rows.settled_results(reader)
    for ref in sorted({*settled, *replay.settled}):
        now, then = settled.get(ref, "unverified"), replay.settled.get(ref, "unverified")
        if now != then and ("result", ref) in replay.seen:  # a mirror has none of hidden posts
            replay.note("result", ref, f"it is {now}, and the log says {then}")
    revoked = audit_rows.revoked_agents(reader)
    for agent_id, _ in sorted(revoked.items() ^ replay.revoked.items()):
        replay.note("account", agent_id, "is open or revoked otherwise than the log says")
    if commits.root(reader) != replay.root:
        replay.note("root", replay.root, "the hub names another commit to start from")


def _compare_names(reader: Reader, replay: LogReplay) -> None:
    for row in audit_rows.named_otherwise(reader):
        replay.note(row.kind, row.ref, f"points to {row.commit_hash or 'no commit'}, wrongly")


def _compare_links(reader: Reader, replay: LogReplay) -> None:
    """How commits hang together, as their parents say."""
    parents: dict[int, list[int]] = defaultdict(list)
    has_children = set()
    for child, parent in audit_rows.parent_links(reader):
        parents[child].append(parent)
        has_children.add(parent)
    seqs: dict[str, CommitLinks] = {}
    for commit in audit_rows.commit_links(reader):
        before = [seqs.get(name) for name in commit.parents.split()]
        first = before[0] if before else None
        wanted = (
            [place.seq if place else None for place in before],
            first.seq if first else None,
            first.root_seq if first else commit.seq,
            first.generation + 1 if first else 0,
            int(commit.seq not in has_children),
        )
        linked = parents.pop(commit.seq, [])
        if wanted != (
            linked, commit.parent_seq, commit.root_seq, commit.generation, commit.is_leaf
        ):  # fmt: skip
            replay.note("commit", commit.hash, "is linked otherwise than its parents say")
        seqs[commit.hash] = commit
    for seq in parents:
        replay.note("commit", f"number {seq}", "has parents, and is not listed")


def _compare_leaders(reader: Reader, replay: LogReplay) -> None:
    for platform, track in result_rows.all_boards(reader):
        led = [one.id for one in reversed(result_rows.leaders(reader, platform, track, 2**31))]
        right = results.find_leaders(reader, platform, track)
        for number in sorted({*led} ^ {*right}):
            said = "leads" if number in led else "does not lead"
            replay.note("result", str(number), f"it {said} its board, wrongly")
