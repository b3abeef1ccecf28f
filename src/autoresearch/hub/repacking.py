"""Repacking in the background: one worker of a hub at a time, a short step, then a pause as long as
the step, or far longer while commits come. What a step does is `rules.repack`'s business.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from autoresearch.errors import AutoresearchError, HubUnavailable
from autoresearch.hub.rules import repack
from autoresearch.hub.store.database import Database

log = logging.getLogger("agenthub")
EVERY_S = 2.0
PAUSE_LEAST_S = 0.01
BUSY_PAUSES = 9  # as long as a step, while others push: they have the machine
LEAD_S = 20.0  # between two renewals of the lead


class Repacking:
    """The background task of one worker; `off_loop` runs work on a thread."""

    def __init__(self, db: Database, off_loop: Callable[..., Awaitable[Any]]) -> None:
        self._db = db
        self._off_loop = off_loop
        self._who = secrets.token_hex(8)
        self._led_at = -LEAD_S

    async def repack_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._repack()
            except HubUnavailable:  # told by the database already
                continue
            except AutoresearchError as error:  # a full disk
                log.warning("objects are not repacked for the moment: %s", error)
            except Exception:
                log.exception("the repacking of objects stopped; it goes on in a moment")

    async def _repack(self) -> None:
        seen = repack.find_newest(self._db.reader)
        while not repack.is_done(self._db.reader) and await self._lead():
            began = time.monotonic()
            plan = await self._off_loop(lambda: repack.plan_step(self._db.reader))
            if plan is None or not await self._db.change(partial(repack.take_step, plan=plan)):
                return
            step_s = time.monotonic() - began
            newest = repack.find_newest(self._db.reader)
            await asyncio.sleep(max(PAUSE_LEAST_S, step_s * (BUSY_PAUSES if newest > seen else 1)))
            seen = newest

    async def _lead(self) -> bool:
        now = time.monotonic()
        if now - self._led_at < LEAD_S:
            return True
        is_ours = await self._db.change(lambda tx: repack.take_lead(tx, self._who))
        self._led_at = now if is_ours else -LEAD_S
        return is_ours
