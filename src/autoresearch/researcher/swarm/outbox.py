"""What waits to be told to the hub, on disk: one file per finished experiment, kept in order,
whole or not there at all.

A letter's steps (push, post, release) are sent one after the other by the delivery thread, which
notes each before and after. `waiting/` holds letters with a step left, `sent/` those that are
done, `aside/` those with a step that the hub refuses for good. Leaves to others: sending
(delivery), words (lines).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from autoresearch.files import PRIVATE, replace_json, sync_folder

Kind = Literal["push", "post", "release"]
State = Literal["waiting", "begun", "done", "refused"]
WAITING, SENT, ASIDE = "waiting", "sent", "aside"


@dataclass(frozen=True)
class Step:
    """One thing to tell. push: `commit`. post: `content`, a reply where `parent_id` is known.
    release: `claim_id`.

    `begun` means that it was sent and its fate is not known; `after` is the newest post there was
    before that."""

    kind: Kind
    state: State = "waiting"
    commit: str = ""
    content: str = ""
    parent_id: int | None = None
    claim_id: int = 0
    after: int | None = None
    answer: str = ""  # the id of the post, or the sentence of a refusal

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "refused")


@dataclass(frozen=True)
class Letter:
    """What one experiment has to tell. `number` is its place in the queue, `record_id` the
    ledger's."""

    number: int
    record_id: str
    queued_at: str
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        return f"{self.number:06d}-{self.record_id}.json"

    def next_step(self) -> int | None:
        """The first step that is not over."""
        return next((i for i, step in enumerate(self.steps) if not step.is_over), None)

    def with_step(self, index: int, **changes: object) -> Letter:
        steps = list(self.steps)
        steps[index] = replace(steps[index], **changes)  # type: ignore[arg-type]
        return replace(self, steps=tuple(steps))


class Outbox:
    """The letters in `folder`. One process owns it (the workspace's lock); its threads may share
    it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, record_id: str, queued_at: str, steps: tuple[Step, ...]) -> bool:
        """Queue a letter for a record unless there is one; on disk when this returns. True where
        it is new."""
        if any(name.endswith(f"-{record_id}.json") for name in self.names(WAITING, SENT, ASIDE)):
            return False
        write_letter(self.folder / WAITING, Letter(self.next_number(), record_id, queued_at, steps))
        return True

    def next_number(self) -> int:
        return max((int(name[:6]) for name in self.names(WAITING, SENT, ASIDE)), default=0) + 1

    def names(self, *places: str) -> list[str]:
        """The files of letters, in the order they were queued."""
        found = (
            file.name for place in places for file in (self.folder / place).glob("[0-9]*.json")
        )
        return sorted(set(found))

    def first(self) -> Letter | None:
        """The letter to send next. One that cannot be read (a disk's mistake) is put aside as it
        is."""
        for name in self.names(WAITING):
            letter = read_letter(self.folder / WAITING / name)
            if letter is not None:
                return letter
            move_letter(self.folder, name, ASIDE)
        return None

    def save(self, letter: Letter) -> None:
        """Note how far a letter is; one whose last step is over leaves the queue."""
        write_letter(self.folder / WAITING, letter)
        if letter.next_step() is None:
            refused = any(step.state == "refused" for step in letter.steps)
            move_letter(self.folder, letter.name, ASIDE if refused else SENT)

    def refusals(self) -> list[tuple[str, str]]:
        """What the hub would not take: (record id, its sentence), oldest first."""
        letters = [(name, read_letter(self.folder / ASIDE / name)) for name in self.names(ASIDE)]
        return [
            (name[7:].removesuffix(".json"), sentence)
            for name, letter in letters
            for sentence in (
                [s.answer for s in letter.steps if s.state == "refused"]
                if letter
                else ["damaged file"]
            )
        ]


def read_letter(file: Path) -> Letter | None:
    """The letter in a file, or None where it is damaged or gone."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Letter)
    except (OSError, msgspec.MsgspecError):
        return None


def write_letter(folder: Path, letter: Letter) -> None:
    replace_json(folder / letter.name, letter, mode=PRIVATE)


def move_letter(folder: Path, name: str, place: str) -> None:
    (folder / place).mkdir(exist_ok=True)
    os.replace(folder / WAITING / name, folder / place / name)
    sync_folder(folder / place)
    sync_folder(folder / WAITING)
