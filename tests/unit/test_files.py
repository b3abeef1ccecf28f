"""Replacing a file: whole or not at all, with the mode asked for, and nothing left over."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from autoresearch.files import PRIVATE, replace_file, replacement_of


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The new content stands in the old one's place, in a folder that is made where it is
    missing."""
    file = tmp_path / "folder" / "state.json"
    replace_file(file, b"old and longer")
    replace_file(file, b"new")

    assert file.read_bytes() == b"new"
    assert [file] == list(file.parent.iterdir())


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """An error in the middle of writing changes nothing and leaves no unfinished file."""
    file = tmp_path / "state.json"
    replace_file(file, b"old")

    with pytest.raises(ZeroDivisionError), replacement_of(file) as handle:
        handle.write(b"half of it")
        raise ZeroDivisionError

    assert file.read_bytes() == b"old"
    assert [file] == list(tmp_path.iterdir())


def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    """Mode 0600 holds while the file is written, not only afterwards."""
    file = tmp_path / "key"
    with replacement_of(file, mode=PRIVATE, durable=False) as handle:
        assert stat.S_IMODE(os.fstat(handle.fileno()).st_mode) == PRIVATE

    assert stat.S_IMODE(file.stat().st_mode) == PRIVATE


def test_writers_at_the_same_time_never_mix(tmp_path: Path) -> None:
    """Of two writers one wins whole."""
    file = tmp_path / "state.json"
    texts = [bytes([65 + i]) * 100_000 for i in range(4)]
    threads = [
        threading.Thread(
            target=lambda t=t: [replace_file(file, t, durable=False) for _ in range(20)]
        )
        for t in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert file.read_bytes() in texts
    assert [file] == list(tmp_path.iterdir())
