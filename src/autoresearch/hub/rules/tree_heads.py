"""The log as others check it: its signed head, its entries, and proofs.

Whoever keeps a head can have it proved later that the log still begins as it did. Routes hand this
out to everybody; writing entries is the business of whoever writes the rows.
"""

from __future__ import annotations

from functools import partial

from autoresearch import merkle, signing
from autoresearch.clock import precise_timestamp
from autoresearch.errors import BadInput, NotFound
from autoresearch.hub.store import log_entries, log_rows
from autoresearch.hub.store.statements import Reader
from autoresearch.models import ConsistencyProof, InclusionProof, LogEntry, TreeHead

TEXTS_MAX_CHARS = 1_000_000  # of the texts of one answer


def sign_head(reader: Reader) -> TreeHead:
    """The size and root of the log as it is now, signed by the hub's key."""
    size = log_entries.count(reader)
    root = log_entries.read_frontier(reader, size).root().hex()
    seed, now = log_entries.log_key(reader), precise_timestamp()
    signature = signing.sign(seed, signing.head_form(size, root, now))
    return TreeHead(size, root, now, signing.find_public_key(seed), signature)


def list_entries(reader: Reader, start: int, most: int, with_texts: bool) -> list[LogEntry]:
    """Entries from a number on; fewer where their texts would be too much for one answer."""
    found: list[LogEntry] = []
    chars = 0
    for entry in log_entries.page(reader, start, most):
        texts = log_rows.read_texts(reader, entry.kind, entry.ref) if with_texts else None
        found.append(LogEntry(entry.number, entry.kind, entry.ref, entry.data, texts))
        chars += sum(map(len, (texts or {}).values()))
        if chars > TEXTS_MAX_CHARS:
            break
    return found


def entries_about(reader: Reader, kind: str, ref: str) -> list[LogEntry]:
    """What the log says of one thing, oldest first."""
    found = log_entries.about(reader, kind, ref)
    return [LogEntry(entry.number, entry.kind, entry.ref, entry.data) for entry in found]


def prove_inclusion(reader: Reader, number: int, size: int | None) -> InclusionProof:
    """That an entry is in the log of the first `size` entries, or of all. Raises NotFound."""
    size = _check_size(reader, size)
    if number >= size:
        raise NotFound(f"the log of {size} entries has no number {number}; they begin at 0")
    tree = partial(log_entries.perfect_tree, reader)
    path = merkle.prove_inclusion(tree, number, size)
    leaf = tree(0, number).hex()
    return InclusionProof(number, size, leaf, [step.hex() for step in path])


def prove_consistency(reader: Reader, old: int, new: int | None) -> ConsistencyProof:
    """That the first `old` entries of the log are what they were. Raises BadInput, NotFound."""
    new = _check_size(reader, new)
    if old > new:
        raise BadInput(f"the log of {old} entries is no beginning of that of {new}")
    path = merkle.prove_consistency(partial(log_entries.perfect_tree, reader), old, new)
    return ConsistencyProof(old, new, [step.hex() for step in path])


def _check_size(reader: Reader, size: int | None) -> int:
    now = log_entries.count(reader)
    if size is not None and size > now:
        raise NotFound(f"the log has {now} entries, not {size}")
    return now if size is None else size
