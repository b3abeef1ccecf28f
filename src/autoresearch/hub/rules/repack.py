"""Which object is stored as a delta against which: the form of every object is settled once, along
the history, parents first.

A file and a tree are each made a delta against what stood in their place one commit before. (A
commit has hardly anything in common with its parent: of a thousand 56 were smaller as deltas, by
40 bytes each.) So whoever is given a history gets the base with it, always, and whatever is
settled rests on what was settled before it: no circles, whatever fails in between. The `step` of
an object is its place behind a whole one. Every STEPS-th delta is made against the object STEPS
before, so that a chain of STEPS ** 2 versions is never longer than twice STEPS.

What a step worked out is stored in one transaction, with how far it came. Two leaders, or one
that was killed, waste work and nothing else.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from autoresearch.git.delta import make_delta
from autoresearch.git.fsck import TREE
from autoresearch.hub.rules.trees import Trees
from autoresearch.hub.store import commits, leases, objects
from autoresearch.hub.store.object_reader import ObjectReader
from autoresearch.hub.store.objects import STEPS, NewForm, ObjectPlace
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import StoredCommit

COMMITS_MAX = 50  # of one step: some hundredths of a second
DELTA_BYTES = 1024 * 1024  # larger objects stay whole
LEVEL = 6  # of compression
WORTH = 0.75  # of the whole body: a delta that is longer is not worth its chain
LEASE_S = 60


@dataclass
class RepackStep:
    """What one step found out: the commits it looked at, and the forms it settles."""

    behind: int
    upto: int
    forms: list[NewForm] = field(default_factory=list)


def find_progress(reader: Reader) -> int:
    """The number of the last commit whose objects are settled."""
    return leases.last_repacked(reader)


def find_newest(reader: Reader) -> int:
    """The number of the last commit that there is."""
    return commits.last_seq(reader)


def is_done(reader: Reader) -> bool:
    return find_progress(reader) >= find_newest(reader)


def take_lead(tx: Transaction, who: str) -> bool:
    """Be the one who repacks, for a minute."""
    return leases.take(tx, "repack", who, int(time.time()), LEASE_S)


def plan_step(reader: Reader, most: int = COMMITS_MAX) -> RepackStep | None:
    """Work out the next forms; None where all is settled. Takes time: not for the event loop."""
    behind = find_progress(reader)
    page = commits.after(reader, behind, most)
    return _Planner(reader, RepackStep(behind, page[-1].seq)).settle_all(page) if page else None


def take_step(tx: Transaction, plan: RepackStep) -> bool:
    """Store what a step worked out; False where somebody else has done so meanwhile."""
    if not leases.advance_repacked(tx, plan.behind, plan.upto):
        return False
    for form in plan.forms:
        objects.settle(tx, form)
    return True


class _Planner:
    def __init__(self, reader: Reader, plan: RepackStep) -> None:
        self._reader = reader
        self._plan = plan
        self._objects = ObjectReader(reader)
        self._trees = Trees(reader, self._objects)
        self._places: dict[bytes, ObjectPlace] = {}  # as they are once the plan is stored
        self._by_id: dict[int, ObjectPlace] = {}

    def settle_all(self, page: Sequence[StoredCommit]) -> RepackStep:
        for commit in page:
            for oid, before in self._list_new(commit):
                self._settle(oid, before)
        return self._plan

    def _list_new(self, commit: StoredCommit) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """The objects a commit brought, with what stood in their place in its parents."""
        parents = commit.parents.split()
        places = [place for hash in parents if (place := commits.place(self._reader, hash))]
        yield bytes.fromhex(commit.hash), []  # which stays whole, or becomes it
        yield from self._trees.new(commit.tree, [place.tree for place in places], set())

    def _settle(self, oid: bytes, before: Sequence[bytes]) -> None:
        place = self._place(oid)
        if place is None or place.step is not None:
            return
        base = next((found for name in before if (found := self._base(name))), None)
        form = self._form(oid, place, base)
        self._plan.forms.append(form)
        self._note(oid, ObjectPlace(place.id, form.base_id, form.step))

    def _base(self, before: bytes) -> tuple[int, int] | None:
        """What a successor of this object is a delta against, and its step; None: it is whole."""
        place = self._place(before)
        if place is None or place.step is None or place.step + 1 >= STEPS * STEPS:
            return None
        step = place.step + 1
        while step % STEPS == 0 and place.step % STEPS != 0:
            assert place.base_id is not None  # only whole ones have none, and their step is 0
            place = self._place_by_id(place.base_id)
        return place.id, step

    def _form(self, oid: bytes, place: ObjectPlace, base: tuple[int, int] | None) -> NewForm:
        """The form of an object: a delta against `base`, where that is worth it."""
        if base is None and place.base_id is None:
            return NewForm(place.id, oid, 0, b"", None, 0)
        if base is not None and place.base_id == base[0]:
            return NewForm(place.id, oid, 0, b"", *base)
        row = objects.by_name(self._reader, oid)
        assert row is not None  # objects are never deleted
        data = self._objects.content(row).data
        if base is not None and len(data) <= DELTA_BYTES:
            under = objects.by_id(self._reader, base[0])
            assert under is not None
            delta = make_delta(self._objects.content(under).data, data, row.kind == TREE)
            body = zlib.compress(delta, LEVEL)
            if len(body) < WORTH * len(zlib.compress(data, 1) if row.base_id else row.body):
                return NewForm(place.id, oid, len(delta), body, *base, under.oid)
        whole = b"" if row.base_id is None else zlib.compress(data, LEVEL)
        return NewForm(place.id, oid, len(data), whole, None, 0)

    def _place(self, oid: bytes) -> ObjectPlace | None:
        place = self._places.get(oid)
        if place is None and (place := objects.place(self._reader, oid)) is not None:
            self._note(oid, place)
        return place

    def _place_by_id(self, number: int) -> ObjectPlace:
        place = self._by_id.get(number) or objects.place_by_id(self._reader, number)
        assert place is not None  # a settled object has its base
        return place

    def _note(self, oid: bytes, place: ObjectPlace) -> None:
        self._places[oid] = self._by_id[place.id] = place
