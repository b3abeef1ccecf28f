"""A small load client for `bench/hub.py`, in a process of its own: raw HTTP/1.1 over kept-alive
connections, as light as Python allows.

Run as `python hub_client.py PORT SECONDS CYCLE FILE`. FILE holds one list of ready-made requests
per connection; a connection sends its next request when the last answer is whole, from the list's
beginning again where CYCLE is 1, else until the list ends. Prints one JSON object: seconds,
latencies in ms by percentile, requests, errors. Knows nothing of hubs.
"""

from __future__ import annotations

import asyncio
import gc
import json
import struct
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

Lists = list[list[bytes]]


def write_requests(path: Path, lists: Lists) -> None:
    """A file of request lists: counts and lengths as little-endian 32-bit numbers."""
    with path.open("wb") as file:
        file.write(struct.pack("<I", len(lists)))
        for requests in lists:
            file.write(struct.pack("<I", len(requests)))
            for request in requests:
                file.write(struct.pack("<I", len(request)) + request)


def read_requests(path: Path) -> Lists:
    data, at = path.read_bytes(), 0

    def number() -> int:
        nonlocal at
        at += 4
        return int(struct.unpack_from("<I", data, at - 4)[0])

    def request() -> bytes:
        nonlocal at
        length = number()
        at += length
        return data[at - length : at]

    return [[request() for _ in range(number())] for _ in range(number())]


class Connection(asyncio.Protocol):
    """Sends, waits for the whole answer, notes how long that took, sends again."""

    def __init__(self, requests: list[bytes], cycle: bool, ends: float) -> None:
        self.requests, self.cycle, self.ends = requests, cycle, ends
        self.latencies: list[float] = []
        self.errors: dict[int, int] = {}
        self.done = asyncio.get_running_loop().create_future()
        self._next = 0
        self._buffer = b""
        self._missing = -1  # bytes of the body still to come; -1: no header yet; -2: chunked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.errors[0] = self.errors.get(0, 0) + 1
            self.done.set_result(None)

    def _send(self) -> None:
        if self._next == len(self.requests):
            if not self.cycle:
                return self._finish()
            self._next = 0
        self._sent = perf_counter()
        if self._sent > self.ends:
            return self._finish()
        self.transport.write(self.requests[self._next])
        self._next += 1

    def _finish(self) -> None:
        self.done.set_result(None)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._missing >= 0:
            self._missing -= len(data)
        elif self._missing == -2:
            self._buffer = self._buffer[-8:] + data
            self._missing = 0 if self._buffer.endswith(b"\r\n0\r\n\r\n") else -2
        else:
            self._buffer += data
            self._read_header()
        if self._missing == 0:
            self.latencies.append(perf_counter() - self._sent)
            self._buffer, self._missing = b"", -1
            self._send()

    def _read_header(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        status = int(self._buffer[9:12])
        if status >= 400:
            self.errors[status] = self.errors.get(status, 0) + 1
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        if status == 204:  # which has no body
            self._missing = 0
        elif at >= 0:
            stop = head.find(b"\r", at)
            self._missing = int(head[at + 15 : stop if stop > 0 else None]) - (
                len(self._buffer) - end - 4
            )
        else:
            self._missing = 0 if self._buffer.endswith(b"\r\n0\r\n\r\n") else -2


def percentile(ordered: list[float], share: float) -> float:
    return (
        ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000
        if ordered
        else float("nan")
    )


async def run(port: int, seconds: float, cycle: bool, lists: Lists) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    gc.freeze()
    gc.disable()
    started = perf_counter()
    ends = started + seconds
    made = [
        (
            await loop.create_connection(
                partial(Connection, requests, cycle, ends), "127.0.0.1", port
            )
        )[1]
        for requests in lists
    ]
    await asyncio.wait([connection.done for connection in made], timeout=seconds + 60)
    took = perf_counter() - started
    latencies = [latency for connection in made for latency in connection.latencies]
    ordered = sorted(latencies)
    errors: dict[str, int] = {}
    for connection in made:
        for status, count in connection.errors.items():
            errors[str(status)] = errors.get(str(status), 0) + count
    return {
        "seconds": took,
        "requests": len(latencies),
        "errors": errors,
        "p50_ms": percentile(ordered, 0.5),
        "p99_ms": percentile(ordered, 0.99),
    }


def main() -> None:
    port, seconds, cycle, path = (
        int(sys.argv[1]),
        float(sys.argv[2]),
        sys.argv[3] == "1",
        Path(sys.argv[4]),
    )
    lists = read_requests(path)
    try:
        import uvloop
    except ImportError:  # slower, and the same
        told = asyncio.run(run(port, seconds, cycle, lists))
    else:
        told = uvloop.run(run(port, seconds, cycle, lists))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
