"""dulwich, git in Python, against a hub: it pushes, clones and fetches, and hears why not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from dulwich import porcelain

WHO = b"d <d@example.com>"


def commit(repo: Any, text: str) -> str:
    (Path(repo.path) / "train.py").write_text(text)
    porcelain.add(repo, [str(Path(repo.path) / "train.py")])
    made = porcelain.commit(repo, message=text.encode(), author=WHO, committer=WHO)
    return str(made.decode())


def push(repo: Any, url: str, name: str) -> str:
    """Push HEAD to a branch; what dulwich says."""
    said = io.BytesIO()
    refs = [f"HEAD:refs/heads/{name}".encode()]
    try:
        porcelain.push(repo, url, refs, outstream=io.BytesIO(), errstream=said)
    except porcelain.Error as error:
        return str(error)
    return said.getvalue().decode()


def test_dulwich_pushes_clones_fetches_and_is_refused(two_workers: Any, tmp_path: Path) -> None:
    """What it pushed is on the hub, another clone has it, a later fetch brings what came since, and
    a name of the hub's own is refused with the reason."""
    agent = two_workers.agent()
    url = two_workers.url.replace("http://", f"http://x:{agent.key}@") + "/git"
    quiet = {"errstream": io.BytesIO()}
    with porcelain.open_repo_closing(porcelain.init(str(tmp_path / "one")).path) as repo:
        first = commit(repo, "one")
        push(repo, url, agent.id)
        assert agent.get(f"/api/git/commits/{first}").status_code == 200
        there = porcelain.clone(url, str(tmp_path / "two"), branch=agent.id.encode(), **quiet)
        assert there.head().decode() == first
        second = commit(repo, "two")
        push(repo, url, agent.id)
        found = porcelain.fetch(there, url, **quiet)
        assert second.encode() in found.refs.values()
        assert "hub's own" in push(repo, url, "root")
        there.close()
