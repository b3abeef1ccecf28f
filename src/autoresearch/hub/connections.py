"""How many connections and long answers may be open at once: in all, and of one owner.

Counting only. Who an owner is (a network, an agent) and what a refusal looks like is decided
where the counts are asked.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass, field

SPARE_FILES = 256  # descriptors for the database, packs, temporary files and git's pipes
FEWEST = 16
log = logging.getLogger("agenthub")


@dataclass
class Shares:
    """Up to `most` at once, of which one owner holds up to `most_each`."""

    most: int
    most_each: int
    held: int = 0
    refused: int = 0
    _held_by: dict[str, int] = field(default_factory=dict)

    def take(self, owner: str, most_each: int | None = None) -> bool:
        """Count one more of `owner`; False, counting nothing, where that would be over a limit.

        `most_each` stands in for the limit of this owner.
        """
        if not self.has_room(owner, most_each):
            self.refused += 1
            return False
        self.held += 1
        self._held_by[owner] = self._held_by.get(owner, 0) + 1
        return True

    def has_room(self, owner: str, most_each: int | None = None) -> bool:
        return self.held < self.most and self._held_by.get(owner, 0) < (most_each or self.most_each)

    def give_back(self, owner: str) -> None:
        self.held -= 1
        self._held_by[owner] -= 1
        if not self._held_by[owner]:
            del self._held_by[owner]


def raise_file_limit() -> int:
    """Allow this process as many open files as the system lets it; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError) as error:  # some systems name a hard limit they refuse
            log.warning("the limit of open files stays at %d: %s", soft, error)
            return soft
    return hard


def most_connections(wanted: int, files: int) -> int:
    """How many connections fit beside everything else that a worker holds open."""
    return max(FEWEST, min(wanted, files - SPARE_FILES))
