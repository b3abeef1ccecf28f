"""Claims about files that git LFS keeps: a checkout has their content, or is refused."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace
from autoresearch.git.lfs import VERSION, Pointer, list_pointers, parse_pointer
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import make, noisy

CONTENT = b"the content \0 of a model\n" * 100
OID = hashlib.sha256(CONTENT).hexdigest()


def write_pointer(content: bytes = CONTENT) -> str:
    oid = hashlib.sha256(content).hexdigest()
    return f"{VERSION}\noid sha256:{oid}\nsize {len(content)}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    files = {".gitattributes": "*.bin filter=lfs -text\n", "d/é ö.bin": write_pointer()}
    return make(tmp_path / "w", noisy(), files=files)


def store(workspace: Workspace, content: bytes = CONTENT, place: str = "lfs") -> Path:
    file = workspace.repo.common_dir() / place / "objects" / OID[:2] / OID[2:4] / OID
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def test_a_pointer_without_content_is_refused(workspace: Workspace) -> None:
    """With the path and the command that fetches it, before anything runs."""
    with pytest.raises(BadWorkspace, match=r"d/é ö\.bin .*git lfs pull"):
        workspace.check_ready()
    with pytest.raises(BadWorkspace, match="git LFS"):
        workspace.start_branch("refs/heads/x")


@pytest.mark.parametrize("where", ["store", "configured", "checkout"])
def test_the_content_is_put_in(workspace: Workspace, where: str) -> None:
    """From LFS's store, from the one that the configuration names, or from the user's checkout; a
    checkout is then unchanged, and what a run does to the file is seen."""
    if where == "store":
        store(workspace)
    elif where == "configured":
        workspace.repo.git("config", "lfs.storage", "elsewhere")
        store(workspace, place="elsewhere")
    else:
        (workspace.folder / "d" / "é ö.bin").write_bytes(CONTENT)
    workspace.check_ready()

    with workspace.fresh(workspace.repo.head()) as checkout:
        file = checkout.path / "d" / "é ö.bin"
        assert file.read_bytes() == CONTENT
        assert checkout.changes() == []
        file.write_bytes(b"x")
        assert [change.path for change in checkout.changes()] == ["d/é ö.bin"]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"x", b""])
def test_damaged_content_is_none(workspace: Workspace, content: bytes) -> None:
    """A download that was cut, or another file of that name."""
    store(workspace, content)
    with pytest.raises(BadWorkspace, match="git lfs pull"):
        workspace.check_ready()


def test_an_edit_beside_it_commits_the_free_file_alone(workspace: Workspace) -> None:
    """The pointer stays a pointer in every commit."""
    store(workspace)
    with workspace.fresh(workspace.repo.head()) as checkout:
        (checkout.path / "train.py").write_text("x = 1\n")
        commit = workspace.commit(checkout, "an idea")

    assert workspace.repo.changed_between(workspace.repo.head(), commit) == ["train.py"]
    assert list_pointers(workspace.repo, commit) == {"d/é ö.bin": Pointer(OID, len(CONTENT))}


@pytest.mark.parametrize(
    ("text", "is_pointer"),
    [
        (write_pointer(), True),
        (write_pointer().replace("\n", "\r\n"), True),
        (f"{VERSION}\next-0-x sha256:{OID}\noid sha256:{OID}\nsize 3\n", True),
        (f"{VERSION}\n", False),
        (f"# {VERSION}\noid sha256:{OID}\nsize 3\n", False),
        (write_pointer() + "x" * 1024, False),
        (f"{VERSION}\noid sha256:../../x\nsize 3\n", False),
    ],
)
def test_what_a_pointer_is(text: str, is_pointer: bool) -> None:
    """Its whole text, and no other file that speaks of one."""
    assert (parse_pointer(text.encode()) is not None) == is_pointer


def test_a_submodule_is_refused(tmp_path: Path) -> None:
    """It would be an empty folder."""
    workspace = make(tmp_path / "w", noisy())
    inner = make(tmp_path / "inner", noisy())
    subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.folder),
         "sub"], cwd=workspace.folder, check=True,
    )  # fmt: skip
    workspace.repo.commit("Add a submodule")
    with pytest.raises(BadWorkspace, match=r"sub in commit .* submodule"):
        workspace.check_ready()
