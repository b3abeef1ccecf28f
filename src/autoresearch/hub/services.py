"""What one worker process holds and every handler is given as `hub`.

Starts and stops its own threads; decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from autoresearch.hub.connections import Shares, most_connections, raise_file_limit
from autoresearch.hub.feed import Feed
from autoresearch.hub.logs import AccessLog
from autoresearch.hub.metrics import Metrics
from autoresearch.hub.pages.page_cache import PageCache
from autoresearch.hub.repacking import Repacking
from autoresearch.hub.rules.accounts import KeyCache, check_admin_hash
from autoresearch.hub.rules.counters import Counters
from autoresearch.hub.rules.fetch import BundleCache
from autoresearch.hub.rules.mirror import Mirror
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import events, migrate
from autoresearch.hub.store.database import Database

T = TypeVar("T")
UPLOADS, UPLOADS_EACH = 16, 3  # clones and fetches at once: in all, of one agent
ARRIVING, ARRIVING_EACH = 64, 8  # pushes whose bodies arrive at once: in all, of one agent
ADVERTISEMENTS = 8  # git processes at once that only list refs
PUSHES = (
    2  # that are checked at once; with the limits of `rules.push` this bounds the worker's memory
)
PRUNE_S = 3600.0
log = logging.getLogger("agenthub")
THREADS = 6  # for work that would hold up the event loop: git, searches, long lineages


class Services:
    """`db` for reads (short, indexed ones are fine on the loop) and `await db.change(...)`;
    `off_loop` for everything slow.
    """

    def __init__(self, settings: Settings) -> None:
        check_admin_hash(settings.admin_key_hash)
        migrate.prepare(settings.data)
        self.settings = settings
        self.db = Database(settings.data)
        self.keyring = KeyCache(self.db, settings.admin_key_hash)
        self.bundles = BundleCache(settings.data / "cache" / "bundles")
        self.uploads = Shares(UPLOADS, UPLOADS_EACH)
        self.arriving = Shares(ARRIVING, ARRIVING_EACH)
        self.advertisements = asyncio.Semaphore(ADVERTISEMENTS)
        self.connections, self.streams = _make_shares(settings)
        self.mirror = Mirror(self.db, settings.data / "cache" / "git")
        self.feed = Feed(self.db, on_revoked=self.keyring.forget)
        self.access = AccessLog()
        self.repacking = Repacking(self.db, self.off_loop)
        self._pruning: asyncio.Task[None] | None = None
        self.metrics = Metrics(settings.metrics_dir)
        self.counters = Counters()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="hub")
        self.page_cache = PageCache(self._threads)
        self._pushes = ThreadPoolExecutor(PUSHES, thread_name_prefix="hub-push")

    async def off_loop(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run `work` on one of the worker's few threads; its SQL goes through that thread's own
        connection.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(work, *args, **kwargs)
        )

    async def in_push_lane(self, work: Callable[..., T], *args: Any) -> T:
        """Run `work` where pushes are checked: few at a time, for each may need a good deal of
        memory.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pushes, partial(work, *args))

    async def start(self) -> None:
        self.feed.start()
        self.access.start()
        self.metrics.start()
        self.repacking.start()
        if self.settings.keep_events:
            self._pruning = asyncio.create_task(self._prune_now_and_then())

    async def _prune_now_and_then(self) -> None:
        while True:
            try:
                await self.db.change(lambda tx: events.prune(tx, self.settings.keep_events))
            except Exception:
                log.exception("old events were not pruned")
            await asyncio.sleep(PRUNE_S)

    async def stop(self) -> None:
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
        await self.repacking.stop()
        await self.feed.stop()
        await self.access.stop()
        await self.metrics.stop()
        self._threads.shutdown(wait=True)
        self._pushes.shutdown(wait=True)
        self.db.close()


def _make_shares(settings: Settings) -> tuple[Shares, Shares]:
    """The shares of connections, and of those that are streams."""
    most = most_connections(settings.max_connections, raise_file_limit())
    each = min(most, settings.max_connections_per_network)
    return Shares(most, each), Shares(max(1, most // 2), max(1, each // 2))
