"""Claims about a text of one's own: no commit holds its path, and machines with the same bytes can
build on each other."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace
from autoresearch.researcher import config
from autoresearch.researcher.init import start_lab
from autoresearch.researcher.own_text import find_text, hash_text, name_text
from autoresearch.researcher.preparation import prepare
from autoresearch.researcher.workspace import Workspace


def write_text(place: Path) -> Path:
    (place / "sub").mkdir(parents=True)
    for name in ("a.txt", "sub/b é.txt"):
        (place / name).write_text(f"text of {name}\n")
    return place


def test_no_commit_holds_the_path(tmp_path: Path) -> None:
    """Two machines with the same bytes elsewhere have the same fixed files, byte for byte."""
    one = start_lab(tmp_path / "one" / "x", "custom", write_text(tmp_path / "here"))
    two = start_lab(tmp_path / "two" / "y", "custom", write_text(tmp_path / "there" / "deeper"))

    assert one.git("rev-parse", "HEAD^{tree}") == two.git("rev-parse", "HEAD^{tree}")
    for name in one.files("HEAD"):
        assert str(tmp_path) not in one.show("HEAD", name).decode("utf-8", "replace")
    assert find_text(Workspace(one.path)) == tmp_path / "here"
    assert one.changes() == []


@pytest.mark.parametrize("name", ["notes.txt", "rows.jsonl", "odd name é.parquet"])
def test_one_file_is_known_by_its_bytes(tmp_path: Path, name: str) -> None:
    """Whatever it is called; another text has another hash."""
    (tmp_path / name).write_bytes(b"text")
    (tmp_path / "other").write_bytes(b"text")
    (tmp_path / "third").write_bytes(b"text.")

    assert hash_text(tmp_path / name) == hash_text(tmp_path / "other")
    assert hash_text(tmp_path / name) != hash_text(tmp_path / "third")


def test_a_folder_is_known_by_names_and_bytes(tmp_path: Path) -> None:
    """Hidden files are none of it, on either machine."""
    one, two = write_text(tmp_path / "one"), write_text(tmp_path / "two")
    (one / ".git").mkdir()
    (one / ".git" / "HEAD").write_text("ref")
    (one / ".DS_Store").write_text("x")

    assert hash_text(one) == hash_text(two)
    (two / "a.txt").rename(two / "c.txt")
    assert hash_text(one) != hash_text(two)


def test_another_machine_says_where_its_copy_lies(tmp_path: Path) -> None:
    """A clone asks for it, refuses another text, and goes on with the same bytes."""
    data = write_text(tmp_path / "here")
    first = start_lab(tmp_path / "x", "custom", data)
    subprocess.run(["git", "clone", "-q", str(first.path), str(tmp_path / "clone")], check=True)
    clone = Workspace(tmp_path / "clone")

    with pytest.raises(BadWorkspace, match=r"init .*clone --data PATH"):
        prepare(clone, {}, threading.Event())
    (tmp_path / "else").write_text("another text")
    with pytest.raises(BadWorkspace, match="is not the text of this experiment"):
        name_text(clone, tmp_path / "else")
    name_text(clone, write_text(tmp_path / "copy"))
    assert find_text(clone) == tmp_path / "copy"


def test_a_text_that_moved_or_changed_is_told(tmp_path: Path) -> None:
    """Before anything is prepared from it."""
    data = write_text(tmp_path / "here")
    workspace = Workspace(start_lab(tmp_path / "x", "custom", data).path)

    (data / "a.txt").write_text("changed")
    with pytest.raises(BadWorkspace, match="could not be compared"):
        find_text(workspace)
    data.rename(tmp_path / "moved")
    with pytest.raises(BadWorkspace, match="is not there"):
        find_text(workspace)


def test_a_path_in_an_older_configuration_goes_on(tmp_path: Path) -> None:
    """It names its text itself."""
    repo = start_lab(tmp_path / "x", "custom", write_text(tmp_path / "here"))
    file = repo.path / config.NAME
    file.write_text(file.read_text().replace("{data}", str(tmp_path / "here")))

    assert not Workspace(repo.path).config.has_own_text
