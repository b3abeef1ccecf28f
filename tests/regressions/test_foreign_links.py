"""A hub that hands out a commit whose free file is a link could have an agent's edit written to
any file of the user's. It is never checked out."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.researcher.workspace import OutsideFree
from tiny_workspaces import make, noisy


@pytest.mark.parametrize("mode", ["120000", "160000"])
def test_a_free_file_that_is_a_link_is_refused(tmp_path: Path, mode: str) -> None:
    """A link, or another repository, in the place of train.py is told and passed over; a plain
    change and a removal are not."""
    workspace = make(tmp_path / "w", noisy())
    base = workspace.repo.head()
    target = (
        workspace.repo.git("hash-object", "-w", "--stdin", data=b"/etc/passwd").strip()
        if mode == "120000"
        else base
    )
    workspace.repo.git("update-index", "--cacheinfo", f"{mode},{target},train.py")
    link = workspace.repo.commit("a link")
    workspace.repo.git("reset", "-q", "--hard", base)

    with pytest.raises(OutsideFree, match=r"train\.py is no plain file"):
        workspace.check_comparable(link, base)

    workspace.repo.git("rm", "-q", "train.py")
    workspace.check_comparable(workspace.repo.commit("without"), base)
