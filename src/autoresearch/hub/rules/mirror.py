"""The bare repository that plain git reads, kept in step with the database: what of the store
goes into it, and which refs it shows.

It is a cache: an empty folder, a deleted pack or a restored database are found out and made good
before the next answer.
"""

from __future__ import annotations

import logging
from pathlib import Path

from autoresearch.errors import StorageFull
from autoresearch.git.pack_writer import write_pack
from autoresearch.git.repo import GitFailed
from autoresearch.git.upload import Bare, MirrorPack
from autoresearch.hub.rules.packing import pack_range
from autoresearch.hub.rules.refs import list_refs, name_head
from autoresearch.hub.rules.spool import FULL
from autoresearch.hub.store import objects
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Reader

log = logging.getLogger("agenthub")


class Mirror:
    """The mirror of one database in `folder`; any number of workers may share it."""

    def __init__(self, db: Database, folder: Path) -> None:
        self._db = db
        self.bare = Bare(folder)

    def refresh(self) -> Bare:
        """Bring the repository up to date. Not for the event loop.

        Where that fails for want of room it stays as it is, which older clones can do with.
        Raises StorageFull where there is none yet.
        """
        try:
            self._refresh()
        except (OSError, GitFailed) as error:
            log.warning("the repository that git reads is not brought up to date: %s", error)
            if not self.bare.exists():
                raise StorageFull(FULL) from None
        return self.bare

    def _refresh(self) -> None:
        with self.bare.lock(), self._db.read(snapshot=True) as reader:
            self._add_objects(reader)
            refs = list_refs(reader)
            self.bare.set_refs(refs, name_head(refs))

    def _add_objects(self, reader: Reader) -> None:
        held, upto = self._good(reader), objects.last_id(reader)
        covered = held[-1].to if held else 0
        if covered >= upto:
            return
        merged = []
        # a few packs, each at least twice the next: a clone costs the same after any number of
        # pushes
        while held and held[-1].to - held[-1].behind <= 2 * (upto - held[-1].to) + 64:
            merged.append(held.pop())
        behind = held[-1].to if held else 0
        last = objects.name_of(reader, upto)
        packed = pack_range(reader, behind, upto)
        pieces = write_pack(objects.count(reader, behind, upto), packed)
        self.bare.add(MirrorPack(behind, upto, last.hex()), pieces)
        self.bare.drop(merged)

    def _good(self, reader: Reader) -> list[MirrorPack]:
        """The packs that follow each other without a gap and belong to this database; the others
        are dropped.
        """
        good: list[MirrorPack] = []
        bad: list[MirrorPack] = []
        for pack in self.bare.list_packs():
            follows = pack.behind == (good[-1].to if good else 0)
            name = objects.name_of(reader, pack.to)
            (good if follows and name.hex() == pack.last else bad).append(pack)
        self.bare.drop(bad)
        return good
