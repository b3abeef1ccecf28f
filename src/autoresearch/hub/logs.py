"""The hub's log: one JSON object a line, by way of the standard library's logging.

Nothing secret is ever handed to it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from autoresearch.clock import precise_timestamp, utc_now

ACCESS = logging.getLogger("agenthub.access")
FLUSH_S = 0.25
LINES_MAX = 10_000  # records that wait for a slow disk or reader
CLOSE_S = 1.0
STDERR, OFF = "stderr", "off"
_encoder = msgspec.json.Encoder()


class JsonLines(logging.Formatter):
    """Every record as one line of JSON; access lines come formatted and pass as they are."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == ACCESS.name:
            return record.getMessage()
        line = {
            "at": precise_timestamp(datetime.fromtimestamp(record.created, timezone.utc)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **({"request": record.request} if hasattr(record, "request") else {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class WaitlessHandler(logging.Handler):
    """Hands lines to a thread that writes them: whoever logs never waits.

    A pipe that nobody reads, or a full disk, costs lines and nothing else; how many were dropped
    is logged when there is room again.
    """

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self._path = path
        self._lines: queue.Queue[str] = queue.Queue(LINES_MAX)
        self._dropped = 0
        self._file = sys.stderr.fileno() if path is None else _open_log(path)
        threading.Thread(target=self._write_all, name="hub-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Wait a moment for what is not written yet; a pipe that nobody reads is not waited for."""
        ends = time.monotonic() + CLOSE_S
        while self._lines.unfinished_tasks and time.monotonic() < ends:
            time.sleep(0.01)
        super().close()

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            dropped, self._dropped = self._dropped, 0
            if dropped:
                line += f'\n{{"level":"warning","message":"{dropped} lines were dropped here"}}'
            try:
                self._write(f"{line}\n".encode("utf-8", "backslashreplace"))
            except OSError:
                self._dropped += dropped + 1
            self._lines.task_done()

    def _write(self, data: bytes) -> None:
        if self._path is not None and _was_moved(self._file, self._path):
            os.close(self._file)
            self._file = _open_log(self._path)
        while data:
            data = data[os.write(self._file, data) :]


def _open_log(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _was_moved(file: int, path: Path) -> bool:
    """Whether a rotation of logs has put another file, or none, in its place."""
    try:
        return os.stat(path).st_ino != os.fstat(file).st_ino
    except FileNotFoundError:
        return True


def start_log(target: str, level: str = "info") -> None:
    """Send the hub's and the server's records to `target`: a file, "stderr" or "off".

    Called by the command line, never at import.
    """
    is_off = target == OFF
    handler = logging.NullHandler() if is_off else WaitlessHandler(_path_of(target))
    handler.setFormatter(JsonLines())
    for name in ("agenthub", "uvicorn", "litestar", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1 if is_off else logging.WARNING)
    if not is_off:
        set_level(level)


def set_level(level: str) -> None:
    """From which level on records are written: `info` has a line for each request. Where the log
    is off it stays off."""
    logger = logging.getLogger("agenthub")
    if logger.level <= logging.CRITICAL:
        logger.setLevel(level.upper())


def _path_of(target: str) -> Path | None:
    return None if target == STDERR else Path(target)


class AccessLine(msgspec.Struct, gc=False):
    """What the log says of a request. `ms`: how long it took."""

    at: datetime
    method: str
    path: str
    status: int
    ms: float
    agent: str
    client: str
    request: str


class AccessLog:
    """One line per request, written in batches: a line at a time would cost more than many a
    request.
    """

    def __init__(self) -> None:
        self._waiting: list[AccessLine] = []

    def note(self, method: str, scope: Any, status: int, seconds: float) -> None:
        """Remember a request: who, what, how it ended.

        Paths only: a query may hold what nobody should keep.
        """
        if not ACCESS.isEnabledFor(logging.INFO):
            return
        caller, client = scope.get("caller"), scope.get("client")
        self._waiting.append(
            AccessLine(
                utc_now(),
                method,
                scope["path"][:300],
                status,
                round(seconds * 1000, 2),
                "" if caller is None else caller.agent_id or "(admin)",
                client[0] if client else "",
                scope.get("request_id", ""),
            )
        )

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            ACCESS.info("%s", _encoder.encode_lines(waiting)[:-1].decode())

    async def flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()
