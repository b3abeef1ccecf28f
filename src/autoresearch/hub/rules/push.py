"""Taking in commits: a bundle or a pack goes in, checked to the last byte, and becomes rows in one transaction. Nothing is visible before.

Reading the formats is `git`'s job. What is decided here: how much one push may hold, that everything it names is there (in it or on the hub, and
of the right kind; so the store stays closed), who owns what is new, and what of it counts against the pusher's allowance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from graphlib import TopologicalSorter
from typing import BinaryIO, TypeVar

from autoresearch.errors import BadBundle, Conflict, TooLarge
from autoresearch.git import bundle, fsck
from autoresearch.git.fsck import BLOB, COMMIT, KINDS, TREE
from autoresearch.git.pack import Limits, Pack
from autoresearch.hub.rules import limits, results
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import commits, events, objects, search
from autoresearch.hub.store.database import Database, Reader, Transaction

T = TypeVar("T")
LIMITS = Limits()
NAMED_MAX = 200_000  # different objects that the trees of one push may name
ENTRIES_MAX = 2_000_000  # entries in all trees of one push
SHOWN = 5  # missing hashes that an error names


def receive(db: Database, settings: Settings, caller: Caller, file: BinaryIO) -> list[str]:
    """Take in the bundle in `file`; the hashes of its heads, whether or not they were new. Not for the event loop.

    Raises BadBundle, TooLarge or RateLimited, and Conflict where the hub takes descendants of its root only; then nothing was taken in.
    """
    with checked(db, settings, caller, file) as bundled:
        return db.transact(bundled.store)


def checked(db: Database, settings: Settings, caller: Caller, file: BinaryIO) -> Checked:
    """All of `receive` but the transaction. What is refused for its content costs a token. Not for the event loop."""
    allowed(db.reader, settings, caller)
    header = bundle.read_header(file)
    return charged(
        db, settings, caller, lambda: _checked(db.reader, settings, caller, file, header)
    )


def _checked(
    reader: Reader, settings: Settings, caller: Caller, file: BinaryIO, header: bundle.Header
) -> Checked:
    _check_prerequisites(reader, header.prerequisites)
    incoming = Incoming(reader, file, header.pack_start)
    try:
        incoming.check(header.heads)
    except BaseException:
        incoming.close()
        raise
    return Checked(settings, caller, incoming, header.heads)


def allowed(reader: Reader, settings: Settings, caller: Caller) -> None:
    """Raise what can be known before any work: no agent's key, or no pushes left."""
    limits.check(reader, f"agent:{caller.writer()}", "push", settings.max_pushes_per_hour)


def charged(db: Database, settings: Settings, caller: Caller, push: Callable[[], T]) -> T:
    """Run `push`, which spends its token itself where it succeeds; one that fails over its content costs a token all the same."""
    try:
        return push()
    except (BadBundle, TooLarge, Conflict):
        db.transact(lambda tx: spend(tx, settings, caller))
        raise


def spend(tx: Transaction, settings: Settings, caller: Caller) -> None:
    limits.spend(tx, f"agent:{caller.writer()}", "push", settings.max_pushes_per_hour)


def _check_prerequisites(reader: Reader, prerequisites: Sequence[str]) -> None:
    missing = [oid for oid in prerequisites if commits.place(reader, oid) is None]
    if missing:
        raise BadBundle(
            f"this bundle builds on commits the hub does not have: {_named(missing)}; push those as well"
            " (`git bundle create FILE HEAD` bundles the whole history)"
        )


def _named(oids: Sequence[str]) -> str:
    rest = len(oids) - SHOWN
    return ", ".join(oids[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


class Incoming:
    """What a pack brings, checked but not yet anybody's. Use as a context: it holds temporary files."""

    def __init__(self, reader: Reader, file: BinaryIO, start: int, limits: Limits = LIMITS) -> None:
        self._reader = reader
        self._pack = Pack(file, start, limits, self._stored)
        self._named: dict[bytes, int] = {}  # what trees name, and the kind it must be of
        self._attributes: set[bytes] = set()
        self._entries = 0
        self.commits: dict[bytes, fsck.CommitHeader] = {}
        self._new: list[bytes] = []  # commits the hub does not have, parents before children
        self._unstored: list[bytes] = []

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._pack.close()

    def check(self, heads: Iterable[str]) -> None:
        """Read the pack and check that all of it may come in, and that `heads` are commits. Raises BadBundle or TooLarge."""
        self._pack.read(self._visit)
        self._check_named()
        self._check_attributes()
        self._check_parents()
        for oid in heads:
            if bytes.fromhex(oid) not in self.commits and commits.place(self._reader, oid) is None:
                raise BadBundle(
                    f"the head {oid} is no commit of this push or of the hub; push branches, not tags or files"
                )
        self._new = self._in_order()
        self._named.clear()
        self._pack.forget()
        self._unstored = [
            oid for oid in self._pack.records if objects.kind(self._reader, oid) is None
        ]

    def store(self, tx: Transaction, agent_id: str, roots_only: bool = False) -> list[str]:
        """Write what is new, within `tx`: objects, commits, search, events. The hashes of the new commits, parents first."""
        objects.add(tx, self._rows())
        root = commits.root(tx) if roots_only else ""
        root_seq = int(commits.place(tx, root)[1]) if root else 0  # type: ignore[index]
        added = []
        for oid in self._new:
            if (
                commits.place(tx, oid.hex()) is None
            ):  # a push at the same time may have been quicker
                self._add(tx, oid, agent_id, root_seq if roots_only else None)
                added.append(oid.hex())
        results.resolve(tx, added)
        return added

    def _add(self, tx: Transaction, oid: bytes, agent_id: str, root_seq: int | None) -> None:
        header = self.commits[oid]
        if root_seq is not None and not _descends(tx, header, root_seq):
            raise Conflict(
                f"commit {oid.hex()} does not descend from this hub's root; GET /api/git/root names it, start from there"
            )
        add_commit(tx, oid.hex(), header, agent_id, tx.now)
        search.add(tx, "commit", oid.hex(), agent_id, message_of(header), tx.now)
        parents = [parent.hex() for parent in header.parents]
        events.append(tx, "commit", {"hash": oid.hex(), "agent_id": agent_id, "parents": parents})

    def _rows(self) -> Iterator[tuple[bytes, int, int, bytes]]:
        for oid in self._unstored:
            record = self._pack.records[oid]
            yield oid, record.kind, record.size, self._pack.body(record)

    def _stored(self, oid: bytes) -> tuple[int, bytes] | None:
        return objects.get(self._reader, oid)

    def _visit(self, oid: bytes, kind: int, data: bytes) -> None:
        if kind == COMMIT:
            self.commits[oid] = header = fsck.commit(data)
            self._name(header.tree, TREE)
        elif kind == TREE:
            self._visit_tree(fsck.tree(data))
        elif kind != BLOB:
            fsck.tag(data)

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

    def _check_named(self) -> None:
        for oid, kind in self._named.items():
            record = self._pack.records.get(oid)
            found = record.kind if record is not None else objects.kind(self._reader, oid)
            if found is None:
                raise BadBundle(
                    f"the {KINDS[kind]} {oid.hex()} is named but neither in this push nor on the hub"
                )
            if found != kind:
                raise BadBundle(f"{oid.hex()} is named as a {KINDS[kind]} but is a {KINDS[found]}")

    def _check_attributes(self) -> None:
        for oid in self._attributes:
            stored = None if oid in self._pack.records else self._stored(oid)
            fsck.attributes(self._pack.data(oid) if stored is None else stored[1])

    def _check_parents(self) -> None:
        missing = [
            parent.hex()
            for header in self.commits.values()
            for parent in header.parents
            if parent not in self.commits and commits.place(self._reader, parent.hex()) is None
        ]
        if missing:
            raise BadBundle(
                f"parents are missing, here and on the hub: {_named(list(dict.fromkeys(missing)))}; push those as well"
            )

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


def _descends(reader: Reader, header: fsck.CommitHeader, root_seq: int) -> bool:
    """Whether every parent goes back to this root; a commit without parents does not."""
    places = [commits.place(reader, parent.hex()) for parent in header.parents]
    return bool(places) and all(place is not None and place[1] == root_seq for place in places)


def add_commit(
    tx: Transaction, commit_hash: str, header: fsck.CommitHeader, agent_id: str, created_at: str
) -> None:
    """List a commit whose object is stored and whose parents are listed."""
    parents = [parent.hex() for parent in header.parents]
    places = [place for parent in parents if (place := commits.place(tx, parent)) is not None]
    if len(places) < len(
        parents
    ):  # gone since it was checked: an operator has restored a backup just now
        raise BadBundle(f"a parent of {commit_hash} is not on this hub any more; push again")
    values = {
        "hash": commit_hash,
        "parents": " ".join(parents),
        "agent_id": agent_id,
        "message": message_of(header),
    }
    commits.add(tx, places, tree=header.tree, created_at=created_at, **values)


def message_of(header: fsck.CommitHeader) -> str:
    return header.message.decode("utf-8", "replace").strip("\n")


class Checked:
    """A bundle that may come in. `store` it in a transaction; use as a context."""

    def __init__(
        self, settings: Settings, caller: Caller, incoming: Incoming, heads: list[str]
    ) -> None:
        self._settings, self._caller, self._incoming, self._heads = (
            settings,
            caller,
            incoming,
            heads,
        )

    def __enter__(self) -> Checked:
        return self

    def __exit__(self, *_: object) -> None:
        self._incoming.close()

    def store(self, tx: Transaction) -> list[str]:
        """Spend the token and write what is new; the bundle's heads."""
        spend(tx, self._settings, self._caller)
        self._incoming.store(tx, self._caller.agent_id, self._settings.roots_only)
        return self._heads
