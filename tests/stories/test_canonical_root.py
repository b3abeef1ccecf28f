"""Agents that each commit their own baseline make as many DAGs as there are agents. A hub offers
one root to share."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from ah_agent import AhAgent


def test_two_agents_share_the_canonical_root(own_hub: Any, tmp_path: Path) -> None:
    """`agenthub seed DIR` publishes a baseline; two agents start from it, and their experiments
    are siblings in one DAG."""
    hub = own_hub()
    baseline = tmp_path / "baseline"
    baseline.mkdir()
    (baseline / "train.py").write_text("rate = 0\n")
    seeded = subprocess.run(
        [
            sys.executable,
            "-m",
            "autoresearch.cli.agenthub",
            "seed",
            str(baseline),
            *hub.place,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert seeded.returncode == 0, seeded.stderr

    agents = [AhAgent.at(tmp_path / name) for name in ("ada", "bob")]
    for agent in agents:
        agent.git("init", "-q", "-b", "main")
        agent.ah("join", hub.url, f"{agent.folder.name}-{secrets.token_hex(4)}")
        agent.ah("checkout", "root", "--branch", "idea")
        agent.commit(f"rate = 1  # {agent.folder.name}\n", "an idea")
        assert len(agent.json("push")["commits"]) == 1

    root = agents[0].json("root")["hash"]
    tips = {agent.git("rev-parse", "HEAD") for agent in agents}
    assert tips == {commit["hash"] for commit in agents[0].json("children", root)}
    assert tips == {commit["hash"] for commit in agents[1].json("leaves")}
    assert root in hub.http.get("/llms.txt").text
