"""isomorphic-git, as programs in JavaScript use it, against a hub. `make test-agents` runs this."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIBRARY = HERE.parent.parent / ".agents" / "isomorphic-git" / "node_modules"


def test_isomorphic_git_pushes_lists_and_clones(two_workers: Any, tmp_path: Path) -> None:
    """It is told that its push was taken, finds it by name and clones it; a refusal reaches it with
    the reason."""
    agent = two_workers.agent()
    program = tmp_path / "program.mjs"
    program.write_text((HERE / "isomorphic_git.mjs").read_text())
    (tmp_path / "node_modules").symlink_to(LIBRARY)
    (tmp_path / "work").mkdir()
    words = [f"{two_workers.url}/git", agent.key, str(tmp_path / "work"), agent.id]

    done = subprocess.run(
        ["node", str(program), *words], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] and told["refs"] == [f"refs/heads/{agent.id}"]
    assert told["made"] == told["cloned"] and "hub's own" in told["refused"]
    assert agent.get(f"/api/git/commits/{told['made']}").status_code == 200
