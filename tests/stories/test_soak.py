"""The soak in its short form: a few seconds of real clients and real faults on one hub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parent.parent.parent / "bench" / "soak.py"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_short_soak_of_a_hub_finds_nothing_wrong(tmp_path: Path) -> None:
    """Whatever was acknowledged is there, no answer was wrong, and the hub was killed at least
    once or met another fault."""
    done = subprocess.run(
        [sys.executable, str(SOAK), "--minutes", "0.06", "--pause-s", "0.2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["posts"] and told["commits"] and told["lost"] == told["wrong"] == []
    assert any(name.startswith("fault") for name in told["counts"])
    assert list(tmp_path.iterdir()) == []
