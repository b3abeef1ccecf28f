"""Rows of another hub, made of the entries of its log and the texts that it hands out.

A row is kept only where the entry that is made of it is the one in the log, to the letter; so
nothing is taken on the hub's word. What is hidden there has no text here. Marks that change later
(hidden, settled, withdrawn, revoked) follow the log; who leads a board is worked out anew.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from autoresearch.entries import mark_late
from autoresearch.errors import Conflict
from autoresearch.hub.rules import results
from autoresearch.hub.rules.mirrored_log import PAGE, LogSource
from autoresearch.hub.store import (
    accounts,
    audit_rows,
    board,
    commits,
    events,
    log_entries,
    log_rows,
    mirrored,
    search,
    verdicts,
)
from autoresearch.hub.store import results as result_rows
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.mirrored import Row
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.log_replay import LogReplay, read_fields
from autoresearch.models import LogEntry, ResultLine

KINDS = ("account", "key", "channel", "post", "result", "verdict")
_OPTIONAL = ("post", "result", "verdict")  # their texts may be hidden since the head was signed
_WORDS = {  # as an entry has them, where a row says it otherwise
    "agent": "agent_id",
    "id": "number",
    "channel": "channel_id",
    "parent": "parent_id",
    "post": "post_id",
    "commit": "named",
    "result": "result_id",
    "public_key": "key",
}
_NUMBERS = ("val_bpb", "vram_gb", "sd", "weight")


def take_rows(
    db: Database, source: LogSource, replay: LogReplay
) -> Iterator[tuple[int, list[LogEntry]]]:
    """Keep the rows that are not here yet, page by page. Yields how many were due so far, and
    those entries of the page that the hub hands out no fitting text for.

    Raises Conflict where a row is not what its entry says, whatever may be hidden.
    """
    due = list_due(db.reader, replay)
    in_all = len(due)
    while due:
        page = _read_texts(source, due[0])
        wanted, due = _split(due, page[-1].number if page else due[0])
        offered = {entry.number: entry for entry in page}
        left = []
        with db.write() as tx:
            for number in wanted:
                stored = log_entries.page(tx, number, 1)[0]
                entry = LogEntry(*stored[:4], texts=_texts_of(offered.get(number), stored.data))
                if not _take_row(tx, replay, entry):
                    left.append(entry)
        yield in_all - len(due), left


def list_due(reader: Reader, replay: LogReplay) -> list[int]:
    """The numbers of the entries whose rows are not here, though they may be."""
    here = {kind: mirrored.list_refs(reader, kind) for kind in KINDS}
    hidden = events.hidden_names(reader)
    return sorted(
        row.number
        for (kind, ref), row in replay.rows.items()
        if kind in here
        and ref not in here[kind]
        and not (replay.is_hidden(kind, ref) and (kind != "post" or f"post:{ref}" in hidden))
    )


def _read_texts(source: LogSource, start: int) -> list[LogEntry]:
    return source.log_entries(start, limit=PAGE, texts=True)


def _split(due: list[int], last: int) -> tuple[list[int], list[int]]:
    place = max(1, bisect(due, last))
    return due[:place], due[place:]


def _texts_of(offered: LogEntry | None, data: str) -> dict[str, str] | None:
    return offered.texts if offered is not None and offered.data == data else None


def _take_row(tx: Transaction, replay: LogReplay, entry: LogEntry) -> bool:
    """Keep one row; False where its text is not handed out, or is another."""
    kind, fields = entry.kind, read_fields(entry.data)
    is_hidden = replay.is_hidden(kind, entry.ref)
    row = None if is_hidden else find_row(entry, fields, replay.spellings)
    if row is None and kind not in _OPTIONAL:
        raise Conflict(f"{kind} {entry.ref} is not what the log says; nothing of it is kept")
    if row is None:
        if kind == "post":
            _hold_place(tx, int(entry.ref), fields)
        return is_hidden
    if kind == "post" and board.has_post(tx, int(entry.ref)):
        mirrored.fill_post(tx, int(entry.ref), str(row["content"]))
    else:
        mirrored.add_row(tx, kind, row)
    _index(tx, entry, row)
    return True


def _hold_place(tx: Transaction, post_id: int, fields: Mapping[str, Any]) -> None:
    """A post without its text, hidden: others may answer it."""
    if not board.has_post(tx, post_id):
        mirrored.add_row(tx, "post", {**_name_fields(fields), "content": ""})
    board.set_hidden(tx, post_id, True)


def find_row(
    entry: LogEntry, fields: Mapping[str, Any], spellings: Mapping[str, str]
) -> dict[str, Any] | None:
    """The row that an entry is of, made of its fields and texts; None where these do not make it.

    A platform may have been spelled otherwise when it came.
    """
    row = {**_name_fields(fields), **(entry.texts or {})}
    platform = row.get("platform")
    for spelled in (platform, *(old for old, new in spellings.items() if new == platform)):
        if _is_row_of({**row, **({"platform": spelled} if platform is not None else {})}, entry):
            return row
    return None


def _name_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    named = {_WORDS.get(name, name): value for name, value in fields.items()}
    for name in ("kind", "text", "entered"):
        named.pop(name, None)
    numbers = {name: float(named[name]) for name in _NUMBERS if named.get(name) is not None}
    return {**named, **numbers}


def _is_row_of(row: Mapping[str, Any], entry: LogEntry) -> bool:
    signed: Row = {"signed_by": None, "signed_at": None, "signature": None}
    given = signed if entry.kind == "post" else {"signed_by": None}
    given = given if entry.kind in ("post", "result") else {}
    try:
        made = log_rows.SOURCES[entry.kind].make(**{**given, **row})
    except (TypeError, ValueError):
        return False
    entered = read_fields(entry.data).get("entered")
    return (mark_late(made, str(entered)) if entered else made).data == entry.data


def _index(tx: Transaction, entry: LogEntry, row: Mapping[str, Any]) -> None:
    """Make it findable."""
    if entry.kind == "post":
        text = str(row["content"])
    elif entry.kind == "result":
        told = {name: row[name] for name in ResultLine.__struct_fields__ if name in row}
        text = results.search_text(ResultLine(**{**told, "commit": row["named"]}))
    else:
        return
    if not search.has(tx, entry.kind, entry.ref):
        search.add(tx, entry.kind, entry.ref, row["agent_id"], text, row["at"])


def settle_marks(tx: Transaction, replay: LogReplay, left: set[tuple[str, str]]) -> None:
    """What changes after rows were entered: as the log says last. `left` are rows whose text is
    due."""
    _settle_hidden(tx, replay, left)
    revoked = audit_rows.revoked_agents(tx)
    for agent_id in revoked.keys() - replay.revoked.keys():
        accounts.reopen(tx, agent_id)
    for agent_id, at in replay.revoked.items() - revoked.items():
        accounts.revoke(tx, agent_id, at)
    for ref in replay.withdrawn:
        verdicts.withdraw(tx, int(ref))
    for old, new in replay.spellings.items():
        result_rows.rename_platform(tx, old, new)
    settled = audit_rows.settled_results(tx)
    for ref, verified in replay.settled.items():
        if settled.get(ref, "unverified") != verified:
            verdicts.set_verified(tx, int(ref), verified)
    if replay.root and replay.root != commits.root(tx):
        commits.set_root(tx, replay.root)
    _point_to_commits(tx, replay)
    for platform, track in result_rows.all_boards(tx):
        results.rebuild_board(tx, platform, track)


def _settle_hidden(tx: Transaction, replay: LogReplay, left: set[tuple[str, str]]) -> None:
    hidden = events.hidden_names(tx)
    for name in hidden ^ replay.hidden:
        kind, _, ref = name.partition(":")
        is_hidden = name in replay.hidden
        if (kind, ref) in left:
            continue
        search.set_hidden(tx, kind, ref, is_hidden)
        if kind == "commit":
            commits.set_hidden(tx, ref, is_hidden)
            continue
        board.set_hidden(tx, int(ref), is_hidden)
        result_rows.set_hidden(tx, int(ref), is_hidden)
        for result in result_rows.of_post(tx, int(ref)):
            search.set_hidden(tx, "result", str(result.id), is_hidden)


def _point_to_commits(tx: Transaction, replay: LogReplay) -> None:
    """Results and verdicts point to the commit that they pointed to on the hub: the one that was
    there when they came, or else the first that came after."""
    named = mirrored.open_names(tx, results.NAMED_MIN)
    found = _find_commits(replay, {one.named for one in named})
    for one in named:
        came = replay.rows[one.kind, one.ref].number
        before = [name for number, name in found[one.named] if number < came]
        after = [name for number, name in found[one.named] if number > came]
        chosen = before if len(before) == 1 else after
        if chosen and commits.place(tx, chosen[0]):
            mirrored.point(tx, one.kind, one.ref, chosen[0])


def _find_commits(replay: LogReplay, names: set[str]) -> dict[str, list[tuple[int, str]]]:
    """By what they are named: the commits with their numbers in the log, oldest first."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    if not names:
        return found
    lengths = sorted({len(name) for name in names})
    for (kind, ref), row in replay.rows.items():
        for length in lengths if kind == "commit" else ():
            if ref[:length] in names:
                found[ref[:length]].append((row.number, ref))
    return found
