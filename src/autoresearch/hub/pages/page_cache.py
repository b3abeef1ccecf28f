"""Pages as bytes, and values that several pages show: made once for everybody who asks.

Five hundred viewers who hear of the same event ask for the same page within a second. It is made
once, in a thread, while the others wait for the same result.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

T = TypeVar("T")
ENTRIES_MAX = 1000  # packed pages and values: some twenty MB


class PageCache:
    """Results by key. Each holds for one version, such as the number of the newest event."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._turn = threading.Lock()
        self._entries: dict[Hashable, tuple[int, Future[Any]]] = {}

    async def get(self, key: Hashable, version: int, make: Callable[[], T]) -> T:
        """What `make` returns, called in a thread, and once per version."""
        with self._turn:
            future = self._find(key, version)
            if future is None:
                future = self._threads.submit(self._run, key, make)
                self._remember(key, version, future)
        if future.done():
            return cast(T, future.result())
        # shielded: one viewer who goes away does not take the page from the others
        return cast(T, await asyncio.shield(asyncio.wrap_future(future)))

    def get_in_thread(self, key: Hashable, version: int, make: Callable[[], T]) -> T:
        """The same for a caller that is in a thread already; two at once may both call `make`. It
        waits for nobody: what is not made yet may be waiting for this very thread.
        """
        with self._turn:
            future = self._find(key, version)
        if future is None or not future.done():
            future = Future()
            future.set_result(make())
            with self._turn:
                self._remember(key, version, future)
        return cast(T, future.result())

    def _find(self, key: Hashable, version: int) -> Future[Any] | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] == version else None

    def _remember(self, key: Hashable, version: int, future: Future[Any]) -> None:
        self._entries.pop(key, None)
        if len(self._entries) >= ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]  # the one that was made longest ago
        self._entries[key] = (version, future)

    def _run(self, key: Hashable, make: Callable[[], T]) -> T:
        try:
            return make()
        except BaseException:
            with self._turn:  # a failure is not remembered: the next one to ask tries again
                self._entries.pop(key, None)
            raise
