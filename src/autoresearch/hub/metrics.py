"""What a hub counts for Prometheus.

Each worker counts for itself in plain memory; a scrape adds the workers up.

The library's own multi-process mode writes every count into a mapped file, at a cost a 50
microsecond request would feel. Here a worker leaves its numbers in a small file once a second,
and whoever is scraped adds the files up; a worker that died has counted all the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from autoresearch.files import replace_file

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
PUBLISH_S = 1.0
log = logging.getLogger("agenthub")
Key = tuple[str, str, int]  # method, route, status
METHODS = {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"}


class Metrics:
    """Requests of one worker by method, route and status, with how long they took."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._counts: dict[Key, list[float]] = {}  # buckets..., over the last, sum of seconds
        self._publisher: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._publisher = asyncio.create_task(self._publish_now_and_then())

    async def stop(self) -> None:
        if self._publisher is not None:
            self._publisher.cancel()
            await asyncio.gather(self._publisher, return_exceptions=True)

    def count(self, scope: Any, status: int, seconds: float) -> None:
        """Count a finished request under its route's pattern: paths are the callers' choice and
        would never end.
        """
        method = scope["method"] if scope["method"] in METHODS else "other"
        key = (method, scope.get("path_template") or "(none)", status)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0.0] * (len(BUCKETS_S) + 2)
        slot = 0
        for bound in BUCKETS_S:
            if seconds <= bound:
                break
            slot += 1
        counts[slot] += 1
        counts[-1] += seconds

    def text(self, gauges: dict[str, tuple[str, float]]) -> bytes:
        """Everything in Prometheus' text format; `gauges` are name -> (help, value) of the
        moment.
        """
        self._publish()
        registry = CollectorRegistry()
        registry.register(_Scrape(self._total(), gauges))
        return generate_latest(registry)

    async def _publish_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(PUBLISH_S)
            self._publish()

    def _publish(self) -> None:
        if self._folder is None:
            return
        mine = self._folder / f"{os.getpid()}.json"
        rows = [[*key, *counts] for key, counts in self._counts.items()]
        try:
            replace_file(mine, msgspec.json.encode(rows), durable=False)
        except OSError as error:  # a full disk: this worker's own numbers are in its memory
            log.warning("counters are not shared: %s", error)

    def _total(self) -> dict[Key, list[float]]:
        if self._folder is None:
            return self._counts
        total = {key: list(counts) for key, counts in self._counts.items()}
        for path in sorted(self._folder.glob("*.json")):
            if path.stem == str(os.getpid()):
                continue
            for method, route, status, *counts in msgspec.json.decode(path.read_bytes()):
                known = total.setdefault((method, route, status), [0.0] * len(counts))
                known[:] = [a + b for a, b in zip(known, counts, strict=True)]
        return total


class _Scrape(Collector):
    """One scrape's numbers as metric families."""

    def __init__(
        self, counts: dict[Key, list[float]], gauges: dict[str, tuple[str, float]]
    ) -> None:
        self._counts = counts
        self._gauges = gauges

    def collect(self) -> Iterator[Any]:
        requests = CounterMetricFamily(
            "agenthub_requests", "Requests answered", labels=["method", "route", "status"]
        )
        seconds = HistogramMetricFamily(
            "agenthub_request_seconds",
            "How long requests took",
            labels=["method", "route", "status"],
        )
        for (method, route, status), counts in sorted(self._counts.items()):
            labels = [method, route, str(status)]
            requests.add_metric(labels, sum(counts[:-1]))
            seconds.add_metric(labels, _cumulative(counts[:-1]), counts[-1])
        yield requests
        yield seconds
        for name, (meaning, value) in self._gauges.items():
            yield GaugeMetricFamily(name, meaning, value=value)


def _cumulative(counts: list[float]) -> list[tuple[str, float]]:
    bounds = [*(str(b) for b in BUCKETS_S), "+Inf"]
    running = 0.0
    pairs = []
    for bound, count in zip(bounds, counts, strict=True):
        running += count
        pairs.append((bound, running))
    return pairs
