"""A hub, somebody who claims results there, and a verifier's repository beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from autoresearch.cli.credentials import Credentials, folder_file, reserve, write
from autoresearch.client import Hub
from autoresearch.git.repo import Repo
from autoresearch.git.sync import push_commits
from autoresearch.researcher.swarm.track import track_id
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import Writes, make, noisy, research

BOX = "test-box"


class Claimant:
    """Somebody with a repository and an account, who commits, pushes and posts what they like."""

    def __init__(self, workspace: Workspace, hub: Any, track: str) -> None:
        self.workspace = workspace
        self.agent = hub.agent("claimant")
        self.hub = Hub(hub.url, self.agent.key)
        self.track = track

    def claims(self, value: float, platform: str = BOX, **files: str) -> tuple[str, int]:
        """Commit files on the root, push, and claim a value; the commit and the post."""
        with self.workspace.fresh(self.workspace.repo.head()) as checkout:
            for name, text in files.items():
                (checkout.path / f"{name}.py").write_text(text)
            Repo(checkout.path).add(change.path for change in checkout.changes())
            commit = Repo(checkout.path).commit(f"claims {value} for {platform}")
        self.workspace.repo.set_ref(f"refs/claims/{commit}", commit)
        push_commits(self.workspace.repo, self.hub, [commit])
        line = (
            f"commit:{commit[:7]} platform:{platform} val_bpb:{value:.6f} vram_gb:2.0 "
            f"track:{self.track} | an idea"
        )
        return commit, self.hub.post("results", line).id


def make_swarm(folder: Path, hub: Any) -> tuple[Claimant, Workspace]:
    """A claimant, and a verifier's repository with a measured baseline; both start from the same
    root, and the operator opened the verifier's account: its word decides."""
    claimant = make(folder / "claimant", noisy(1.0, 0.001))
    shutil.copytree(claimant.folder, folder / "verifier")
    verifier = Workspace(folder / "verifier")
    research(verifier, Writes(), experiments=0, platform=BOX)
    judge = hub.vouched("verifier")
    file = folder_file(verifier.folder)
    reserve(file, force=False)
    write(file, Credentials(hub.url, judge.key, judge.id))
    return Claimant(claimant, hub, track_id(verifier)), verifier
