"""Whether the hub can do its work now, as opposed to being there: `/api/ready`.

One check at a time, and its answer holds for a second: whoever asks often costs nothing. Leaves
to others: the answer's form (routes.public).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import ClassVar

from autoresearch.hub.store import events
from autoresearch.hub.store.database import Database

REMEMBERED_S = 1.0
log = logging.getLogger("agenthub")


class Readiness:
    """Ready is who takes a change within `write_s` seconds and is not about to end."""

    write_s: ClassVar[float] = 5.0

    def __init__(self, db: Database, is_ending: Callable[[], bool]) -> None:
        self._db = db
        self._is_ending = is_ending
        self._turn = asyncio.Lock()
        self._problem, self._until = "", 0.0

    async def find_problem(self) -> str:
        """Why the hub is not ready, in a sentence; empty where it is."""
        if self._is_ending():
            return "the hub is about to end"
        async with self._turn:
            if monotonic() >= self._until:
                self._problem = await self._check()
                self._until = monotonic() + REMEMBERED_S
        return self._problem

    async def _check(self) -> str:
        """A change that changes nothing waits in the writers' queue as all others do."""
        try:
            await asyncio.wait_for(self._db.change(events.last_seq), self.write_s)
        except asyncio.TimeoutError:
            return f"changes have waited for over {self.write_s:.0f} s"
        except Exception:
            log.exception("the database takes no change")
            return "the database takes no change; its operator finds the reason in the log"
        return ""
