"""What uvicorn writes in pieces leaves the hub in one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from autoresearch.hub.http_protocol import _JoinedWrites


class Sent(asyncio.Transport):
    """Notes each system call that a real one would make."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.closed = False

    def writelines(self, list_of_data: Iterable[bytes]) -> None:  # type: ignore[override]
        self.calls.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


def sent_by(*steps: str | bytes | None) -> list[bytes]:
    """What leaves: bytes are written, None ends a turn of the event loop, a word is called."""

    async def write() -> list[bytes]:
        sent = Sent()
        joined = _JoinedWrites(sent, asyncio.get_running_loop())
        for step in steps:
            if step is None:
                await asyncio.sleep(0)
            elif isinstance(step, bytes):
                joined.write(step)
            else:
                getattr(joined, step)()
        await asyncio.sleep(0.01)
        return sent.calls

    return asyncio.run(write())


def test_a_head_leaves_with_its_body() -> None:
    assert sent_by(b"head", b"body") == [b"headbody"]
    assert sent_by(b"head", b"", None, b"more", b"body") == [b"head", b"morebody"]


def test_a_head_without_a_body_yet_does_not_wait_for_one() -> None:
    """A stream's head, and each of its events."""
    assert sent_by(b"head", None, None, b"event", None, None, b"event") == [
        b"head", b"event", b"event"
    ]  # fmt: skip


def test_what_was_written_leaves_before_the_connection_closes() -> None:
    assert sent_by(b"refusal", "close") == [b"refusal"]


def test_nothing_is_written_to_a_connection_that_was_cut() -> None:
    assert sent_by(b"head", "abort") == []
    assert sent_by(b"head", b"body", "abort", b"late") == [b"headbody"]
