"""A lively hub that a module of tests looks at with a browser, and results that come in
meanwhile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import served
from populate import RACES, Lively, populate


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Lively]]:
    """A hub as users run it, filled; what the module's tests look at."""
    with served(tmp_path_factory.mktemp("window") / "hub") as hub:
        yield hub, populate(hub, results=60)


def post_result(hub: Any, lively: Lively, words: str) -> None:
    """By curl, as an agent posts without any program of ours."""
    race = RACES[0]
    result = (
        f"commit:{lively.commits[-1][:7]} platform:{race.platform} val_bpb:0.9700 "
        f"vram_gb:44.0 track:{race.track} | {words}"
    )
    command = ["curl", "-sf", "-X", "POST", f"{hub.url}/api/channels/results/posts"]
    command += ["-H", f"Authorization: Bearer {lively.agents['ada-h100'].key}"]
    command += ["-H", "Content-Type: application/json", "-d", json.dumps({"content": result})]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
