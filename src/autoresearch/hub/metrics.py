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
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate
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
Gauges = dict[str, float]  # a family's name, or `name|label`
GAUGES_S = 10.0  # older numbers of a worker are of one that is gone
FAMILIES = {  # of one worker; the hub's are their sum
    "agenthub_listeners": "Live viewers and long polls that wait for news",
    "agenthub_writes_waiting": "Changes that wait for the writer",
    "agenthub_held": "Connections, streams, clones and pushes under way",
}
REFUSALS = "Requests refused: a share or an allowance was used up"
METHODS = {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"}


class Metrics:
    """Requests of one worker by method, route and status, with how long they took; `measure`
    tells what it holds, and `refusals` what it refused, by what was used up."""

    def __init__(
        self,
        folder: Path | None = None,
        measure: Callable[[], Gauges] = dict,
        refusals: Callable[[], Gauges] = dict,
    ) -> None:
        self._folder = folder
        self._measure = measure
        self._refusals = refusals
        self._counts: dict[Key, list[float]] = {}  # buckets..., over the last, sum of seconds

    def count(self, method: str, scope: Any, status: int, seconds: float) -> None:
        """Count a finished request under its route's pattern: paths are the callers' choice and
        would never end.
        """
        known = method if method in METHODS else "other"
        key = (known, scope.get("path_template") or "(none)", status)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0.0] * (len(BUCKETS_S) + 2)
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        counts[-1] += seconds

    def text(self, gauges: dict[str, tuple[str, float]]) -> bytes:
        """Everything in Prometheus' text format; `gauges` are name -> (help, value) of the
        moment.
        """
        self._publish()
        registry = CollectorRegistry()
        registry.register(_Scrape(self._total(), gauges))
        return generate_latest(registry)

    async def publish_now_and_then(self) -> None:
        """For the other workers, where there are any."""
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            await asyncio.sleep(PUBLISH_S)
            self._publish()

    def _publish(self) -> None:
        if self._folder is None:
            return
        mine = self._folder / f"{os.getpid()}.json"
        try:
            replace_file(mine, msgspec.json.encode(self._own()), durable=False)
        except OSError as error:  # a full disk: this worker's own numbers are in its memory
            log.warning("counters are not shared: %s", error)

    def _own(self) -> WorkerNumbers:
        rows = [(*key, counts) for key, counts in self._counts.items()]
        return WorkerNumbers(rows, self._measure(), self._refusals())

    def _total(self) -> WorkerNumbers:
        numbers = [self._own()]
        for path in sorted(self._folder.glob("*.json")) if self._folder else ():
            if path.stem != str(os.getpid()):
                numbers.append(_read_numbers(path))
        return _add_up(numbers)


class WorkerNumbers(msgspec.Struct, frozen=True):
    """What one worker counted, holds and refused."""

    requests: list[tuple[str, str, int, list[float]]]
    gauges: Gauges
    refusals: Gauges


def _read_numbers(path: Path) -> WorkerNumbers:
    """Another worker's. What one that is gone has counted counts, what it held does not."""
    found = msgspec.json.decode(path.read_bytes(), type=WorkerNumbers)
    is_alive = time.time() - path.stat().st_mtime < GAUGES_S
    return found if is_alive else msgspec.structs.replace(found, gauges={})


def _add_up(numbers: list[WorkerNumbers]) -> WorkerNumbers:
    requests: dict[Key, list[float]] = {}
    gauges, refusals = dict.fromkeys(FAMILIES, 0.0), Gauges()
    del gauges["agenthub_held"]  # it has labels only
    for part in numbers:
        for method, route, status, counts in part.requests:
            known = requests.setdefault((method, route, status), [0.0] * len(counts))
            known[:] = [a + b for a, b in zip(known, counts, strict=True)]
        for total, more in ((gauges, part.gauges), (refusals, part.refusals)):
            for name, value in more.items():
                total[name] = total.get(name, 0.0) + value
    rows = [(*key, counts) for key, counts in sorted(requests.items())]
    return WorkerNumbers(rows, gauges, refusals)


class _Scrape(Collector):
    """One scrape's numbers as metric families."""

    def __init__(self, numbers: WorkerNumbers, gauges: dict[str, tuple[str, float]]) -> None:
        self._numbers = numbers
        self._gauges = gauges

    def collect(self) -> Iterator[Any]:
        yield from self._collect_requests()
        for name, meaning in FAMILIES.items():
            yield _fill(GaugeMetricFamily, name, meaning, self._numbers.gauges)
        refused = {f"agenthub_refusals|{k}": v for k, v in self._numbers.refusals.items()}
        yield _fill(CounterMetricFamily, "agenthub_refusals", REFUSALS, refused)
        for name, (meaning, value) in self._gauges.items():
            yield GaugeMetricFamily(name, meaning, value=value)

    def _collect_requests(self) -> Iterator[Any]:
        names = ["method", "route", "status"]
        requests = CounterMetricFamily("agenthub_requests", "Requests answered", labels=names)
        seconds = HistogramMetricFamily(
            "agenthub_request_seconds", "How long requests took", labels=names
        )
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        for method, route, status, counts in self._numbers.requests:
            labels = [method, route, str(status)]
            requests.add_metric(labels, sum(counts[:-1]))
            buckets = zip(bounds, accumulate(counts[:-1]), strict=True)
            seconds.add_metric(labels, list(buckets), counts[-1])
        yield requests
        yield seconds


def _fill(make: Any, name: str, meaning: str, values: Gauges) -> Any:
    """A family of the values that carry its name, with a label `what` where they have one."""
    if name in values:
        return make(name, meaning, value=values[name])
    family = make(name, meaning, labels=["what"])
    for key, value in sorted(values.items()):
        if key.startswith(f"{name}|"):
            family.add_metric([key.partition("|")[2]], value)
    return family
