"""The hub's log: one JSON object a line, by way of the standard library's logging.

Nothing secret is ever handed to it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from datetime import datetime, timezone
from typing import Any

import msgspec

from autoresearch.clock import precise_timestamp

ACCESS = logging.getLogger("agenthub.access")
FLUSH_S = 0.25


class JsonLines(logging.Formatter):
    """Every record as one line of JSON; access lines come formatted and pass as they are."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == ACCESS.name:
            return record.getMessage()
        line = {
            "at": _utc(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def to_stderr(level: int = logging.INFO) -> None:
    """Send the hub's and the server's records to standard error; called by the command line,
    never at import.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("agenthub", "uvicorn", "litestar"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level if name == "agenthub" else logging.WARNING)


class AccessLog:
    """One line per request, written in batches: a line at a time would cost more than many a
    request.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, str, str, int, float, str, str]] = []
        self._flusher: asyncio.Task[None] | None = None

    def start(self) -> None:
        if ACCESS.isEnabledFor(logging.INFO):
            self._flusher = asyncio.create_task(self._flush_now_and_then())

    async def stop(self) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
            self.flush()

    def note(self, scope: Any, status: int, seconds: float) -> None:
        """Remember a request: who, what, how it ended.

        Paths only: a query may hold what nobody should keep.
        """
        if self._flusher is None:
            return
        caller, client = scope.get("caller"), scope.get("client")
        who = "" if caller is None else caller.agent_id or "(admin)"
        self._waiting.append(
            (
                time.time(),
                scope["method"],
                scope["path"],
                status,
                seconds,
                who,
                client[0] if client else "",
            )
        )

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            ACCESS.info("%s", "\n".join(_line(*entry) for entry in waiting))

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()


def _line(
    at: float, method: str, path: str, status: int, seconds: float, agent: str, client: str
) -> str:
    return msgspec.json.encode(
        {
            "at": _utc(at),
            "method": method,
            "path": path[:300],
            "status": status,
            "ms": round(seconds * 1000, 2),
            "agent": agent,
            "client": client,
        }
    ).decode()


def _utc(timestamp_s: float) -> str:
    return precise_timestamp(datetime.fromtimestamp(timestamp_s, timezone.utc))
