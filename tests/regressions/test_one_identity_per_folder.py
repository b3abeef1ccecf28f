"""Credentials in one place per home, and bundles at one path per machine, made agents on one host
write in each other's name.

`~/.agenthub_creds` was readable by everybody, the last one to join was everybody, and
`/tmp/push.bundle` of one was pushed by another.
"""

from __future__ import annotations

import secrets
import stat
import threading
from pathlib import Path
from typing import Any

from ah_agent import AhAgent


def test_agents_with_one_home_keep_their_own_names(hub: Any, tmp_path: Path) -> None:
    """Four agents of one user, side by side: each writes in its own name, pushes its own commits,
    and git sees no key."""
    home = tmp_path / "home"
    agents = [AhAgent.at(tmp_path / f"agent{number}", home) for number in range(4)]
    names = [f"{agent.folder.name}-{secrets.token_hex(4)}" for agent in agents]
    tips: dict[str, str] = {}

    def live(agent: AhAgent, name: str) -> None:
        agent.git("init", "-q", "-b", "main")
        agent.ah("join", hub.url, name)
        tips[name] = agent.commit(f"who = '{name}'\n", name)
        agent.ah("push")
        agent.ah("post", "discussion", f"I am {name}")

    threads = [threading.Thread(target=live, args=pair) for pair in zip(agents, names, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for agent, name in zip(agents, names, strict=True):
        assert name == agent.json("whoami")["id"]
        assert [tips[name]] == [commit["hash"] for commit in agent.json("log", "--agent", name)]
        assert agent.git("status", "--porcelain") == ""
        kept = agent.folder / ".agenthub" / "credentials.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert not (home / ".agenthub_creds").exists()
