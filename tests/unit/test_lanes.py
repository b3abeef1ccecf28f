"""Which work of a worker waits behind which."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path

import pytest

from autoresearch.hub.services import Services
from autoresearch.hub.settings import Settings


@pytest.fixture
def hub(tmp_path: Path, database_url: str) -> Services:
    key = hashlib.sha256(b"a key of sixteen letters").digest()
    return Services(Settings(tmp_path, key, database=database_url))


def test_reads_wait_behind_no_long_work(hub: Services) -> None:
    """More long work than there are threads for, and as much of a push: a read comes through."""
    go_on = threading.Event()

    async def read_meanwhile() -> int:
        held = [asyncio.create_task(hub.in_long_lane(go_on.wait, 60)) for _ in range(20)]
        held += [asyncio.create_task(hub.in_push_lane(go_on.wait, 60)) for _ in range(20)]
        try:
            return await asyncio.wait_for(hub.off_loop(lambda: 7), 30)
        finally:
            go_on.set()
            await asyncio.gather(*held)

    assert asyncio.run(read_meanwhile()) == 7
    hub.db.close()
