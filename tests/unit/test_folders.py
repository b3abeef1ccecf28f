"""Claims about folders that foreign code wrote in: whatever lies there is measured, read and
removed, and nothing waits or fails."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest

from autoresearch.errors import TooLarge
from autoresearch.folders import Bounds, read_bytes, size_bytes, walk_folder, wipe


def nest(folder: Path, depth: int, name: str = "d") -> None:
    """Folders inside each other, deeper than any path or recursion goes."""
    folder.mkdir(exist_ok=True)
    inner = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=inner)
        outer, inner = inner, os.open(name, os.O_RDONLY, dir_fd=inner)
        os.close(outer)
    os.close(os.open("last", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
    os.close(inner)


@pytest.mark.parametrize("name", ["d", "d" * 255])
def test_folders_of_any_depth_are_removed(tmp_path: Path, name: str) -> None:
    """Three thousand folders inside each other, with names longer than a path may be, are gone
    with few open files."""
    nest(tmp_path / "deep", 3000, name)
    (tmp_path / "deep" / "locked").mkdir()
    (tmp_path / "deep" / "locked" / "x").write_text("x")
    (tmp_path / "deep" / "locked").chmod(0)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        wipe(tmp_path / "deep")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert not (tmp_path / "deep").exists()


def test_what_links_point_to_is_left_alone(tmp_path: Path) -> None:
    """Removing a folder removes the links in it; a link in the folder's own place is removed as a
    link."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    (tmp_path / "left" / "sub").mkdir(parents=True)
    os.symlink(tmp_path / "mine", tmp_path / "left" / "sub" / "link")
    os.symlink(tmp_path / "mine", tmp_path / "top")

    wipe(tmp_path / "left")
    wipe(tmp_path / "top")
    wipe(tmp_path / "never there")

    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "file").exists()


def test_too_deep_and_too_many_are_sentences(tmp_path: Path) -> None:
    """A bound that is passed raises TooLarge and leaves no descriptor open."""
    nest(tmp_path / "deep", 1100)
    (tmp_path / "many").mkdir()
    for number in range(30):
        (tmp_path / "many" / str(number)).touch()
    open_before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(TooLarge, match="more than 64 folders inside each other"):
        size_bytes(tmp_path / "deep")
    wipe(tmp_path / "deep")  # pytest could not
    with pytest.raises(TooLarge, match="more than 20 files and folders"):
        list(walk_folder(tmp_path / "many", Bounds(20, 64)))

    assert len(list(walk_folder(tmp_path / "many", Bounds(30, 1)))) == 30
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_pipes_sockets_links_and_odd_names_are_listed_not_opened(tmp_path: Path) -> None:
    """Nothing is followed, nothing waits for a writer, and a name that is no UTF-8 is a name."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    os.symlink("/", tmp_path / "root")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"12345")

    names = {path for path, _ in walk_folder(tmp_path)}

    assert names == {"pipe", "socket", "root", os.fsdecode(b"\xff")}
    assert size_bytes(tmp_path) == 5 + len("/")
    assert read_bytes(tmp_path, os.fsdecode(b"\xff"), 5) == b"12345"
    assert read_bytes(tmp_path, "root", 100) == b"/"
    for name in ("pipe", "socket", "root/etc/passwd"):
        with pytest.raises(OSError):
            read_bytes(tmp_path, name, 100)


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    """A file of a terabyte without content is not read into memory."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)

    with pytest.raises(TooLarge, match=r"over 0\.001 MB"):
        read_bytes(tmp_path, "huge", 1000)
