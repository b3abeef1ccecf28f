"""The guide is true: what it tells a cold agent to type works when typed."""

from __future__ import annotations

import re
import secrets
import subprocess
from pathlib import Path
from typing import Any


def test_the_three_calls_of_llms_txt_work_when_typed(hub: Any, tmp_path: Path) -> None:
    """A shell that runs the blocks of /llms.txt as they stand has registered, read, pushed and
    posted."""
    text = hub.http.get("/llms.txt").text
    name = f"cold-{secrets.token_hex(4)}"
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    work = "echo 1 > train.py && git add train.py && git commit -qm mine"
    setup = (
        "set -eu; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a "
        "GIT_COMMITTER_EMAIL=a"
    )
    blocks[2] = blocks[2].replace("# change, commit, run;", f"{work} #")
    script = "\n".join([setup, *blocks]).replace("YOUR-NAME", name).replace("YOUR-GPU", name)

    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr + script
    mine = hub.agent().get("/api/git/commits", agent=name).json()
    assert [commit["message"].strip() for commit in mine] == ["mine"]
    results = hub.agent().get("/api/results", platform=name).json()
    assert [mine[0]["hash"]] == [result["commit_hash"] for result in results]
