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
from autoresearch.hub.logs import AccessLog, set_level
from autoresearch.hub.metrics import Metrics
from autoresearch.hub.pages.page_cache import PageCache
from autoresearch.hub.readiness import Readiness
from autoresearch.hub.recent_answers import RecentAnswers
from autoresearch.hub.repacking import Repacking
from autoresearch.hub.rules import retention
from autoresearch.hub.rules.accounts import KeyCache, check_admin_hash
from autoresearch.hub.rules.counters import Counters
from autoresearch.hub.rules.fetch import BundleCache
from autoresearch.hub.rules.hidden import HiddenObjects
from autoresearch.hub.rules.maintenance import join_stored
from autoresearch.hub.rules.mirror import Mirror
from autoresearch.hub.rules.points import PointsCache
from autoresearch.hub.rules.verdicts import RecentMembers
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import migrate
from autoresearch.hub.store.database import Database

T = TypeVar("T")
UPLOADS, UPLOADS_EACH = 16, 3  # clones and fetches at once: in all, of one agent
ARRIVING, ARRIVING_EACH = 64, 8  # pushes whose bodies arrive at once: in all, of one agent
ADVERTISEMENTS = 8  # git processes at once that only list refs
# that are checked at once; with the limits of `rules.push` this bounds the worker's memory
PUSHES = 2
PRUNE_S = 3600.0
log = logging.getLogger("agenthub")
# threads for reads that would hold up the event loop. At each row SQLite gives the interpreter's
# lock away, and threads that compete spend their time on having it back; PostgreSQL's wait for
# its answers
READERS, SQLITE_READERS = 6, 1
LONG = 4  # threads for what may take seconds: git, a whole history, a diff, a search, repacking


class Services:
    """`db` for reads (short, indexed ones are fine on the loop) and `await db.change(...)`;
    `off_loop` for other reads, `in_long_lane` for what may take seconds.
    """

    def __init__(self, settings: Settings) -> None:
        check_admin_hash(settings.admin_key_hash)
        migrate.prepare(settings.data, settings.database)
        self.settings = settings
        self.changes = 0  # how often the settings changed: pages made before show the old ones
        self.db = Database(settings.data, settings.database)
        join_stored(self.db)
        self.keyring = KeyCache(self.db, settings.admin_key_hash)
        self.bundles = BundleCache(settings.data / "cache" / "bundles")
        self.hidden = HiddenObjects()
        self.members = RecentMembers()
        self.uploads = Shares(UPLOADS, UPLOADS_EACH)
        self.arriving = Shares(ARRIVING, ARRIVING_EACH)
        self.advertisements = asyncio.Semaphore(ADVERTISEMENTS)
        self.connections, self.streams = _make_shares(settings)
        self.mirror = Mirror(self.db, settings.data / "cache" / "git")
        self.feed = Feed(self.db, on_revoked=self.keyring.forget)
        self.access = AccessLog()
        self.repacking = Repacking(self.db, self.in_long_lane)
        self._tasks: list[asyncio.Task[None]] = []
        self.shares = {
            "connections": self.connections,
            "streams": self.streams,
            "clones": self.uploads,
            "pushes": self.arriving,
        }
        self.allowances_refused = 0
        self.metrics = Metrics(settings.metrics_dir, self._measure, self._count_refusals)
        self.readiness = Readiness(self.db, lambda: self.feed.closed)
        self.counters = Counters()
        self.points = PointsCache()
        self.recent_answers = RecentAnswers()
        readers = READERS if settings.database else SQLITE_READERS
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="hub")
        self.page_cache = PageCache(self._threads)
        self._long = ThreadPoolExecutor(LONG, thread_name_prefix="hub-long")
        self._pushes = ThreadPoolExecutor(PUSHES, thread_name_prefix="hub-push")

    async def off_loop(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run `work` on one of the worker's few threads; its SQL goes through that thread's own
        connection.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(work, *args, **kwargs)
        )

    async def in_long_lane(self, work: Callable[..., T], *args: Any) -> T:
        """As `off_loop`, but nobody's reads wait behind it."""
        return await asyncio.get_running_loop().run_in_executor(self._long, partial(work, *args))

    async def in_push_lane(self, work: Callable[..., T], *args: Any) -> T:
        """Run `work` where pushes are checked: few at a time, for each may need a good deal of
        memory.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pushes, partial(work, *args))

    def change_settings(self, settings: Settings) -> None:
        """Go on with other settings: each request reads them anew."""
        self.settings = settings
        self.changes += 1
        set_level(settings.log_level)

    def _measure(self) -> dict[str, float]:
        """What this worker holds now, as metrics name it."""
        held = {f"agenthub_held|{what}": s.held for what, s in self.shares.items()}
        waits = {
            "agenthub_listeners": self.feed.listeners,
            "agenthub_writes_waiting": self.db.waiting,
        }
        return {**held, **waits}

    def _count_refusals(self) -> dict[str, float]:
        refused = {what: float(shares.refused) for what, shares in self.shares.items()}
        return {**refused, "allowance": float(self.allowances_refused)}

    async def start(self) -> None:
        self.feed.start()
        self._tasks = [
            asyncio.create_task(self.access.flush_now_and_then()),
            asyncio.create_task(self.metrics.publish_now_and_then()),
            asyncio.create_task(self.repacking.repack_now_and_then()),
            asyncio.create_task(self._prune_now_and_then()),
        ]

    async def _prune_now_and_then(self) -> None:
        while True:
            try:
                await retention.forget_old(self.db, self.settings, self.in_long_lane)
            except Exception:
                log.exception("what is too old was not forgotten")
            await asyncio.sleep(PRUNE_S)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.feed.stop()
        self.access.flush()
        self._threads.shutdown(wait=True)
        self._long.shutdown(wait=True)
        self._pushes.shutdown(wait=True)
        self.db.close()


def _make_shares(settings: Settings) -> tuple[Shares, Shares]:
    """The shares of connections, and of those that are streams."""
    most = most_connections(settings.max_connections, raise_file_limit())
    each = min(most, settings.max_connections_per_network)
    return Shares(most, each), Shares(max(1, most // 2), max(1, each // 2))
