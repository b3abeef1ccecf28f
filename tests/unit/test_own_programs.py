"""What we print as the next step runs where it is read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch.own_programs import call_program

OURS = Path(sys.executable).with_name("autoresearch")


def test_the_line_runs_where_path_does_not_lead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From a folder above the environment, from one below, and from one with a space in its name;
    whatever its words hold."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    below = OURS.parents[2] / "docs"
    spaced = tmp_path / "a folder"
    spaced.mkdir()
    for place in (OURS.parents[2], below, spaced):
        monkeypatch.chdir(place)
        line = call_program("autoresearch", "status", spaced / "it's $HOME")
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
        assert done.returncode == 2 and "it's $HOME is not a folder" in done.stderr, done


def test_beside_the_reader_the_path_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(OURS.parents[2])
    assert call_program("ah", "join", "URL") == f"{OURS.parents[1].name}/bin/ah join URL"


def test_where_path_leads_here_the_name_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also through the link that pipx and uv make; a namesake of elsewhere is another program."""
    monkeypatch.setenv("PATH", f"{OURS.parent}:/usr/bin:/bin")
    assert call_program("autoresearch", "doctor") == "autoresearch doctor"

    (tmp_path / "autoresearch").symlink_to(OURS)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert call_program("autoresearch", "doctor") == "autoresearch doctor"

    (tmp_path / "autoresearch").unlink()
    (tmp_path / "autoresearch").write_text("#!/bin/sh\n")
    (tmp_path / "autoresearch").chmod(0o755)
    assert os.sep in call_program("autoresearch")
