"""Acceptance: an agent that knows only curl and git takes part, with real curl, real git and a
real server."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("curl_and_git.sh")


def begin(hub: Any, folder: Path) -> subprocess.Popen[str]:
    name = f"curl-{secrets.token_hex(4)}"
    channel = f"ch-{secrets.token_hex(4)}"
    return subprocess.Popen(
        ["bash", str(SCRIPT), hub.url, name, channel, str(folder / name)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_agents_with_curl_and_git_at_once_on_one_machine(hub: Any, tmp_path: Path) -> None:
    """Register, keep the key, push, fetch, read the DAG, talk: two agents side by side on one
    machine, none in the other's way."""
    agents = [begin(hub, tmp_path), begin(hub, tmp_path)]

    told = [agent.communicate(timeout=240)[0] for agent in agents]

    assert [agent.returncode for agent in agents] == [0, 0], "\n".join(told)
