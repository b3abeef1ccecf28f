"""Where a coding agent's program lies: odd folders on PATH stop nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.researcher.agents.programs import find_program_paths


@pytest.mark.parametrize("name", ["locked/bin", "x" * 300, "not there", "file/bin", "a\nb"])
def test_a_folder_that_cannot_be_looked_at_is_left_out(tmp_path: Path, name: str) -> None:
    """As a shell does: root's folder on the PATH of one who was `su`ed to, a name that is too
    long, a file where a folder was."""
    (tmp_path / "file").touch()
    locked = tmp_path / "locked"
    (locked / "bin").mkdir(parents=True)
    locked.chmod(0o000)  # root may look; whoever else runs the tests may not
    tools = tmp_path / "tools"
    tools.mkdir()
    path = f"{tmp_path / name}:{tools}:/usr/bin"
    try:
        found = find_program_paths([str(tmp_path / name / "x")], path, tmp_path / "home")
    finally:
        locked.chmod(0o700)

    assert tools in found
    assert name == "locked/bin" or tmp_path / name not in found
