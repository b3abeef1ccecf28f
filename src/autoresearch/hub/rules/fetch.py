"""Handing commits out: bundles and packs written in process from stored rows, without what the
asker has.

What a pack must hold follows from the walk back through commits (bounded by `seq`, which grows
from parents to children) and from what each commit's tree has that its parents' trees lack.
Bundles with the whole history of a commit never change: they are kept in a folder of limited
size, which may be deleted at any time.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from autoresearch.errors import BadInput
from autoresearch.files import PRIVATE, replacement_of
from autoresearch.git import bundle
from autoresearch.git.pack_writer import write_pack
from autoresearch.hub.rules import commits, repack
from autoresearch.hub.rules.packing import pack_objects
from autoresearch.hub.rules.spool import spool_answer
from autoresearch.hub.rules.trees import Trees
from autoresearch.hub.store import commits as rows
from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import StoredCommit

log = logging.getLogger("agenthub")
HAVES_MAX = 256
# how far back the asker's commits are followed; beyond, some of what it has is sent again
HAVE_STEPS_MAX = 5000
PAGE = 250  # commits that are looked up at once
CACHE_BYTES = 512 * 1024 * 1024
KEPT_FROM = 64  # commits in a bundle worth keeping: smaller ones are made as fast as they are read


def incremental(reader: Reader, digits: str, have: Sequence[str]) -> BinaryIO:
    """The bundle of a commit without the history of those in `have`.

    What of `have` this hub does not know counts for nothing.

    Raises NotFound, Conflict or BadInput over `digits`, BadInput over too many or malformed
    `have`.
    """
    tip = commits.find(reader, digits)
    chosen, bases = missing(reader, [tip.seq], find_known(reader, have))
    held: set[bytes] = set()
    oids = names(reader, chosen, held)
    prerequisites = [rows.place_by_seq(reader, seq).hash for seq in bases] if chosen else [tip.hash]
    head = _header(tip.hash, prerequisites)
    return spool_answer(lambda: write_pack(len(oids), pack_objects(reader, oids, held), head))


def _header(tip: str, prerequisites: Sequence[str] = ()) -> bytes:
    """HEAD, so that `git clone FILE` and `git pull FILE` work, and a name that clashes with
    nobody's branch.
    """
    return bundle.write_header([(tip, "HEAD"), (tip, f"refs/agenthub/{tip}")], prerequisites)


def find_known(reader: Reader, have: Sequence[str]) -> list[int]:
    """The seqs of those in `have` (hashes, or several with commas between) that this hub has."""
    given = [digits for part in have for digits in part.split(",") if digits]
    if len(given) > HAVES_MAX:
        raise BadInput(f"have names {len(given)} commits; {HAVES_MAX} of the newest tell as much")
    found = []
    for digits in given:
        if len(digits) > commits.DIGITS_MAX or set(digits.lower()) - set("0123456789abcdef"):
            raise BadInput(f"have={digits[:64]!r} is no hash")
        matches = (
            rows.beginning_with(reader, digits.lower()) if len(digits) >= commits.DIGITS_MIN else []
        )
        if len(matches) == 1:
            found.append(matches[0].seq)
    return found


def missing(
    reader: Reader, tips: Sequence[int], have: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Seqs of what `tips` have behind them that `have` have not, oldest first; and of the known
    commits those build on.

    From the newest back: a commit's fate is settled when it comes up, for all its children have a
    higher seq. Following `have` stops after HAVE_STEPS_MAX commits, so that a far relative costs
    no more than it saves.
    """
    if not have:
        return _everything(reader, tips), []
    wanted, owned = set(tips), set(have)
    queue = [-seq for seq in wanted | owned]
    heapq.heapify(queue)
    open_wants = len(wanted - owned)
    chosen: list[int] = []
    steps = 0
    while queue and open_wants:
        seq = -heapq.heappop(queue)
        is_owned = seq in owned
        if is_owned:
            steps += 1
            if steps > HAVE_STEPS_MAX:
                continue
        else:
            chosen.append(seq)
            open_wants -= 1
        for parent in rows.parent_seqs(reader, seq):
            new = parent not in wanted and parent not in owned
            if is_owned:
                open_wants -= parent in wanted and parent not in owned
                owned.add(parent)
            elif parent not in wanted:
                wanted.add(parent)
                open_wants += parent not in owned
            if new:
                heapq.heappush(queue, -parent)
    chosen.reverse()
    inside = set(chosen)
    bases = {
        parent for seq in chosen for parent in rows.parent_seqs(reader, seq) if parent not in inside
    }
    return chosen, sorted(bases)


def _everything(reader: Reader, tips: Sequence[int]) -> list[int]:
    found: set[int] = set()
    for tip in tips:
        if tip not in found:
            found.update(rows.history(reader, tip))
    return sorted(found)


def names(reader: Reader, chosen: Sequence[int], held: set[bytes] | None = None) -> list[bytes]:
    """The objects of `chosen` commits (seqs, oldest first) that their parents lack, each once.

    What the parents have in their place goes to `held`: whoever has the parents has it.
    """
    seen: set[bytes] = set()
    trees = Trees(reader)
    tree_of: dict[int, bytes] = {}
    found: list[bytes] = []
    for start in range(0, len(chosen), PAGE):
        page = chosen[start : start + PAGE]
        places, parents = rows.places_by_seq(reader, page), rows.parents_by_seq(reader, page)
        trees.expect([places[seq].tree for seq in page])
        for seq in page:
            place = places[seq]
            tree_of[seq] = place.tree
            found.append(bytes.fromhex(place.hash))
            beside = [
                tree_of.get(parent) or _hold(reader, parent, held)
                for parent in parents.get(seq, ())
            ]
            for oid, twins in trees.new(place.tree, beside, seen):
                found.append(oid)
                if held is not None:
                    held.update(twins)
    return found


def _hold(reader: Reader, seq: int, held: set[bytes] | None) -> bytes:
    """The tree of a commit that the asker has."""
    place = rows.place_by_seq(reader, seq)
    if held is not None:
        held.add(bytes.fromhex(place.hash))
    return place.tree


class BundleCache:
    """Bundles with whole histories in `folder`, by commit.

    Any file of it may vanish; any number of workers share it.
    """

    def __init__(self, folder: Path, most_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def open(self, reader: Reader, digits: str) -> BinaryIO:
        """The bundle of a commit with its whole history, at its beginning."""
        tip = commits.find(reader, digits)
        path = self._path(tip.hash, is_settled=repack.find_progress(reader) >= tip.seq)
        try:
            return path.open("rb")
        except FileNotFoundError:
            return self._make(reader, tip, path)

    def _path(self, commit_hash: str, is_settled: bool) -> Path:
        """Once a history is repacked, its bundle is smaller than one from before."""
        return self._folder / f"{commit_hash}-{'settled' if is_settled else 'new'}.bundle"

    def _make(self, reader: Reader, tip: StoredCommit, path: Path) -> BinaryIO:
        history = rows.history(reader, tip.seq)
        oids = names(reader, history)
        head = _header(tip.hash)

        def pieces() -> Iterator[bytes]:
            return write_pack(len(oids), pack_objects(reader, oids), head)

        if len(history) < KEPT_FROM:
            return spool_answer(pieces)
        try:
            self._keep(path, pieces())
            return path.open("rb")
        except OSError as error:  # a cache that cannot be written fails no answer
            log.warning("a bundle is not kept: %s", error)
            return spool_answer(pieces)

    def _keep(self, path: Path, pieces: Iterator[bytes]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with replacement_of(path, mode=PRIVATE, durable=False) as file:
            file.writelines(pieces)
        self._make_room()

    def _make_room(self) -> None:
        """Delete the oldest until the rest fits."""
        files = []
        for path in self._folder.glob("*.bundle"):
            try:
                files.append((path.stat().st_mtime, path.stat().st_size, path))
            except FileNotFoundError:  # another worker made room at the same time
                continue
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files)[:-1]:
            if total <= self._most_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size
