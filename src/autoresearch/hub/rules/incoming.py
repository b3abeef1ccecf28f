"""What a pack brings, checked to the last byte before any of it is stored.

Reading the formats is `git`'s job. What is decided here: how much one push may hold, that
everything it names is there (in it or on the hub, and of the right kind; so the store stays
closed), and who owns what is new.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from typing import BinaryIO

from autoresearch.errors import BadBundle, Conflict, TooLarge
from autoresearch.git import fsck
from autoresearch.git.fsck import BLOB, COMMIT, KINDS, TREE
from autoresearch.git.pack import Pack, PackLimits
from autoresearch.hub.rules import results
from autoresearch.hub.store import commits, events, log_entries, log_rows, objects, search
from autoresearch.hub.store.object_reader import GitObject, ObjectReader
from autoresearch.hub.store.objects import NewObject
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import NewCommit

LIMITS = PackLimits()
NAMED_MAX = 200_000  # different objects that the trees of one push may name
ENTRIES_MAX = 2_000_000  # entries in all trees of one push
# not any codec: some of Python's are no encodings of texts, or take their time
_TEXT_ENCODING = re.compile(
    r"(?:iso-?_?8859|latin|windows-?|cp|koi8|mac|s(?:hift)?_?-?jis|euc|iso-?2022-jp|gb|big5)"
    r"[\w-]*$",
    re.IGNORECASE | re.ASCII,
)
SHOWN = 5  # missing hashes that an error names


def name_some(oids: Sequence[str]) -> str:
    """The first few hashes, and how many more there are."""
    rest = len(oids) - SHOWN
    return ", ".join(oids[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


class Incoming:
    """What a pack brings, checked but not yet anybody's.

    Use as a context: it holds temporary files.
    """

    def __init__(
        self,
        reader: Reader,
        file: BinaryIO,
        start: int,
        limits: PackLimits = LIMITS,
        skip_tags: bool = False,
    ) -> None:
        self._skip_tags = skip_tags
        self._tags: set[bytes] = set()
        self._reader = reader
        self._stored = ObjectReader(reader)
        self._pack = Pack(file, start, limits, self._read_stored, self._read_kinds)
        self._named: dict[bytes, int] = {}  # what trees name, and the kind it must be of
        self._attributes: set[bytes] = set()
        self._entries = 0
        self.commits: dict[bytes, fsck.CommitHeader] = {}
        self.heads: list[str] = []
        self._new: list[bytes] = []  # commits the hub does not have, parents before children
        self._unstored: list[bytes] = []

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._pack.close()

    def is_needed(self, heads: list[str]) -> bool:
        """Whether anything of `heads` is new, so that the pack has to be read."""
        self.heads = heads
        return any(commits.place(self._reader, oid) is None for oid in heads)

    def check(self, heads: list[str]) -> None:
        """Read the pack and check that all of it may come in, and that `heads` are commits.

        Raises BadBundle or TooLarge.
        """
        self.heads = heads
        self._pack.read(self._visit)
        self._check_names()
        self._check_attributes()
        self._check_parents()
        for oid in heads:
            if bytes.fromhex(oid) not in self.commits and commits.place(self._reader, oid) is None:
                raise BadBundle(
                    f"the head {oid} is no commit of this push or of the hub;"
                    " push branches, not tags or files"
                )
        self._new = self._in_order()
        self._named.clear()
        self._pack.forget()
        self._unstored = [
            oid
            for oid, record in self._pack.records.items()
            if not record.is_stored and oid not in self._tags
        ]

    def store(self, tx: Transaction, agent_id: str, roots_only: bool = False) -> list[str]:
        """Write what is new, within `tx`: objects, commits, search, events.

        The hashes of the new commits, parents first.
        """
        self.store_objects(tx)
        root_seq = _root_seq(tx) if roots_only else None
        added = []
        for oid in self._new:
            # a push at the same time may have been quicker
            if commits.place(tx, oid.hex()) is None:
                self._add(tx, oid, agent_id, root_seq)
                added.append(oid.hex())
        log_entries.append(tx, *(log_rows.describe(tx, "commit", name) for name in added))
        results.name_commits(tx, added)
        return added

    def store_objects(self, tx: Transaction) -> None:
        """Write the objects alone, without listing their commits."""
        objects.add(tx, self._unstored_objects())

    def list_new(self) -> Iterator[tuple[str, list[str], bytes, str]]:
        """The commits the hub does not have, parents first: hash, parents, tree and message."""
        for oid in self._new:
            header = self.commits[oid]
            parents = [parent.hex() for parent in header.parents]
            yield oid.hex(), parents, header.tree, message_of(header)

    def _add(self, tx: Transaction, oid: bytes, agent_id: str, root_seq: int | None) -> None:
        header = self.commits[oid]
        if root_seq is not None and not _descends(tx, header, root_seq):
            raise Conflict(
                f"commit {oid.hex()} does not descend from this hub's root;"
                " GET /api/git/root names it, start from there"
            )
        add_commit(tx, oid.hex(), header, agent_id, tx.now)
        search.add(tx, "commit", oid.hex(), agent_id, message_of(header), tx.now)
        parents = [parent.hex() for parent in header.parents]
        events.append(tx, "commit", {"hash": oid.hex(), "agent_id": agent_id, "parents": parents})

    def _unstored_objects(self) -> Iterator[NewObject]:
        for oid in self._unstored:
            record = self._pack.records[oid]
            size = record.size if record.base is None else record.delta_size
            yield NewObject(oid, record.kind, size, self._pack.body(record), record.base)

    def _read_kinds(self, oids: Sequence[bytes]) -> dict[bytes, int]:
        return objects.kinds(self._reader, oids)

    def _read_stored(self, oid: bytes) -> GitObject | None:
        return self._stored.get(oid)

    def _visit(self, oid: bytes, kind: int, data: bytes) -> None:
        if kind == COMMIT:
            self.commits[oid] = header = fsck.check_commit(data)
            self._name(header.tree, TREE)
        elif kind == TREE:
            self._visit_tree(fsck.check_tree(data))
        elif kind != BLOB:
            if not self._skip_tags:
                fsck.check_tag(data)
            self._tags.add(oid)

    def _visit_tree(self, entries: Sequence[fsck.Entry]) -> None:
        self._entries += len(entries)
        if self._entries > ENTRIES_MAX:
            raise TooLarge(f"the trees of this push have over {ENTRIES_MAX} entries; push in parts")
        for mode, name, oid in entries:
            self._name(oid, fsck.MODES[mode])
            if name == b".gitattributes":
                self._attributes.add(oid)

    def _name(self, oid: bytes, kind: int) -> None:
        if self._named.setdefault(oid, kind) != kind:
            raise BadBundle(
                f"{oid.hex()} is named as a {KINDS[kind]} and as a {KINDS[self._named[oid]]}"
            )
        if len(self._named) > NAMED_MAX:
            raise TooLarge(f"the trees of this push name over {NAMED_MAX} files; push in parts")

    def _check_names(self) -> None:
        for oid, kind in self._named.items():
            record = self._pack.records.get(oid)
            found = record.kind if record is not None else objects.kind(self._reader, oid)
            if found is None:
                raise BadBundle(
                    f"the {KINDS[kind]} {oid.hex()} is named"
                    " but neither in this push nor on the hub"
                )
            if found != kind:
                raise BadBundle(f"{oid.hex()} is named as a {KINDS[kind]} but is a {KINDS[found]}")

    def _check_attributes(self) -> None:
        for oid in self._attributes:
            stored = None if oid in self._pack.records else self._read_stored(oid)
            fsck.check_attributes(self._pack.data(oid) if stored is None else stored.data)

    def _check_parents(self) -> None:
        missing = [
            parent.hex()
            for header in self.commits.values()
            for parent in header.parents
            if parent not in self.commits and commits.place(self._reader, parent.hex()) is None
        ]
        if missing:
            some = name_some(list(dict.fromkeys(missing)))
            raise BadBundle(f"parents are missing, here and on the hub: {some}; push those as well")

    def _in_order(self) -> list[bytes]:
        """The commits the hub does not have, parents before children."""
        new = {
            oid: header
            for oid, header in self.commits.items()
            if commits.place(self._reader, oid.hex()) is None
        }
        order = TopologicalSorter(
            {oid: [p for p in header.parents if p in new] for oid, header in new.items()}
        )
        return list(order.static_order())


def _root_seq(reader: Reader) -> int:
    """The number of the hub's canonical root; 0 where there is none, so that nothing descends
    from it.
    """
    place = commits.place(reader, commits.root(reader))
    return place.root_seq if place else 0


def _descends(reader: Reader, header: fsck.CommitHeader, root_seq: int) -> bool:
    """Whether every parent goes back to this root; a commit without parents does not."""
    places = [commits.place(reader, parent.hex()) for parent in header.parents]
    return bool(places) and all(
        place is not None and place.root_seq == root_seq for place in places
    )


def add_commit(
    tx: Transaction, commit_hash: str, header: fsck.CommitHeader, agent_id: str, created_at: str
) -> None:
    """List a commit whose object is stored and whose parents are listed."""
    parents = [parent.hex() for parent in header.parents]
    places = [place for parent in parents if (place := commits.place(tx, parent)) is not None]
    # gone since it was checked: an operator has restored a backup just now
    if len(places) < len(parents):
        raise BadBundle(f"a parent of {commit_hash} is not on this hub any more; push again")
    new = NewCommit(
        commit_hash, " ".join(parents), agent_id, message_of(header), created_at, header.tree
    )
    commits.add_commit(tx, new, places)


def message_of(header: fsck.CommitHeader) -> str:
    """The message as text, in the encoding that its commit names where that is one of a text."""
    name = header.encoding if _TEXT_ENCODING.match(header.encoding) else "utf-8"
    try:
        text = header.message.decode(name, "replace")
    except LookupError:
        text = header.message.decode("utf-8", "replace")
    return text.replace("\0", "\ufffd").strip("\n")
