"""Repacking in the background: one worker of a hub at a time, a short step, then a pause as long as
the step. What a step does is `rules.repack`'s business.
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


class Repacking:
    """The background task of one worker; `off_loop` runs work on another thread."""

    def __init__(self, db: Database, off_loop: Callable[..., Awaitable[Any]]) -> None:
        self._db = db
        self._off_loop = off_loop
        self._who = secrets.token_hex(8)

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
        while not repack.is_done(self._db.reader) and await self._lead():
            began = time.monotonic()
            plan = await self._off_loop(lambda: repack.plan_step(self._db.reader))
            if plan is None or not await self._db.change(partial(repack.take_step, plan=plan)):
                return
            await asyncio.sleep(max(PAUSE_LEAST_S, time.monotonic() - began))

    async def _lead(self) -> bool:
        return await self._db.change(lambda tx: repack.take_lead(tx, self._who))
